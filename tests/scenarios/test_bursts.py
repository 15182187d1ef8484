"""Many requests at once: nobody is turned away, and the stats get one message a second for each
registry.
"""

import asyncio
from unittest.mock import patch

import pytest

from devhost.testing import FaultRates, virtual_time
from registry.durable.names import STATS_SHARDS
from tests.support.registry_host import SNAPSHOT, RegistryHost
from tests.support.timed_faults import TimedFaults


async def open_many(host: RegistryHost, count: int) -> list[str]:
    """Open registries at once; returns their ids."""
    opened = await asyncio.gather(*[host.call("POST", "/api/open") for _ in range(count)])
    assert [each.status for each in opened] == [201] * count
    return [each.json()["id"] for each in opened]


@virtual_time
async def test_two_hundred_open_at_once_and_add_at_once() -> None:
    """All are answered 201, then 200."""
    async with RegistryHost() as host:
        ids = await open_many(host, 200)
        calls = [host.call("POST", f"/api/add/{id}?item=Bike") for id in ids]
        assert [each.status for each in await asyncio.gather(*calls)] == [200] * 200
        await host.advance(seconds=2)
        counts = await host.stats()
        assert (counts["registryCount"], counts["itemsCount"]) == (200, 200)


@pytest.mark.verify
@virtual_time
async def test_a_burst_on_slow_storage() -> None:
    """Messages are slow and commits are late, but two of them never take ten seconds together."""
    rates = FaultRates.only(message_delayed=1, commit_late=1, answer_delayed=1)
    with patch("devhost.testing.faults.LONG_COMMIT_SECONDS", (0.5, 4.0)):
        async with RegistryHost(rates=rates) as host:

            async def guest() -> tuple[int, int]:
                opened = await host.call("POST", "/api/open")
                added = await host.call("POST", f"/api/add/{opened.json()['id']}?item=Bike")
                return opened.status, added.status

            assert await asyncio.gather(*[guest() for _ in range(200)]) == [(201, 200)] * 200


@virtual_time
async def test_three_hundred_items_for_one_registry_at_once() -> None:
    """All are in it, once."""
    async with RegistryHost() as host:
        id = await host.open()
        calls = [host.call("POST", f"/api/add/{id}?item={number}") for number in range(300)]
        assert [each.status for each in await asyncio.gather(*calls)] == [200] * 300

        items = (await host.peek(id))["registry"]["items"]
        assert sorted(map(int, items)) == list(range(300))
        await host.advance(seconds=2)
        assert (await host.stats())["itemsCount"] == 300


@virtual_time
async def test_one_snapshot_a_second_and_the_last_one_counts() -> None:
    """A burst of 4.5 s is reported at its start, each second, and at its end with all items."""
    async with RegistryHost(timers=False) as host:
        id = await host.open()
        await host.advance(seconds=10)

        async def guest(number: int) -> None:
            await host.sleep(number * 0.05)
            assert (await host.call("POST", f"/api/add/{id}?item={number}")).status == 200

        with host.counting() as costs:
            await asyncio.gather(*map(guest, range(90)))
            assert (await host.stats())["itemsCount"] < 90
            await host.advance(seconds=1.1)
        assert 5 <= costs[SNAPSHOT] <= 6
        assert (await host.stats())["itemsCount"] == 90


@virtual_time
async def test_snapshots_of_one_registry_do_not_hold_up_another() -> None:
    """Each registry has its own second."""
    async with RegistryHost(timers=False) as host:
        ids = [await host.open() for _ in range(20)]
        with host.counting() as costs:
            await asyncio.gather(*[host.call("POST", f"/api/add/{id}?item=Bike") for id in ids])
            await host.run_until_idle()
        assert costs[SNAPSHOT] == 20
        assert (await host.stats())["itemsCount"] == 20


@virtual_time
async def test_a_lone_user_sees_each_add_in_the_stats_within_two_seconds() -> None:
    """However soon one add follows the other."""
    async with RegistryHost() as host:
        id = await host.open()
        for count, pause in enumerate((0, 0.2, 0.9, 1.0, 1.1, 3, 0.5), 1):
            await host.advance(seconds=pause)
            await host.add(id, str(count))
            shown = None
            for _ in range(20):
                shown = (await host.stats())["itemsCount"]
                if shown == count:
                    break
                await host.advance(seconds=0.1)
            assert shown == count


@virtual_time
async def test_a_removal_is_counted() -> None:
    """The stats count what is in the registry."""
    async with RegistryHost() as host:
        id = await host.open()
        await host.add(id, "Bike", "k")
        await host.advance(seconds=2)
        assert (await host.post(f"/api/remove/{id}?itemKey=k")).status == 200
        await host.advance(seconds=2)
        assert (await host.stats())["itemsCount"] == 0


@virtual_time
async def test_a_snapshot_that_is_lost_with_its_process_is_made_good_at_the_close() -> None:
    """The worker dies before it reports the second add."""
    async with RegistryHost(faults=TimedFaults(worker_deaths_a_minute=0.5)) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.call("POST", f"/api/add/{id}?item=Book")
        await host.advance(seconds=10)
        assert (await host.stats())["itemsCount"] == 1
        await host.advance(minutes=5)
        assert (await host.stats())["itemsCount"] == 2


@virtual_time
async def test_a_snapshot_that_waits_is_reported_when_the_host_stops() -> None:
    """Nothing is lost with a process that is stopped."""
    async with RegistryHost() as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.call("POST", f"/api/add/{id}?item=Book")
        await host.restart()
        await host.run_until_idle()
        assert (await host.stats())["itemsCount"] == 2


@virtual_time
async def test_reconcile_closes_many_at_once() -> None:
    """A hundred and fifty whose orchestrations have ended are closed and counted in two runs."""
    async with RegistryHost() as host:
        for id in await open_many(host, 150):
            await host.terminate(id)
        await host.advance(minutes=7)
        counts = await host.stats()
        assert (counts["openCount"], counts["closedCount"]) == (0, 150)


@virtual_time
async def test_the_stats_are_spread_over_their_shards() -> None:
    """And add up to all registries."""
    async with RegistryHost() as host:
        for _ in range(64):
            await host.open()
        assert len(host.entities("RegistryStats")) > STATS_SHARDS // 2
        await host.advance(minutes=6)
        assert (await host.stats())["closedCount"] == 64
