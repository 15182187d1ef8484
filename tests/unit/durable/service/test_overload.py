"""The task hub is slower than the load."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from registry.domain.problems import HubUnavailable
from registry.domain.registry import Item
from registry.durable.task_hub import REQUEST_SECONDS
from tests.support.fake_hub import ID
from tests.support.registries import make_terms

CALLS_A_SECOND = 3 * 25
"""An open is three of them."""
SLICES = 10


@pytest.fixture
def slow(client):
    """A task hub that works at all calls that it has, in turn. One alone takes 13 ms."""
    processor: list[asyncio.Lock] = []

    def slowed(call: Any) -> Any:
        async def answer(*args: Any) -> Any:
            if not processor:
                processor.append(asyncio.Lock())
            for _ in range(SLICES):
                async with processor[0]:
                    await asyncio.sleep(1 / CALLS_A_SECOND / SLICES)
            return await call(*args)

        return answer

    for name in ("read_entity_state", "signal_entity", "start_new"):
        method = getattr(client.mock, name)
        method.side_effect = slowed(method.side_effect)
    return client


async def timed(clock, call) -> tuple[bool, float]:
    """Whether a call succeeds, and how long it takes."""
    began = clock.monotonic()
    try:
        await call
    except HubUnavailable:
        return False, clock.monotonic() - began
    return True, clock.monotonic() - began


def open_many(clock, caller, count) -> list[tuple[bool, float]]:
    """Open so many registries at once."""

    async def run() -> list[tuple[bool, float]]:
        terms = [make_terms(f"{number:032x}") for number in range(count)]
        calls = [timed(clock, caller.service().open(each)) for each in terms]
        return await asyncio.gather(*calls)

    return clock.run(run())


def test_two_hundred_opens_at_once_succeed_within_ten_seconds(slow, clock, caller) -> None:
    """The first ones long before that."""
    opened = open_many(clock, caller, 200)
    assert sum(is_open for is_open, _ in opened) >= 190
    assert min(seconds for _, seconds in opened) < 2


@pytest.mark.parametrize("count", [400, 1000])
def test_opens_that_come_too_late_are_refused_and_leave_nothing(slow, clock, caller, count) -> None:
    """They have made no call; the others are as many as the task hub can serve."""
    opened = open_many(clock, caller, count)
    succeeded = sum(is_open for is_open, _ in opened)
    assert succeeded >= 215
    assert max(seconds for _, seconds in opened) <= REQUEST_SECONDS + 0.01
    reported = {call.content["id"] for call in slow.calls if call.what == "signal RecordSnapshot"}
    assert len(reported) <= succeeded + 35


def test_those_that_are_refused_need_not_wait_for_the_deadline(slow, clock, caller) -> None:
    """Where there are far too many, most of them."""
    opened = open_many(clock, caller, 1500)
    refused = Counter(round(seconds) for is_open, seconds in opened if not is_open)
    assert refused.total() > 1200
    assert sum(count for seconds, count in refused.items() if seconds <= 5) > 1000


def test_an_add_waits_no_longer_than_an_open(slow, clock, caller) -> None:
    """Both come in while 150 opens are waiting."""
    slow.open()

    async def run() -> list[tuple[bool, float]]:
        opens = [
            asyncio.create_task(caller.service().open(make_terms(f"{number:032x}")))
            for number in range(1, 151)
        ]
        await asyncio.sleep(1)
        timings = await asyncio.gather(
            timed(clock, caller.service().open(make_terms("f" * 32))),
            timed(clock, caller.service().add(ID, Item("k", "Bike"))),
        )
        await asyncio.gather(*opens)
        return timings

    (is_open, opening), (is_added, adding) = clock.run(run())
    assert is_open
    assert is_added
    assert adding <= opening + 1
