"""Time: the timer closes a registry, never before its time, and time that nobody has spent waiting
passes.
"""

import pytest

from devhost.testing.faults import Rates
from tests.scenarios.world import host_with, moment, peek, stats, told


@pytest.mark.parametrize("seed", range(5))
def test_nothing_closes_before_its_time_though_timers_are_early(seed) -> None:
    """Timers fire up to a second early: until closesAt every gift is taken, and every peek says
    Open.
    """
    with host_with(rates=Rates.only(timer_early=1), seed=seed, REGISTRY_OPEN_SECONDS=20) as host:

        async def giver():
            opened = told(await host.call("POST", "/api/open"))
            id, closes_at = opened["id"], moment(opened["closesAt"])
            await host.sleep(18.5)
            while host.now() < closes_at:
                assert told(await host.call("GET", f"/api/peek/{id}"))["status"] == "Open"
                answer = await host.call("POST", f"/api/add/{id}?item=Bike")
                assert answer.status == 200 or host.now() >= closes_at
                await host.sleep(0.011)
            return id

        ids = host.run_all(*[giver() for _ in range(5)])
        host.advance(seconds=30)
        for id in ids:
            shown = peek(host, id)["registry"]
            assert (shown["closedBy"], shown["closedAt"]) == ("timeout", shown["closesAt"])


def test_the_timer_closes_a_registry_that_nobody_looks_at() -> None:
    """It is counted as closed and settled a second after its end, by its own life."""
    with host_with(timers=False) as host:
        id = host.open()
        host.advance(seconds=300.999)
        assert stats(host)["openCount"] == 1
        host.advance(seconds=0.1)
        assert host.store.instance(id).status == "Completed"
        assert (stats(host)["openCount"], stats(host)["closedCount"]) == (0, 1)
        assert peek(host, id)["registry"]["closedBy"] == "timeout"


def test_who_looks_at_the_very_end_is_told_closed() -> None:
    """Before its timer is due: the look has it closed on record, by time, at its end."""
    with host_with() as host:
        id = host.open()
        host.advance(seconds=299.999)
        assert peek(host, id)["status"] == "Open"
        assert host.add(id, "Bike").status == 200
        host.advance(seconds=0.001)
        shown = peek(host, id)
        assert (shown["status"], shown["registry"]["closedAt"]) == (
            "Closed",
            shown["registry"]["closesAt"],
        )
        assert host.add(id, "Book").status == 409
        host.advance(seconds=10)
        assert peek(host, id) == shown


def test_a_finish_that_meets_the_end_has_one_winner() -> None:
    """Whichever comes first: a finish in time closes as the user, a later one shows who has closed."""
    with host_with() as host:
        ids = [host.open() for _ in range(21)]

        async def finish(number: int, id: str):
            await host.sleep(299.9 + 0.01 * number)
            return told(await host.call("POST", f"/api/finish/{id}"))["registry"]

        finished = host.run_all(*[finish(number, id) for number, id in enumerate(ids)])
        assert [each["closedBy"] for each in finished] == ["user"] * 10 + ["timeout"] * 11
        host.advance(minutes=3)
        assert [peek(host, id)["registry"] for id in ids] == finished
        assert stats(host)["closedCount"] == 21


def test_days_in_which_the_machine_did_nothing_are_made_good() -> None:
    """What fell due meanwhile happens at its return; the registry closed at its time."""
    with host_with() as host:
        id = host.open()
        host.add(id, "Bike")
        host.leap(days=2)
        shown = peek(host, id)["registry"]
        assert (shown["closedAt"], shown["items"]) == (shown["closesAt"], ["Bike"])
        host.advance(minutes=1)
        assert stats(host)["closedCount"] == 1
