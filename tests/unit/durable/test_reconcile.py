from datetime import datetime, timedelta

import azure.durable_functions as df
import pytest

from registry.domain.problems import HubUnavailable
from registry.domain.registry import Registry
from registry.domain.stats import Snapshot, Stats
from registry.durable.maintenance import DELIVERIES_PER_RUN, RECONCILED_AT_ONCE, reconcile
from registry.durable.messages import AddItem, CloseRegistry, RecordDelivery, RequestDelivery
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
from tests.support.fake_hub import FAILS, ID, LOST, NO_ANSWER, OK, is_running, on
from tests.support.registries import END, make_terms
from tests.unit import stored_by_1_0

CLOSE, REPORT, START_DELIVERY = "signal CloseRegistry", "signal RecordSnapshot", "start delivery"
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
    """The snapshot of a registry of which only its opening was reported."""
    registry = Registry.new(make_terms(id, closes_at=closes_at, **terms))
    return Snapshot.of(registry, closes_at)


def close_pending(client, id: str = ID) -> Registry:
    """Have a closed registry whose delivery is pending."""
    terms = client.open(make_terms(id, has_webhook=True))
    client.apply(CloseRegistry, id, terms=terms, by="user")
    return client.registry(id)


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
        assert client.sent() == [START_DELIVERY, REPORT]
        assert client.calls[-2].content["number"] == 1

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

    def test_fifty_deliveries_are_looked_at_in_a_run(self, client, clock) -> None:
        """Those that are overdue the longest. Every overdue close is seen to."""
        late = {
            id_of(number): START + timedelta(seconds=(number * 37) % 70) for number in range(70)
        }
        for id, due in late.items():
            count(client, {id: Snapshot.of(close_pending(client, id), due)})
        count(client, {id_of(each): open_snapshot(id_of(each), START) for each in range(100, 160)})

        clock.advance(minutes=10)
        run(client)
        starts = [call.target for call in client.calls if call.what == START_DELIVERY]
        longest = sorted(late, key=late.__getitem__)[:DELIVERIES_PER_RUN]
        assert set(starts) == set(map(delivery_instance, longest))
        assert client.count(CLOSE) == 60

        client.calls.clear()
        clock.advance(seconds=20)
        run(client)
        assert client.count(START_DELIVERY) == 20

    def test_twenty_registries_are_seen_to_at_once(self, client, clock) -> None:
        """Each with a deadline of its own, however long it has waited for its turn."""
        count(client, {id_of(number): open_snapshot(id_of(number)) for number in range(50)})
        clock.now = END + timedelta(minutes=1)
        client.fault = on("read list", NO_ANSWER)
        run(client)
        times = client.times("read list")
        assert [times.count(at) for at in sorted(set(times))] == [
            RECONCILED_AT_ONCE,
            RECONCILED_AT_ONCE,
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
        assert client.count("instance") == 0
        assert counts_afterwards(client) == {"pending": 1}
        assert client.stats().items == 1

    @pytest.mark.parametrize("status", ["Running", "Failed"])
    def test_a_registry_whose_list_never_opened_is_closed_by_its_terms(
        self, client, clock, status
    ) -> None:
        """Its orchestration has them. It is closed on record, empty, and not delivered."""
        client.start(make_terms(max_items=7, has_webhook=True), status)
        count(client, {ID: open_snapshot()})
        clock.now = AN_HOUR_LATER + MOMENT
        run(client)
        registry = client.registry()
        assert registry.terms == make_terms(max_items=7, has_webhook=True)
        assert (registry.closed_by, registry.delivery.status) == ("timeout", "off")
        assert client.sent() == [CLOSE, REPORT]
        assert counts_afterwards(client) == {"off": 1}

    @pytest.mark.parametrize("status", ["Completed", None])
    def test_a_registry_of_which_nothing_is_left_is_counted_as_completed(
        self, client, clock, status
    ) -> None:
        """It may have been purged, so it is not made again. It stays counted."""
        count(client, {ID: open_snapshot()})
        client.instances.clear()
        if status:
            client.start(make_terms(), status)
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert client.registry() is None
        assert client.sent() == [REPORT]
        assert counts_afterwards(client) == {"off": 1}

    def test_a_registry_is_not_closed_before_its_time(self, client, clock) -> None:
        """Where the stats have it as due, they are corrected by its list, or by its terms."""
        client.open()
        client.apply(AddItem, key="k1", text="Bike")
        early = {"due": START - timedelta(minutes=1), "revision": 0}
        count(
            client, {each: open_snapshot(each).model_copy(update=early) for each in (ID, "f" * 32)}
        )
        run(client)
        assert client.sent() == [REPORT] * 2
        assert counts_afterwards(client) == {"open": 2}
        assert {each.due for each in client.stats().snapshots.values()} == {END}
        assert not client.registry().is_closed
        assert client.registry("f" * 32) is None


class TestDelivery:
    def test_a_delivery_that_runs_goes_on(self, client, clock) -> None:
        """Its instance is what it was."""
        count(client, {ID: Snapshot.of(close_pending(client), START)})
        running = Instance(delivery_instance(ID), DELIVERY_ORCHESTRATOR, "Running", "the first")
        client.instances[delivery_instance(ID)] = running
        clock.advance(minutes=1)
        run(client)
        assert client.instances[delivery_instance(ID)] == running

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
        count(client, {ID: open_snapshot(), id_of(1): open_snapshot(id_of(1))})
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
        ids = [id_of(number) for number in range(1, 2 * RECONCILED_AT_ONCE)]
        count(client, {id: open_snapshot(id) for id in (ID, *ids)})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert all(client.registry(id).is_closed for id in ids)
        assert client.entity(list_entity(ID)).read() == state
        assert caplog.messages == [
            "registry 01234567: its stored state is invalid: birth.id: missing; "
            "birth.opened_at: missing; birth.closes_at: missing; birth.max_items: missing",
            "registry 01234567: not reconciled yet: HubUnavailable",
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
            "registry 01234567: not reconciled yet: HubUnavailable",
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
        count(client, {ID: open_snapshot()})
        clock.now = END + timedelta(minutes=1)
        run(client)
        assert client.registry().is_closed
        assert caplog.messages == [
            "RegistryStats 3: its stored state is invalid: standings: list_type"
        ]

    def test_a_run_fails_where_the_stats_do_not_answer(self, client) -> None:
        """The next one is in a minute."""
        client.fault = lambda call: FAILS
        with pytest.raises(HubUnavailable):
            run(client)
