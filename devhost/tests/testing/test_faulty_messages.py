"""Messages, timers and clocks: each fault alone, in virtual time."""

from datetime import datetime

import pytest

from devhost.engine.messages import event_message
from devhost.testing import (
    START,
    virtual_time,
)


@virtual_time
async def test_messages_are_under_way_for_some_time(sample) -> None:
    """A message has its effect some time after its answer, and a later one may overtake it."""
    async with sample.on(message_delayed=1):
        for gift in "abcdefgh":
            assert await sample.put(gift) == 202
        assert sample.bag() is None
        await sample.host.advance(seconds=0.1)
        assert sorted(sample.bag()) == list("abcdefgh")
        assert sample.bag() != list("abcdefgh")
    assert sample.faults.counts == {"message_delayed": 8}


@virtual_time
async def test_messages_may_take_seconds(sample) -> None:
    """None is lost."""
    async with sample.on(message_late=0.5):
        for gift in range(100):
            await sample.put(str(gift))
        await sample.host.run_until_idle()
        assert 20 < len(sample.bag()) < 80
        await sample.host.advance(seconds=6)
        assert sorted(sample.bag()) == sorted(map(str, range(100)))


@virtual_time
async def test_what_comes_before_the_start_of_its_instance_waits_for_it(sample) -> None:
    """An event that overtakes the start is not lost."""
    for seed in range(20):
        async with sample.on(seed, message_late=0.5, message_delayed=1):
            await sample.start("waits")
            await sample.manage("POST", "instances/i/raiseEvent/go", "now")
            await sample.host.advance(seconds=10)
            assert sample.output() == "now"


@virtual_time
async def test_what_comes_for_an_instance_that_is_gone_is_dropped(sample) -> None:
    """It does not wait for a start that never comes."""
    async with sample.on():
        store = sample.host.store
        with store.transaction():
            store.enqueue(
                [event_message("gone", {"EventType": 15, "Name": "go", "Input": '"now"'})]
            )
        await sample.start("waits")
        await sample.host.advance(seconds=10)
        assert store.next_due() is None


@virtual_time
async def test_signals_and_events_of_clients_come_twice(sample) -> None:
    """Each copy on its own way."""
    async with sample.on(message_repeated=1):
        await sample.put("a")
        await sample.start("waits")
        await sample.manage("POST", "instances/i/raiseEvent/go", "now")
        await sample.host.run_until_idle()
        assert sample.bag() == ["a", "a"]
        assert sample.output() == "now"
    assert sample.faults.counts == {"message_repeated": 2}


@pytest.mark.parametrize(
    ("rate", "earliest", "latest"), [("timer_early", -1.0, 0.0), ("timer_late", 0.5, 6.0)]
)
@virtual_time
async def test_timers_are_not_on_time(sample, rate, earliest, latest) -> None:
    """They fire up to a second early, or some seconds late."""
    async with sample.on(**{rate: 1}):
        for number in range(20):
            await sample.start("naps", id=f"i{number}")
        await sample.host.advance(seconds=20)

    off = [(moment - START).total_seconds() - 10 for moment in sample.woken]
    assert len(off) == 20
    assert earliest <= min(off) < max(off) <= latest
    assert max(off) - min(off) > 0.5


@virtual_time
async def test_clocks_are_off(sample) -> None:
    """Each function and each batch of an entity has a clock of its own, at most a second off."""
    async with sample.on(clock_off=1):
        for gift in range(20):
            await sample.put(str(gift))
        shown = [
            datetime.fromisoformat((await sample.host.get("/api/clock")).text) for _ in range(20)
        ]
        off = [(moment - START).total_seconds() for moment in [*sample.seen, *shown]]
        assert sample.host.app_now() == START
    assert -1.001 <= min(off) < -0.5 < 0.5 < max(off) <= 1.001
    assert len(set(off)) > 30
