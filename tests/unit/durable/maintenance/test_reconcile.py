from datetime import datetime, timedelta

import azure.durable_functions as df
import pytest

from registry.domain.delivery import BackoffPolicy
from registry.domain.registry import Registry
from registry.domain.snapshots import Snapshot
from registry.domain.stats import Stats
from registry.durable.maintenance.reconcile import AT_ONCE
from registry.durable.maintenance.timers import reconcile
from registry.durable.messages import (
    AddItem,
    CloseRegistry,
    RecordDelivery,
    RecordSnapshot,
    RequestDelivery,
)
from registry.durable.names import (
    DELIVERY_ORCHESTRATOR,
    REGISTRY_ORCHESTRATOR,
    delivery_instance,
    list_entity,
    stats_entities,
    stats_entity,
)
from registry.durable.task_hub import Instance
from tests.clock import START
from tests.support.fake_hub import FAILS, ID, LOST, NO_ANSWER, OK, CallFault, is_running, on
from tests.support.registries import END, make_terms
from tests.unit import stored_by_1_0

CLOSE, REPORT, START_DELIVERY = "signal CloseRegistry", "signal RecordSnapshot", "start delivery"
READ = "read stats"
AN_HOUR_LATER = END + timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)


def id_of(number: int) -> str:
    return f"{number:08x}" + "0" * 24


def run(client) -> None:
    work = reconcile._function.get_user_function().client_function
    client.clock.run(work(None, client.mock))


def count(client, snapshots: dict[str, Snapshot]) -> None:
    """Have the stats know these. Where they are open, their orchestration runs."""
    for id, snapshot in snapshots.items():
        if snapshot.status == "open" and snapshot.terms and id not in client.instances:
            client.start(snapshot.terms)
        entity = client.entity(stats_entity(id))
        stats = Stats.from_state(entity.read() or {})
        stats.snapshots[id] = snapshot
        stats.counts[snapshot.status] += 1
        stats.items += snapshot.items
        entity.store(stats.to_state())


def open_snapshot(id: str = ID, closes_at: datetime = END, **terms) -> Snapshot:
    """The snapshot of a registry of which only its opening was reported.

    The stats need not keep the terms.
    """
    registry = Registry.new(make_terms(id, closes_at=closes_at, **terms))
    return Snapshot.of(registry, closes_at).model_copy(update={"terms": None})


def close_pending(client, id: str = ID) -> Registry:
    """Have a closed registry whose delivery is pending."""
    terms = client.open(make_terms(id, has_webhook=True))
    client.apply(CloseRegistry, id, terms=terms, by="user")
    return client.registry(id)


def have_delivery(client, status: str, id: str = ID) -> Instance:
    """Have a delivery orchestration with this status."""
    delivery = delivery_instance(id)
    instance = Instance(delivery, DELIVERY_ORCHESTRATOR, status, "the first")
    client.instances[delivery] = instance
    return instance


def counts_afterwards(client) -> dict[str, int]:
    """What the stats have counted once all messages arrived."""
    client.clock.advance(seconds=1)
    return +client.stats().counts


class TestDue:
    def test_where_nothing_is_due_it_reads_the_stats(self, client) -> None:
        """Sixteen reads a minute, and no message."""
        run(client)
        assert [call.what for call in client.calls] == ["read stats"] * 16

    def test_an_orchestration_has_fifteen_seconds_to_close_its_registry(
        self, client, clock
    ) -> None:
        """Then it is closed here."""
        client.open()
        count(client, {ID: open_snapshot()})
        clock.now = END + timedelta(seconds=15) - MOMENT
        run(client)
        assert client.sent() == []

        clock.now = END + timedelta(seconds=15)
        run(client)
        assert client.registry().closed_by == "timeout"
        assert counts_afterwards(client) == {"off": 1}

    def test_a_delivery_has_thirty_seconds_to_report(self, client, clock) -> None:
        """Then it is restarted, under the number that the list has."""
        due = START + timedelta(hours=1)
        count(client, {ID: Snapshot.of(close_pending(client), due)})
        clock.now = due + timedelta(seconds=30) - MOMENT
        run(client)
        assert client.sent() == []

        clock.now = due + timedelta(seconds=30)
        run(client)
        assert client.sent() == [REPORT, START_DELIVERY]
        assert client.calls[-1].content["number"] == 1

    def test_completed_registries_and_those_that_are_not_due_are_left_alone(
        self, client, clock
    ) -> None:
        """However long ago the former ended."""
        completed = Snapshot(revision=4, items=0, status="delivered", due=START, closed_at=START)
        later = open_snapshot(id_of(1), END + timedelta(days=1))
        count(client, {ID: completed, id_of(1): later})
        clock.now = END + timedelta(minutes=30)
        run(client)
        assert client.sent() == []

    def test_every_overdue_registry_is_seen_to_oldest_first(self, client, clock) -> None:
        """However many there are, and whether they are to be closed or delivered."""
        dues = {id_of(n): START + timedelta(seconds=(n * 37) % 300) for n in range(300)}
        for id, due in dues.items():
            count(client, {id: Snapshot.of(close_pending(client, id), due)})

        clock.advance(minutes=10)
        run(client)
        starts = [call.target for call in client.calls if call.what == START_DELIVERY]
        oldest = list(map(delivery_instance, sorted(dues, key=dues.__getitem__)))
        assert set(starts) == set(oldest)
        assert set(starts[:AT_ONCE]) == set(oldest[:AT_ONCE])
        assert clock.utc_now() < START + timedelta(minutes=11)

    def test_nothing_is_begun_after_fifty_seconds(self, client, clock, caplog) -> None:
        """What is left is one line, and comes in the next run."""
        ids = [id_of(number) for number in range(150)]
        count(client, {id: open_snapshot(id) for id in ids})
        clock.now = END + timedelta(minutes=1)
        client.fault = on("read list", NO_ANSWER)
        run(client)
        assert client.count("read list") == 5 * AT_ONCE
        assert caplog.messages[-1] == "50 registries: not reconciled yet: the run was too long"
        assert len(caplog.messages) == 5 * AT_ONCE + 1

    @pytest.mark.parametrize("status", ["open", "pending"])
    def test_what_is_due_later_than_it_can_be_counts_as_due(self, client, clock, status) -> None:
        """A clock was a day and some minutes ahead. What the list says counts."""
        due = START + timedelta(days=1, minutes=5)
        registry = close_pending(client)
        entry = Snapshot.of(registry, due).model_copy(update={"status": status})
        count(client, {ID: entry})
        run(client)
        assert is_running(client.instances[delivery_instance(ID)])
        assert counts_afterwards(client) == {"pending": 1}
        assert client.stats().snapshots[ID].due < START + timedelta(minutes=1)

    def test_a_delay_that_its_terms_allow_is_waited_for(self, client, clock) -> None:
        """The settings of today allow less."""
        backoff = BackoffPolicy(longest=86_400)
        terms = client.open(make_terms(has_webhook=True, backoff=backoff))
        client.apply(CloseRegistry, terms=terms, by="user")
        have_delivery(client, "Running")
        count(client, {ID: Snapshot.of(client.registry(), START + timedelta(hours=20))})
        run(client)
        assert client.made("terminate", "start", "signal") == []

    def test_twenty_registries_are_seen_to_at_once(self, client, clock) -> None:
        """Each with a deadline of its own, however long it has waited for its turn."""
        for number in range(50):
            count(client, {id_of(number): open_snapshot(id_of(number))})
        clock.now = END + timedelta(minutes=1)
        client.fault = on("read list", NO_ANSWER)
        run(client)
        times = client.times("read list")
        assert [times.count(at) for at in sorted(set(times))] == [
            AT_ONCE,
            AT_ONCE,
            10,
        ]
        assert sorted(set(times)) == pytest.approx([360, 370, 380], abs=0.1)


class TestClose:
    @pytest.mark.parametrize("status", ["Running", "Completed", "Failed", "Terminated", None])
    def test_an_overdue_registry_is_closed_whatever_its_orchestration_does(
        self, client, clock, status
    ) -> None:
        """From its list, with its items. The orchestration is not looked at."""
        terms = client.open(make_terms(has_webhook=True))
        client.instances.clear()
        if status:
            client.start(terms, status)
        client.apply(AddItem, key="k1", text="Bike")
        count(client, {ID: Snapshot.of(client.registry(), END)})

        clock.now = END + timedelta(minutes=1)
        run(client)
        assert (client.registry().items, client.registry().closed_at) == ({"k1": "Bike"}, END)
        assert is_running(client.instances[delivery_instance(ID)])
        assert [call.target for call in client.calls if call.what == "instance"] == [
            delivery_instance(ID)
        ]
        assert counts_afterwards(client) == {"pending": 1}
        assert client.stats().items == 1

    @pytest.mark.parametrize("status", ["Running", "Failed", "Terminated"])
    @pytest.mark.parametrize("after", [timedelta(minutes=1), timedelta(hours=2)])
    def test_a_registry_whose_list_is_gone_is_closed_by_the_terms_of_its_orchestration(
        self, client, clock, status, after
    ) -> None:
        """On record, empty, and not delivered: it never opened, or an operator purged the list."""
        client.start(make_terms(has_webhook=True, max_items=7), status)
        count(client, {ID: open_snapshot().model_copy(update={"revision": 29, "items": 3})})
        clock.now = END + after
        run(client)
        registry = client.registry()
        assert (registry.closed_by, registry.delivery.status) == ("timeout", "off")
        assert registry.terms == make_terms(has_webhook=True, max_items=7)
        assert client.sent() == [CLOSE, REPORT]
        assert counts_afterwards(client) == {"off": 1}
        assert client.stats().items == 0

    @pytest.mark.parametrize("status", ["Completed", None, "junk", "other"])
    def test_a_registry_of_which_nothing_is_left_is_counted_as_completed(
        self, client, clock, caplog, status
    ) -> None:
        """It may have been purged, so it is not made again. It stays counted."""
        if status == "junk":
            client.instances[ID] = Instance(ID, REGISTRY_ORCHESTRATOR, "Failed", "5")
        elif status == "other":
            client.instances[ID] = Instance(ID, "OtherOrchestration", "Running", "{}")
        elif status:
            client.start(make_terms(), status)
        count(client, {ID: open_snapshot()})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert client.registry() is None
        assert client.sent() == [REPORT]
        assert counts_afterwards(client) == {"off": 1}
        assert caplog.messages == ["registry 01234567: nothing is left of it: counted as off"]

    def test_a_list_that_was_set_back_counts_although_its_revision_is_lower(
        self, client, clock, caplog
    ) -> None:
        """Its later snapshots count, too."""
        client.open(make_terms(has_webhook=True))
        ahead = Snapshot.of(client.registry(), END).model_copy(update={"revision": 29, "items": 4})
        count(client, {ID: ahead})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert counts_afterwards(client) == {"pending": 1}
        assert client.stats().items == 0
        assert caplog.messages == [
            "registry 01234567: its list is behind the stats (revision 2, not 29): "
            "counted as pending"
        ]
        client.apply(RecordDelivery, number=1, outcome="delivered")
        snapshot = Snapshot.of(client.registry(), clock.utc_now())
        client.entity(stats_entity(ID)).apply(
            client.message(RecordSnapshot, id=ID, snapshot=snapshot)
        )
        assert +client.stats().counts == {"delivered": 1}

    @pytest.mark.parametrize("far", [-timedelta(minutes=1), timedelta(days=2)])
    def test_a_registry_is_not_closed_before_its_time(self, client, clock, far) -> None:
        """Where the stats have it as due, they are corrected by its list, or by its terms."""
        client.open()
        client.apply(AddItem, key="k1", text="Bike")
        unopened = "f" * 32
        client.start(make_terms(unopened))
        wrong = {"due": START + far, "revision": 0}
        count(
            client, {each: open_snapshot(each).model_copy(update=wrong) for each in (ID, unopened)}
        )
        run(client)
        assert client.sent() == [REPORT] * 2
        assert counts_afterwards(client) == {"open": 2}
        assert {each.due for each in client.stats().snapshots.values()} == {END}
        assert not client.registry().is_closed
        assert client.registry(unopened) is None

    def test_a_registry_that_closes_far_ahead_is_left_alone(self, client, clock) -> None:
        """A clock was a day ahead when it was opened: its callers were told that time."""
        closes_at = END + timedelta(days=1)
        client.open(make_terms(opened_at=closes_at - timedelta(minutes=5), closes_at=closes_at))
        count(client, {ID: Snapshot.of(client.registry(), closes_at)})
        run(client)
        assert client.count("read list") == 1
        assert client.sent() == []


class TestDelivery:
    def test_a_delivery_that_runs_goes_on(self, client, clock) -> None:
        """Its instance is what it was."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        running = have_delivery(client, "Running")
        clock.advance(minutes=1)
        run(client)
        assert client.instances[delivery_instance(ID)] == running
        assert client.sent() == []

    @pytest.mark.parametrize(
        ("status", "after"),
        [("Pending", timedelta(seconds=45)), ("Running", timedelta(minutes=5))],
    )
    def test_a_delivery_that_does_not_go_on_is_terminated_and_restarted(
        self, client, clock, status, after
    ) -> None:
        """A newer version started it, and this one does not run it."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        instance = have_delivery(client, status)
        clock.now = START + after - MOMENT
        run(client)
        assert client.made("terminate") == []

        clock.now = START + after
        run(client)
        assert client.made("terminate", "start") == ["terminate", START_DELIVERY]
        assert client.instances[delivery_instance(ID)].input != instance.input
        assert counts_afterwards(client) == {"pending": 1}
        assert client.stats().snapshots[ID].due > START

        clock.advance(seconds=30)
        run(client)
        assert client.count("terminate") == 1

    def test_a_timer_of_a_wrong_clock_is_not_waited_for(self, client, clock) -> None:
        """It would fire tomorrow."""
        count(client, {ID: Snapshot.of(close_pending(client), START + timedelta(days=1))})
        have_delivery(client, "Running")
        run(client)
        assert client.made("terminate", "start") == ["terminate", START_DELIVERY]
        assert counts_afterwards(client) == {"pending": 1}
        assert client.stats().snapshots[ID].due < START + timedelta(minutes=1)

    def test_a_suspended_delivery_waits_until_it_is_resumed(self, client, clock) -> None:
        """An operator wants it so."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        have_delivery(client, "Suspended")
        clock.advance(days=3)
        run(client)
        assert client.made("terminate", "start", "signal") == []

    @pytest.mark.parametrize("fault", [FAILS, LOST])
    def test_a_delivery_that_cannot_be_terminated_is_tried_in_the_next_run(
        self, client, clock, caplog, fault
    ) -> None:
        """There is one at a time."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        have_delivery(client, "Running")
        clock.advance(minutes=6)
        client.fault = on("terminate", fault)
        run(client)
        assert client.count(START_DELIVERY) == 0
        assert caplog.messages == ["registry 01234567: not reconciled yet: HubUnavailable"]

    @pytest.mark.parametrize("is_left", [True, False])
    def test_a_delivery_that_ends_while_it_is_terminated_is_restarted(
        self, client, clock, is_left
    ) -> None:
        """It is looked at until it has ended or is gone."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        instance = have_delivery(client, "Running")
        clock.advance(minutes=6)

        def end(call) -> CallFault:
            if call.what == "instance" and client.count("terminate"):
                client.instances.pop(instance.id, None)
                if is_left:
                    have_delivery(client, "Completed")
            return LOST if call.what == "terminate" else OK

        client.fault = end
        run(client)
        assert client.count(START_DELIVERY) == 1

    def test_an_outcome_that_was_not_reported_is_reported(self, client, clock) -> None:
        """The delivery is not started again."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        client.apply(RecordDelivery, number=1, outcome="delivered")
        clock.advance(minutes=1)
        run(client)
        assert client.sent() == [REPORT]
        assert counts_afterwards(client) == {"delivered": 1}

    def test_a_finished_registry_is_delivered_before_its_time(self, client, clock) -> None:
        """It is closed, so its time does not matter."""
        count(client, {ID: open_snapshot().model_copy(update={"due": START})})
        close_pending(client)
        clock.advance(seconds=15)
        run(client)
        assert is_running(client.instances[delivery_instance(ID)])
        assert counts_afterwards(client) == {"pending": 1}

    def test_a_delivery_that_the_list_has_not_heard_of_is_started(self, client, clock) -> None:
        """Under the next number: it ended between its report and its request."""
        close_pending(client)
        client.apply(RecordDelivery, number=1, outcome="failed")
        requested = client.registry()
        requested.request_delivery(2, clock.utc_now())
        count(client, {ID: Snapshot.of(requested, clock.utc_now())})
        clock.advance(seconds=30)
        run(client)
        (start,) = [call for call in client.calls if call.what == START_DELIVERY]
        assert start.content["number"] == 2
        assert client.count(REPORT) == 0  # The delivery reports when it begins.

    @pytest.mark.parametrize("status", ["Running", "Completed", None])
    def test_a_registry_that_was_purged_while_it_was_delivered_counts_as_before(
        self, client, clock, status
    ) -> None:
        """It is not made again as another, empty one, whatever its orchestration is."""
        terms = close_pending(client).terms
        client.apply(RecordDelivery, number=1, outcome="failed")
        client.apply(RequestDelivery, number=2)
        count(client, {ID: Snapshot.of(client.registry(), clock.utc_now())})
        client.instances.clear()
        if status:
            client.start(terms, status)
        del client.entities[df.EntityId.get_scheduler_id(list_entity(ID))]

        clock.advance(days=31)
        run(client)
        assert (client.registry(), client.count("instance")) == (None, 0)
        assert client.sent() == [REPORT]
        assert counts_afterwards(client) == {"failed": 1}
        assert client.stats().snapshots[ID].status == "failed"


class TestFaults:
    @pytest.mark.parametrize(("fault", "error"), [(FAILS, "HubUnavailable"), (LOST, "Outcome")])
    def test_a_registry_that_fails_stops_no_other(
        self, client, clock, caplog, fault, error
    ) -> None:
        """It is logged, without its id, and seen to in the next run."""
        for id in (ID, id_of(1)):
            client.start(make_terms(id))
            count(client, {id: open_snapshot(id)})
        clock.now = END + timedelta(minutes=1)
        what = "read list" if fault == FAILS else CLOSE
        client.fault = lambda call: fault if (call.what, call.target) == (what, ID) else OK
        run(client)
        assert client.registry(id_of(1)).is_closed
        assert client.registry() is None
        assert caplog.messages[-1].startswith(f"registry 01234567: not reconciled yet: {error}")
        assert ID not in caplog.text

        client.fault = lambda call: OK
        run(client)
        assert client.registry().is_closed

    @pytest.mark.parametrize("what", ["read list", "instance"])
    def test_an_error_completes_nothing(self, client, clock, what) -> None:
        """It does not say that nothing is left."""
        client.start(make_terms())
        count(client, {ID: open_snapshot()})
        clock.now = AN_HOUR_LATER + MOMENT
        client.fault = on(what, FAILS)
        run(client)
        assert client.sent() == []

    def test_a_list_that_cannot_be_read_stops_no_other(self, client, clock, caplog) -> None:
        """It is logged without its values, left as it is, and tried again in the next run."""
        state = {"v": 99, "birth": {ID: "Bike"}}
        client.entity(list_entity(ID)).store(state)
        ids = [id_of(number) for number in range(1, 2 * AT_ONCE)]
        for id in ids:
            client.open(make_terms(id))
        count(client, {id: open_snapshot(id) for id in (ID, *ids)})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert all(client.registry(id).is_closed for id in ids)
        assert client.entity(list_entity(ID)).read() == state
        assert caplog.messages == [
            "registry 01234567: its stored state is invalid: birth.id: missing; "
            "birth.opened_at: missing; birth.closes_at: missing; birth.max_items: missing",
        ]

    def test_an_input_that_cannot_be_read_completes_nothing(self, client, clock, caplog) -> None:
        """It is logged, left as it is, and tried again in the next run."""
        client.instances[ID] = Instance(ID, REGISTRY_ORCHESTRATOR, "Running", "{}")
        count(client, {ID: open_snapshot()})
        clock.now = AN_HOUR_LATER + MOMENT
        run(client)
        assert counts_afterwards(client) == {"open": 1}
        assert caplog.messages == [
            "registry 01234567: the input of its orchestration is invalid: "
            "sent_at: missing; birth: missing",
        ]

    @pytest.mark.parametrize(
        ("entry", "id"), [(["e" * 32, {}], "eeeeeeee"), ([5, {}], ""), ("Bike", "")]
    )
    def test_a_snapshot_that_cannot_be_read_stops_no_other(
        self, client, clock, caplog, entry, id
    ) -> None:
        """It is logged without its values, and kept as it is."""
        shard = client.entity(stats_entities()[3])
        shard.store(stored_by_1_0.EMPTY_SHARD | {"standings": [entry]})
        client.open(make_terms(id_of(3)))
        count(client, {id_of(3): open_snapshot(id_of(3))})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert client.registry(id_of(3)).is_closed
        (line,) = caplog.messages
        assert line.startswith(f"registry {id}: its snapshot in the stats is invalid: ")
        assert "Bike" not in line
        assert counts_afterwards(client) == {"off": 1}
        assert entry in shard.read()["standings"]

    def test_a_shard_that_cannot_be_read_stops_no_other(self, client, clock, caplog) -> None:
        """It is logged without its values, and left as it is."""
        client.entity(stats_entities()[3]).store({"standings": "Bike"})
        client.open()
        count(client, {ID: open_snapshot()})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert client.registry().is_closed
        assert caplog.messages == [
            "RegistryStats 3: its stored state is invalid: standings: list_type"
        ]

    def test_a_shard_that_does_not_answer_stops_no_other(self, client, clock, caplog) -> None:
        """It is one line, and read again in the next run."""
        client.open()
        count(client, {ID: open_snapshot()})
        clock.now = END + timedelta(minutes=1)
        client.fault = lambda call: FAILS if (call.what, call.target) == (READ, "3") else OK
        run(client)
        assert client.registry().is_closed
        assert caplog.messages == ["RegistryStats 3: not reconciled yet: HubUnavailable"]

    def test_an_entry_with_an_id_that_is_none_stops_no_other(self, client, clock, caplog) -> None:
        """Its line shows it in part, and escaped."""
        client.open()
        count(client, {ID: open_snapshot()})
        stats = Stats.from_state(client.entity(stats_entity(ID)).read())
        stats.snapshots["x\nevent=closed"] = open_snapshot()
        client.entity(stats_entity(ID)).store(stats.to_state())
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert client.registry().is_closed
        assert caplog.messages == [
            "registry x\\nevent=: nothing is left of it: counted as off",
            "registry x\\nevent=: not reconciled yet: ValidationError",
        ]


class TestSummary:
    def test_a_run_is_one_line(self, client, clock, caplog) -> None:
        """How many it closed, restarted, and left for the next run."""
        caplog.set_level("INFO", "registry.telemetry")
        client.open()
        count(client, {ID: open_snapshot(), id_of(1): open_snapshot(id_of(1))})
        count(client, {id_of(2): Snapshot.of(close_pending(client, id_of(2)), START)})
        client.entity(list_entity(id_of(1))).store({})
        client.entity(list_entity(id_of(1))).store({"v": 99})
        client.entity(stats_entities()[5]).store(5)
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert caplog.messages[-1] == "event=reconciled closed=1 restarted=1 skipped=2"

    def test_a_run_without_work_is_no_line(self, client, caplog) -> None:
        """There is one each minute."""
        caplog.set_level("INFO")
        run(client)
        assert caplog.messages == []
