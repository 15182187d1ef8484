"""Batches, turns and activities that run again or are committed late."""

from devhost.testing import (
    START,
    FaultRates,
    Faults,
    VirtualHost,
    open_store,
    virtual_time,
)


@virtual_time
async def test_a_batch_is_committed_late(sample) -> None:
    """Its replies leave at once. Its state is there later, and no other batch runs before."""
    async with sample.on(commit_late=1):
        await sample.start("fills")
        await sample.host.run_until_idle()
        assert sample.output() == 1
        assert sample.bag() is None
        await sample.put("next")
        await sample.host.run_until_idle()
        assert len(sample.seen) == 1
        await sample.host.advance(seconds=20)
        assert sample.bag() == ["gift", "next"]
        assert len(sample.seen) == 2


@virtual_time
async def test_a_batch_that_was_purged_is_not_committed(sample) -> None:
    """It is gone like all that belongs to its entity."""
    async with sample.on(commit_late=1):
        await sample.put("a")
        await sample.host.advance(seconds=10)
        await sample.put("b")
        assert (await sample.manage("DELETE", "instances/@bag@a")).status == 200
        await sample.host.advance(seconds=10)
        assert sample.bag() is None
        await sample.put("c")
        await sample.host.advance(seconds=10)
        assert sample.bag() == ["c"]


@virtual_time
async def test_a_batch_is_executed_again(sample) -> None:
    """Of the first execution, only the replies are left."""
    async with sample.on(seed=3, batch_again=0.5):
        await sample.start("fills")
        for gift in range(20):
            await sample.put(str(gift))
            await sample.host.advance(seconds=0.1)
        await sample.host.advance(minutes=1)
        assert sorted(sample.bag()) == sorted(["gift", *map(str, range(20))])
        assert len(sample.seen) == 21 + sample.faults.counts["batch_again"]
        assert sample.faults.counts["batch_again"] > 5


@virtual_time
async def test_a_turn_is_executed_again(sample) -> None:
    """What it sent to entities has left, and leaves again."""
    async with sample.on(seed=2, turn_again=0.5):
        for number in range(10):
            await sample.start("fills", id=f"i{number}")
        await sample.host.advance(minutes=1)
        assert all(isinstance(sample.output(f"i{number}"), int) for number in range(10))
        assert len(sample.bag()) > 10


@virtual_time
async def test_activities_run_twice(sample) -> None:
    """At once or later; the first result counts."""
    async with sample.on(activity_again=1):
        for number in range(10):
            await sample.start("wraps", 1, id=f"i{number}")
        await sample.host.advance(seconds=10)
        assert len(sample.ended) == 20
        assert len({sample.output(f"i{number}") for number in range(10)}) == 10
        assert {START} < set(sample.ran)


@virtual_time
async def test_a_kill_of_the_process_loses_nothing(sample) -> None:
    """What was executed and not committed is still in the task hub, for the next process."""
    store = open_store()
    async with VirtualHost(
        sample.app, store=store, faults=Faults(1, FaultRates.only(commit_late=1))
    ) as sample.host:
        await sample.put("a")
        await sample.host.run_until_idle()
        assert (len(sample.seen), sample.bag()) == (1, None)
    async with VirtualHost(sample.app, store=store) as sample.host:
        await sample.host.advance(seconds=10)
        assert (len(sample.seen), sample.bag()) == (2, ["a"])
    store.close()
