import asyncio
from contextlib import suppress

import pytest

from registry.domain.problems import HubBusy
from registry.durable.call_slots import LONGEST_HOLD, CallSlots, Turn


@pytest.fixture
def slots(clock) -> CallSlots:
    """Two slots."""
    return CallSlots(2)


async def call(slots: CallSlots, done: list[str], name: str, deadline=10.0, seconds=1.0) -> None:
    """Make a call that takes so long."""
    async with slots.slot(Turn.until(deadline)):
        await asyncio.sleep(seconds)
        done.append(name)


def test_the_earliest_deadline_goes_first(slots, clock) -> None:
    """Those with the same deadline go in the order in which they came."""

    async def run() -> list[str]:
        done: list[str] = []
        deadlines = {"a": 10, "b": 10, "c": 12, "d": 11, "e": 9, "f": 12}
        await asyncio.gather(*(call(slots, done, *each) for each in deadlines.items()))
        return done

    assert clock.run(run()) == ["a", "b", "e", "d", "c", "f"]
    assert clock.monotonic() == pytest.approx(3)


def test_the_calls_of_a_request_go_before_those_of_later_ones(slots, clock) -> None:
    """Also its second one."""
    done: list[int] = []

    async def request(number: int) -> None:
        turn = Turn.until(10)
        for _ in range(2):
            async with slots.slot(turn):
                await asyncio.sleep(1)
        done.append(number)

    async def run() -> None:
        await asyncio.gather(*map(request, range(6)))

    clock.run(run())
    assert done == list(range(6))
    assert clock.monotonic() == pytest.approx(6)


def test_a_call_that_would_come_too_late_is_refused_at_once(slots, clock) -> None:
    """As soon as it is known how long calls take."""
    refused: list[float] = []

    async def one(number: int) -> None:
        try:
            await call(slots, [], str(number), 5)
        except HubBusy:
            refused.append(clock.monotonic())

    async def run() -> None:
        await asyncio.gather(*map(one, range(200)))

    clock.run(run())
    assert len(refused) > 180
    assert min(refused) == pytest.approx(1)
    assert max(refused) <= 5


def test_a_call_without_an_answer_makes_room_for_others(slots, clock) -> None:
    """It is no reason why others should wait. Its end frees no second slot."""

    async def run() -> list[str]:
        done: list[str] = []
        hanging = [asyncio.create_task(call(slots, done, "hangs", seconds=60)) for _ in range(2)]
        await asyncio.sleep(0)
        await call(slots, done, "works")
        assert clock.monotonic() == pytest.approx(LONGEST_HOLD + 1)
        await asyncio.gather(*hanging)
        return done

    assert clock.run(run()) == ["works", "hangs", "hangs"]
    assert slots._free == 2


@pytest.mark.parametrize("when", ["waiting", "granted", "refused", "cancelled before a grant"])
def test_a_call_that_is_cancelled_keeps_no_slot(slots, clock, when) -> None:
    """Whether it waits, has just got a slot, or was just refused."""

    async def run() -> None:
        first = [asyncio.create_task(call(slots, [], "first")) for _ in range(2)]
        await asyncio.sleep(0)
        late = asyncio.create_task(call(slots, [], "late"))
        await asyncio.sleep(0)
        if when == "cancelled before a grant":
            late.cancel()
        if when == "granted":
            slots._free += 1
            slots._grant()
        if when in ("refused", "cancelled before a grant"):
            slots._mean = 1000.0
            slots._grant()
        late.cancel()
        with suppress(asyncio.CancelledError):
            await late
        assert slots._waiting == []
        await asyncio.gather(*first)

    clock.run(run())
    assert slots._free == 3 if when == "granted" else 2


def test_a_call_that_was_cancelled_is_not_given_a_slot(slots, clock) -> None:
    async def run() -> None:
        first = [asyncio.create_task(call(slots, [], "first")) for _ in range(2)]
        await asyncio.sleep(0)
        late = asyncio.create_task(call(slots, [], "late"))
        await asyncio.sleep(0)
        late.cancel()
        slots._free += 1
        slots._grant()
        assert slots._free == 1
        slots._free -= 1
        await asyncio.gather(*first, late, return_exceptions=True)

    clock.run(run())
    assert slots._free == 2
