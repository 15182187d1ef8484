import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from registry import settings
from registry.domain.problems import HubUnavailable
from registry.domain.registry import Snapshot, Stats
from registry.durable import management
from registry.durable.maintenance import (
    DELIVERIES_A_RUN,
    FORGOTTEN_AT_ONCE,
    HEALED_AT_ONCE,
    forget,
    heal,
)
from registry.durable.task_hub import Instance
from registry.durable.messages import LONG_AGO, dump, stored, to_stats
from registry.durable.names import DELIVERY, delivery_instance, list_entity, stats_entity
from registry.settings import Settings
from tests.clock import START
from tests.support.fake_hub import OK, FAILS, ID, LOST, NO_ANSWER, CallFault, make_terms, is_running

END = START + timedelta(minutes=5)
MONTH = timedelta(days=30)


def id_of(number: int) -> str:
    return f"{number:08x}" + "0" * 24


def run(function: Any, client) -> None:
    client.clock.run(function._function.get_user_function().client_function(None, client.mock))


class TestHeal:
    def known(self, client, *standings: tuple[str, Snapshot]) -> None:
        """The stats list these."""
        for id, standing in standings:
            entity = client.entity(stats_entity(id))
            stats = Stats() if entity.state is None else to_stats(entity.read())
            stats.snapshots[id] = standing
            stats.counts[standing.status] += 1
            entity.exists, entity.state = True, json.dumps(stored(stats))

    def open_one(self, id: str = ID, closes_at: datetime = END) -> tuple[str, Snapshot]:
        return id, Snapshot(1, 0, "open", closes_at, make_terms(id, closes_at=closes_at))

    def pending(self, client, id: str, due: datetime) -> tuple[str, Snapshot]:
        """A closed registry whose delivery should have reported at a moment."""
        terms = client.open(make_terms(id, has_webhook=True))
        client.apply(CloseRegistry, id, terms=terms, by="user")
        return id, Snapshot.of(client.registry(id), due)

    def test_where_there_is_nothing_to_do_it_reads_the_stats(self, client) -> None:
        """Sixteen reads a minute, and no message."""
        run(heal, client)
        assert [call.what for call in client.calls] == ["read stats"] * 16

    def test_a_life_has_fifteen_seconds_to_settle_its_registry(self, client, clock) -> None:
        """Then it is settled without it."""
        self.known(client, self.open_one())
        clock.now = END + timedelta(seconds=15, milliseconds=-1)
        run(heal, client)
        assert client.sent() == []
        clock.now = END + timedelta(seconds=15)
        run(heal, client)
        assert client.registry().closed_by == "timeout"
        clock.advance(seconds=1)
        assert +client.stats().counts == {"off": 1}

    @pytest.mark.parametrize("status", ["Running", "Completed", "Failed", "Terminated", None])
    def test_it_settles_whatever_the_life_does(self, client, clock, status) -> None:
        """The gifts are kept; nobody asks the life."""
        terms = client.open(make_terms(has_webhook=True))
        client.instances.clear()
        if status:
            client.start(terms, status)
        client.apply(AddItem, key="k1", text="Bike")
        self.known(client, (ID, Snapshot(2, 1, "open", END, terms)))
        clock.now = END + timedelta(minutes=1)
        run(heal, client)
        assert (client.registry().items, client.registry().closed_at) == ({"k1": "Bike"}, END)
        assert is_running(client.instances[delivery_instance(ID)])
        assert client.count("instance") == 0

    def test_a_delivery_has_thirty_seconds_to_report(self, client, clock) -> None:
        """Then it is started again, under the number that the list has."""
        self.known(client, self.pending(client, ID, START + timedelta(hours=1)))
        clock.now = START + timedelta(hours=1, seconds=29.999)
        run(heal, client)
        assert client.sent() == []
        clock.now = START + timedelta(hours=1, seconds=30)
        run(heal, client)
        assert client.sent() == ["start delivery", "signal RecordSnapshot"]
        assert client.calls[-2].content["number"] == 1

    def test_a_delivery_that_is_running_goes_on(self, client, clock) -> None:
        """Its instance is what it was."""
        self.known(client, self.pending(client, ID, START))
        alive = Instance(delivery_instance(ID), DELIVERY, "Running", "the first")
        client.instances[delivery_instance(ID)] = alive
        clock.advance(minutes=1)
        run(heal, client)
        assert client.instances[delivery_instance(ID)] == alive

    def test_a_delivery_that_has_reported_meanwhile_comes_to_rest(self, client, clock) -> None:
        """Only its news were lost."""
        self.known(client, self.pending(client, ID, START))
        client.apply(RecordDelivery, number=1, outcome="delivered")
        clock.advance(minutes=1)
        run(heal, client)
        assert client.sent() == ["signal RecordSnapshot"]
        clock.advance(seconds=1)
        assert +client.stats().counts == {"delivered": 1}

    def test_what_is_at_rest_or_not_due_is_left_alone(self, client, clock) -> None:
        """However long ago its end is."""
        rested = Snapshot(4, 0, "delivered", START, None, START)
        self.known(client, (ID, rested), self.open_one(id_of(1), END + timedelta(days=1)))
        clock.now = END + timedelta(minutes=30)
        run(heal, client)
        assert client.sent() == []

    def test_at_most_fifty_deliveries_are_looked_at(self, client, clock) -> None:
        """Those that are late the longest; the next run looks at the others. Lives are not counted."""
        late = {
            id_of(number): START + timedelta(seconds=(number * 37) % 70) for number in range(70)
        }
        self.known(client, *(self.pending(client, id, due) for id, due in late.items()))
        self.known(client, *(self.open_one(id_of(number), START) for number in range(100, 160)))
        clock.advance(minutes=10)
        run(heal, client)
        started = {
            call.target.removesuffix("-delivery")
            for call in client.calls
            if call.what == "start delivery"
        }
        assert started == set(sorted(late, key=late.__getitem__)[:DELIVERIES_A_RUN])
        assert client.count("signal CloseRegistry") == 60
        client.calls.clear()
        clock.advance(seconds=20)
        run(heal, client)
        assert client.count("start delivery") == 20

    def test_twenty_are_healed_at_once(self, client, clock) -> None:
        """Each with a deadline of its own, however long it has waited for its turn."""
        self.known(client, *(self.open_one(id_of(number)) for number in range(50)))
        clock.now = END + timedelta(minutes=1)
        client.fault = lambda call: NO_ANSWER if call.what == "read list" else OK
        run(heal, client)
        times = client.times("read list")
        assert [times.count(at) for at in sorted(set(times))] == [
            HEALED_AT_ONCE,
            HEALED_AT_ONCE,
            10,
        ]
        assert sorted(set(times)) == pytest.approx([360, 370, 380], abs=0.1)

    @pytest.mark.parametrize("fault", [FAILS, LOST])
    def test_one_that_fails_stops_no_other(self, client, clock, caplog, fault) -> None:
        """It says so in the log, without its id, and is healed next time."""
        self.known(client, self.open_one(), self.open_one(id_of(1)))
        clock.now = END + timedelta(minutes=1)
        client.fault = lambda call: fault if call.target == ID and "list" in call.what else OK
        run(heal, client)
        assert client.registry(id_of(1)).is_closed
        assert client.registry() is None
        assert any(
            line.startswith("registry 01234567: not healed yet: ") for line in caplog.messages
        )
        assert ID not in caplog.text
        client.fault = lambda call: OK
        run(heal, client)
        assert client.registry().is_closed

    def test_a_list_that_cannot_be_understood_stops_no_other(self, client, clock, caplog) -> None:
        """A newer version may have written it; the log has no part of it."""
        entity = client.entity(list_entity(ID))
        entity.exists, entity.state = True, json.dumps({"v": 99, ID: "Bike"})
        ids = [id_of(number) for number in range(1, 2 * HEALED_AT_ONCE)]
        self.known(client, self.open_one(), *map(self.open_one, ids))
        clock.now = END + timedelta(minutes=1)
        run(heal, client)
        assert all(client.registry(id).is_closed for id in ids)
        assert caplog.messages == ["registry 01234567: not healed yet: KeyError"]

    def test_stats_that_cannot_be_read_are_not_healthy(self, client) -> None:
        """The run fails: the next one is in a minute."""
        client.fault = lambda call: FAILS
        with pytest.raises(HubUnavailable):
            run(heal, client)

    def test_entries_of_older_versions_have_no_birth(self, client, clock) -> None:
        """They are settled by that of their list or their life."""
        client.open()
        for number, (phase, items) in enumerate({"open": 0, "pending": None}.items(), start=1):
            self.known(client, (id_of(number), Snapshot(0, items, phase, LONG_AGO)))
        terms = client.open(make_terms(id_of(2), has_webhook=True))
        client.apply(CloseRegistry, terms.id, terms=terms, by="user")
        client.start(make_terms(id_of(1)), "Failed")
        clock.now = END + timedelta(minutes=1)
        run(heal, client)
        assert client.registry(id_of(1)).closed_by == "timeout"
        assert is_running(client.instances[delivery_instance(id_of(2))])


class TestForget:
    @pytest.fixture(autouse=True)
    def retention(self, monkeypatch) -> None:
        """Thirty days."""
        monkeypatch.setattr(settings, "current", lambda: Settings(retention=MONTH))

    @pytest.fixture
    def ended(self, client):
        """A task hub that lists what has ended."""

        def list_ended(moment: datetime) -> list[Instance]:
            client.moment = moment
            return [each for each in client.instances.values() if not is_running(each)]

        client.ended = list_ended
        return client

    def closed(self, client, number: int = 0, is_sent: bool = False) -> str:
        """A registry that was finished now, and whose life has ended."""
        id = id_of(number)
        terms = client.open(make_terms(id, has_webhook=is_sent))
        client.apply(CloseRegistry, id, terms=terms, by="user")
        client.instances[id] = client.instances[id]._replace(status="Completed")
        client.instances[delivery_instance(id)] = Instance(
            delivery_instance(id), DELIVERY, "Completed", None
        )
        return id

    def test_what_closed_before_the_retention_is_deleted(self, ended, clock, caplog) -> None:
        """List, delivery and life, in this order and by their ids; the log has a line."""
        caplog.set_level("INFO")
        id = self.closed(ended)
        clock.advance(days=30, milliseconds=1)
        caplog.clear()
        run(forget, ended)
        purged = [call.target for call in ended.calls if call.what == "purge"]
        assert purged == [f"@registrylist@{id}", f"{id}-delivery", id]
        assert (ended.instances, ended.registry(id)) == ({}, None)
        assert caplog.messages == ["event=purged registry=00000000 trace=-"]
        assert ended.moment == clock.utc_now() - MONTH

    def test_what_closed_later_stays(self, ended, clock) -> None:
        """The recorded close counts, not when it was opened."""
        id = self.closed(ended)
        clock.advance(days=30)
        run(forget, ended)
        assert ended.count("purge") == 0
        assert ended.registry(id).is_closed

    @pytest.mark.parametrize("state", ["open", "pending"])
    def test_what_is_not_at_rest_stays(self, ended, clock, state) -> None:
        """However old it is."""
        id = self.closed(ended, has_webhook=True)
        if state == "open":
            ended.entities.clear()
            ended.apply(OpenRegistry, id, terms=make_terms(id))
        clock.advance(days=60)
        run(forget, ended)
        assert ended.count("purge") == 0

    def test_other_instances_stay(self, ended, clock) -> None:
        """Only lives are looked at: deliveries go with theirs."""
        ended.instances["x"] = Instance("x", "OtherOrchestration", "Completed", None)
        ended.instances["y"] = Instance(delivery_instance("y"), DELIVERY, "Completed", None)
        clock.advance(days=60)
        run(forget, ended)
        assert [call.what for call in ended.calls] == ["query"]

    @pytest.mark.parametrize("interrupted", [1, 2, 3])
    def test_what_was_interrupted_is_finished_next_time(self, ended, clock, interrupted) -> None:
        """The life goes last: by it the rest is found."""
        id = self.closed(ended)
        clock.advance(days=31)
        purges = []

        def fault(call) -> CallFault:
            purges.append(call) if call.what == "purge" else None
            return FAILS if call.what == "purge" and len(purges) == interrupted else OK

        ended.fault = fault
        run(forget, ended)
        assert id in ended.instances
        run(forget, ended)
        assert (ended.instances, ended.registry(id)) == ({}, None)

    @pytest.mark.parametrize("what", ["read list", "purge"])
    def test_one_that_fails_stops_no_other(self, ended, clock, caplog, what) -> None:
        """It is left for the next run; the log says so without its id, also where the error names
        it.
        """
        first, second = self.closed(ended, 0xABCDEF01), self.closed(ended, 2)
        clock.advance(days=31)
        ended.fault = lambda call: FAILS if call.what == what and first in call.target else OK
        run(forget, ended)
        assert first in ended.instances
        assert ended.registry(first) is not None
        assert second not in ended.instances
        assert "registry abcdef01: not forgotten yet: HubUnavailable" in caplog.messages
        assert first not in caplog.text

    def test_a_delivery_that_still_runs_is_left_for_the_next_run(self, ended, clock) -> None:
        """The task hub deletes nothing that runs, and its life stays with it."""
        id = self.closed(ended)
        running = delivery_instance(id)
        ended.instances[running] = ended.instances[running]._replace(status="Running")
        clock.advance(days=31)
        run(forget, ended)
        assert {id, running} <= set(ended.instances)
        ended.instances[running] = ended.instances[running]._replace(status="Completed")
        run(forget, ended)
        assert ended.instances == {}

    def test_ten_are_forgotten_at_once(self, ended, clock) -> None:
        """Each with a deadline of its own."""
        for number in range(25):
            self.closed(ended, number)
        clock.advance(days=31)
        ended.fault = lambda call: NO_ANSWER if call.what == "read list" else OK
        run(forget, ended)
        times = ended.times("read list")
        assert [times.count(at) for at in sorted(set(times))] == [
            FORGOTTEN_AT_ONCE,
            FORGOTTEN_AT_ONCE,
            5,
        ]

    def test_an_error_of_the_query_is_not_an_empty_page(self, ended, clock, monkeypatch) -> None:
        """The run fails; the host says so."""

        async def broken(client, moment):
            raise ConnectionError("500")
            yield

        monkeypatch.setattr(management, "ended_before", broken)
        with pytest.raises(ConnectionError):
            run(forget, ended)

    def test_without_a_retention_nothing_is_forgotten(self, ended, clock, monkeypatch) -> None:
        """Zero days are for ever: nothing is even looked for."""
        monkeypatch.setattr(settings, "current", lambda: Settings(retention=timedelta()))
        self.closed(ended)
        clock.advance(days=4000)
        run(forget, ended)
        assert ended.calls == []
