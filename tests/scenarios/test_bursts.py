"""Many at once: nobody is turned away, and the stats hear of each registry once a second."""

import sys
from unittest.mock import patch

from devhost.testing.faults import Rates
from registry.durable.names import STATS_SHARDS
from tests.scenarios.world import host_with, stats, terminate, told


def test_two_hundred_open_at_once_and_give_at_once() -> None:
    """200 of 200 opens are answered 201, and one add to each 200 of 200 times 200."""
    with host_with() as host:
        opened = host.run_all(*[host.call("POST", "/api/open") for _ in range(200)])
        assert [each.status for each in opened] == [201] * 200
        ids = [told(each)["id"] for each in opened]
        added = host.run_all(*[host.call("POST", f"/api/add/{id}?item=Bike") for id in ids])
        assert [each.status for each in added] == [200] * 200
        host.advance(seconds=2)
        assert (stats(host)["registryCount"], stats(host)["itemsCount"]) == (200, 200)


def test_a_burst_on_a_task_hub_that_takes_its_time() -> None:
    """Messages are under way, and commits are late, as on storage: but two of them never take ten
    seconds together.
    """
    rates = Rates.only(message_delayed=1, commit_late=1, answer_delayed=1)
    with (
        patch("devhost.testing.faults.LONG_COMMIT_SECONDS", (0.5, 4.0)),
        host_with(rates=rates) as host,
    ):

        async def guest():
            opened = await host.call("POST", "/api/open")
            added = await host.call("POST", f"/api/add/{told(opened)['id']}?item=Bike")
            return opened.status, added.status

        assert host.run_all(*[guest() for _ in range(200)]) == [(201, 200)] * 200


def test_three_hundred_gifts_for_one_registry_at_once() -> None:
    """All are in, once."""
    with host_with() as host:
        id = host.open()
        calls = [host.call("POST", f"/api/add/{id}?item={number}") for number in range(300)]
        assert [each.status for each in host.run_all(*calls)] == [200] * 300
        items = host.get(f"/api/peek/{id}")["registry"]["items"]
        assert sorted(map(int, items)) == list(range(300))
        host.advance(seconds=2)
        assert stats(host)["itemsCount"] == 300


def test_one_observation_a_second_and_the_last_one_counts() -> None:
    """A burst of 4.5 seconds is told of at its begin, each second, and at its end with all that is
    in.
    """
    with host_with(timers=False) as host:
        id = host.open()
        host.advance(seconds=10)

        async def guest(number: int):
            await host.sleep(number * 0.05)
            assert (await host.call("POST", f"/api/add/{id}?item={number}")).status == 200

        with host.counting() as costs:
            host.run_all(*map(guest, range(90)))
            assert stats(host)["itemsCount"] < 90
            host.advance(seconds=1.1)
        assert 5 <= costs["signal RegistryStats.observe"] <= 6
        assert stats(host)["itemsCount"] == 90


def test_observations_of_one_registry_do_not_hold_up_another() -> None:
    """Each has its own second."""
    with host_with(timers=False) as host:
        ids = [host.open() for _ in range(20)]
        with host.counting() as costs:
            host.run_all(*[host.call("POST", f"/api/add/{id}?item=Bike") for id in ids])
            host.settle()
        assert costs["signal RegistryStats.observe"] == 20
        assert stats(host)["itemsCount"] == 20


def test_a_lone_user_sees_each_add_in_the_stats_within_two_seconds() -> None:
    """However fast one follows the other."""
    with host_with() as host:
        id = host.open()
        for count, pause in enumerate((0, 0.2, 0.9, 1.0, 1.1, 3, 0.5), 1):
            host.advance(seconds=pause)
            host.add(id, str(count))
            shown = None
            for _ in range(20):
                shown = stats(host)["itemsCount"]
                if shown == count:
                    break
                host.advance(seconds=0.1)
            assert shown == count


def test_a_registry_that_is_taken_from_is_told_of_too() -> None:
    """The stats count what is in."""
    with host_with() as host:
        id = host.open()
        host.add(id, "Bike", "k")
        host.advance(seconds=2)
        assert host.post(f"/api/remove/{id}?itemKey=k").status == 200
        host.advance(seconds=2)
        assert stats(host)["itemsCount"] == 0


def test_an_observation_that_is_lost_with_its_process_is_made_good() -> None:
    """When the registry is settled."""
    with host_with() as host:
        id = host.open()
        host.add(id, "Bike")
        host.run(host.call("POST", f"/api/add/{id}?item=Book"))
        for task in list(sys.modules["registry.durable.stats_reporter"].reporter._tasks.values()):
            task.cancel()
        host.settle()
        host.advance(seconds=10)
        assert stats(host)["itemsCount"] == 1
        host.advance(minutes=5)
        assert stats(host)["itemsCount"] == 2


def test_heal_settles_many_at_once() -> None:
    """Hundreds whose lives have ended are closed and counted by one or two runs."""
    with host_with() as host:
        ids = [
            told(each)["id"]
            for each in host.run_all(*[host.call("POST", "/api/open") for _ in range(150)])
        ]
        for id in ids:
            terminate(host, id)
        host.advance(minutes=7)
        assert (stats(host)["openCount"], stats(host)["closedCount"]) == (0, 150)


def test_the_stats_are_spread_over_their_shards() -> None:
    """Many registries, all counted."""
    with host_with() as host:
        for _ in range(64):
            host.open()
        used = sum(
            host.store.entity(f"@registrystats@{shard}") is not None
            for shard in range(STATS_SHARDS)
        )
        assert used > STATS_SHARDS // 2
        host.advance(minutes=6)
        assert stats(host)["closedCount"] == 64
