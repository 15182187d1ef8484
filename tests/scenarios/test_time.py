"""The timer closes a registry, never before its time; and time passes that nobody waits for."""

import asyncio

import pytest

from devhost.testing import FaultRates, virtual_time
from tests.support.cases import cases
from tests.support.registry_host import RegistryHost, moment


@pytest.mark.parametrize("seed", cases(range(5), [3]))
@virtual_time
async def test_nothing_closes_before_its_time_though_timers_are_early(seed) -> None:
    """Up to a second early: until closesAt every item is taken, and each peek says Open."""
    rates = FaultRates.only(timer_early=1)
    async with RegistryHost(rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=20) as host:

        async def add_until_it_closes() -> str:
            opened = (await host.call("POST", "/api/open")).json()
            id, closes_at = opened["id"], moment(opened["closesAt"])
            await host.sleep(18.5)
            while host.now() < closes_at:
                shown = await host.call("GET", f"/api/peek/{id}")
                assert shown.json()["status"] == "Open"
                added = await host.call("POST", f"/api/add/{id}?item=Bike")
                assert added.status == 200 or host.now() >= closes_at
                await host.sleep(0.011)
            return id

        ids = await asyncio.gather(*[add_until_it_closes() for _ in range(5)])
        await host.advance(seconds=30)
        for id in ids:
            shown = (await host.peek(id))["registry"]
            assert (shown["closedBy"], shown["closedAt"]) == ("timeout", shown["closesAt"])


@virtual_time
async def test_the_timer_closes_a_registry_that_nobody_looks_at() -> None:
    """Its own orchestration closes and counts it, a second after its end."""
    async with RegistryHost(timers=False) as host:
        id = await host.open()
        await host.advance(seconds=300.999)
        assert (await host.stats())["openCount"] == 1

        await host.advance(seconds=0.1)
        assert host.instance(id).status == "Completed"
        counts = await host.stats()
        assert (counts["openCount"], counts["closedCount"]) == (0, 1)
        assert (await host.peek(id))["registry"]["closedBy"] == "timeout"


@virtual_time
async def test_a_peek_at_the_very_end_shows_it_closed() -> None:
    """Before its timer is due: the peek closes it on record, as timed out, at its end."""
    async with RegistryHost() as host:
        id = await host.open()
        await host.advance(seconds=299.999)
        assert (await host.peek(id))["status"] == "Open"
        assert (await host.add(id, "Bike")).status == 200

        await host.advance(seconds=0.001)
        shown = await host.peek(id)
        assert shown["status"] == "Closed"
        assert shown["registry"]["closedAt"] == shown["registry"]["closesAt"]
        assert (await host.add(id, "Book")).status == 409
        await host.advance(seconds=10)
        assert await host.peek(id) == shown


@virtual_time
async def test_a_finish_in_time_closes_as_the_user_and_a_later_one_shows_who_closed() -> None:
    """Whichever comes first wins."""
    async with RegistryHost() as host:
        ids = [await host.open() for _ in range(21)]

        async def finish(number: int, id: str):
            await host.sleep(299.9 + 0.01 * number)
            return (await host.call("POST", f"/api/finish/{id}")).json()["registry"]

        finished = await asyncio.gather(*[finish(number, id) for number, id in enumerate(ids)])
        assert [each["closedBy"] for each in finished] == ["user"] * 10 + ["timeout"] * 11
        await host.advance(minutes=3)
        assert [(await host.peek(id))["registry"] for id in ids] == finished
        assert (await host.stats())["closedCount"] == 21


@virtual_time
async def test_days_in_which_the_machine_slept_are_made_good() -> None:
    """What fell due happens when it is back, and the registry closed at its time."""
    async with RegistryHost() as host:
        id = await host.open()
        await host.add(id, "Bike")
        host.suspend(days=2)
        shown = (await host.peek(id))["registry"]
        assert (shown["closedAt"], shown["items"]) == (shown["closesAt"], ["Bike"])
        await host.advance(minutes=1)
        assert (await host.stats())["closedCount"] == 1
