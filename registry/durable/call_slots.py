"""A bound for the calls that one process makes to the task hub at the same time.

Where the task hub is slower than the load, all requests would go on in lockstep, and end late
together. So the oldest request goes first, and its next call goes before the first one of others.
"""

import asyncio
from bisect import insort
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import NamedTuple

from registry import clock
from registry.domain.problems import HubBusy

CALLS_IN_FLIGHT = 32
"""More make no process faster: see docs/architecture.md for how this was measured."""
LONGEST_HOLD = 2.0
"""Seconds after which a call that is not answered makes room for others."""
WEIGHT_OF_LATEST = 0.1
"""Of the latest call, in the mean of how long calls take."""


_numbers = count()


class Turn(NamedTuple):
    """When it is the turn of a request's calls: before those of requests that end later."""

    deadline: float
    """Of the monotonic clock."""
    number: int

    @classmethod
    def until(cls, deadline: float) -> "Turn":
        """The turn of a request that has come now."""
        return cls(deadline, next(_numbers))


class _Waiting(NamedTuple):
    turn: Turn
    number: int
    granted: "asyncio.Future[None]"


class CallSlots:
    """Slots for calls. The request with the earliest deadline gets one first."""

    def __init__(self, slots: int = CALLS_IN_FLIGHT) -> None:
        self._slots = self._free = slots
        self._waiting: list[_Waiting] = []
        """In the order of their turns."""
        self._mean = 0.0
        """Seconds that a call takes."""

    @asynccontextmanager
    async def slot(self, turn: Turn) -> AsyncIterator[None]:
        """Make a call in the block. Raises HubBusy where that could not be before its deadline."""
        await self._acquire(turn)
        began, is_held = clock.monotonic(), True

        def release() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                self._mean += WEIGHT_OF_LATEST * (clock.monotonic() - began - self._mean)
                self._free += 1
                self._grant()

        timer = asyncio.get_running_loop().call_later(LONGEST_HOLD, release)
        try:
            yield
        finally:
            timer.cancel()
            release()

    async def _acquire(self, turn: Turn) -> None:
        granted = asyncio.get_running_loop().create_future()
        waiting = _Waiting(turn, next(_numbers), granted)
        insort(self._waiting, waiting)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(waiting)
            elif granted.exception() is None:
                self._free += 1
                self._grant()
            raise

    def _grant(self) -> None:
        """Give free slots to the first, and refuse the last while it cannot be in time."""
        while self._free and self._waiting:
            granted = self._waiting.pop(0).granted
            if not granted.done():  # Otherwise it was cancelled a moment ago.
                self._free -= 1
                granted.set_result(None)

        while self._waiting and self._wait() > self._waiting[-1].turn.deadline - clock.monotonic():
            refused = self._waiting.pop().granted
            if not refused.done():
                refused.set_exception(HubBusy())

    def _wait(self) -> float:
        """Seconds until the last of those that wait gets a slot."""
        return len(self._waiting) * self._mean / self._slots


call_slots = CallSlots()
"""Those of this process."""
