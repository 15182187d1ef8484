"""An event loop in virtual time: nobody waits, the clock jumps to whatever comes next."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

TICK = 1e-6
"""Seconds. Time stamps in a task hub have microseconds, so nothing takes less."""


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a new virtual event loop, and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without sockets and threads. `time()` counts seconds from 0.

    When no task can go on, its time jumps to the next timer. The same tasks always run in the same
    order.
    """

    # What the base class keeps to itself.
    _ready: deque[asyncio.Handle]
    _scheduled: list[Any]
    _timer_cancelled_count: int

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = TICK
        self._selector = SimpleNamespace(select=self._select, close=lambda: None)

        numbers = itertools.count()
        self.set_task_factory(
            lambda loop, work, **options: VirtualTask(next(numbers), work, loop=loop, **options)
        )

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def suspend(self, seconds: float) -> None:
        """Let time pass while nothing runs, as on a machine that sleeps: what falls due is late."""
        self._now += seconds

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call something later, and never at the same time as now.

        Whoever sleeps until a moment, however near, would otherwise sleep again and again without
        any time passing.
        """
        if when > self._now:
            when = max(when, self._now + TICK)
        return super().call_at(when, callback, *args, context=context)

    def is_idle(self) -> bool:
        """Whether nothing can go on until time passes."""
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False

        is_due = self._scheduled and self._scheduled[0]._when < self._now + TICK
        return not self._ready and not is_due

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Result], *args: *Arguments
    ) -> "asyncio.Future[Result]":
        """Call a function at once: a thread would race the virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        if timeout > 0:
            self._now = max(self._now, self._scheduled[0]._when)
        return []

    def _process_events(self, events: list[Any]) -> None:
        """There are none without sockets."""

    def _write_to_self(self) -> None:
        """No other thread has to wake this one."""


class VirtualTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose hash is its number, so that sets of tasks have the same order in every run."""

    def __init__(self, number: int, *arguments: Any, **options: Any) -> None:
        self._number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number
