"""Workers: threads that execute work items, so that a slow function does not stop the event loop.

A hand-over to a thread and back takes some microseconds where the loop waits for it. So it waits,
but not for long: what is slow goes on without it, and its result comes later. A function that was
slow is not waited for again until it has been quick.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from devhost.engine.work_items import Decision, WorkItem

PATIENCE = 0.01
"""Seconds for which the loop waits while no function comes to its end."""
LONGEST_WAIT = 0.05
"""Seconds after which it goes on although functions do, one after the other."""
SLOW_AT_ONCE = 10 * (os.cpu_count() or 1)
"""Of one function; as many as the Durable extension runs at once by default
(maxConcurrentEntityFunctions).
"""


class Done(NamedTuple):
    """A work item that was executed."""

    item: WorkItem
    decision: Decision | None


Execute = Callable[[WorkItem], Decision | None]


class Workers:
    """Executes work items for an event loop."""

    def __init__(self, execute: Execute, on_late: Callable[[Done], None]) -> None:
        """`on_late` gets on the loop what was not done in time."""
        self._execute = execute
        self._on_late = on_late
        self._loop = asyncio.get_running_loop()
        self._slow: set[str] = set()
        self._pools: dict[str, ThreadPoolExecutor] = {}
        """By function, so that none of them waits for another."""
        self._worker: Worker | None = None
        self._stopped = False

    def stop(self) -> None:
        """Take nothing more. What is still running ends in its time, and nobody hears of it."""
        self._stopped = True
        if self._worker is not None:
            self._worker.stop()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        """Execute items; returns those that were done in time, and those that nobody has begun."""
        quick = []
        for item in items:
            if item.function in self._slow:
                self._pool(item.function).submit(self._execute_slow, item)
            else:
                quick.append(item)
        if not quick:
            return [], []
        worker = self._worker = self._worker or Worker(self._execute, self._late)
        done = worker.execute(quick)
        if len(done) < len(quick):
            self._slow.add(quick[len(done)].function)
            self._worker = None
        return done, quick[len(done) + 1 :]

    def _pool(self, function: str) -> ThreadPoolExecutor:
        if function not in self._pools:
            self._pools[function] = ThreadPoolExecutor(SLOW_AT_ONCE, "devhost-slow")
        return self._pools[function]

    def _execute_slow(self, item: WorkItem) -> None:
        began = time.monotonic()
        done = Done(item, self._execute(item))
        self._late(done, was_quick=time.monotonic() - began < PATIENCE)

    def _late(self, done: Done, was_quick: bool = False) -> None:
        """Tell the loop, whose thread alone says what is slow."""
        if not self._stopped:
            self._loop.call_soon_threadsafe(self._tell, done, was_quick)

    def _tell(self, done: Done, was_quick: bool) -> None:
        if was_quick:
            self._slow.discard(done.item.function)
        if not self._stopped:
            self._on_late(done)


class Worker:
    """A thread that executes items while somebody waits; it ends when nobody does any more."""

    def __init__(self, execute: Execute, on_late: Callable[[Done], None]) -> None:
        self._execute = execute
        self._on_late = on_late
        self._batches: SimpleQueue[Sequence[WorkItem] | None] = SimpleQueue()
        self._finished: SimpleQueue[None] = SimpleQueue()
        self._done: list[Done] = []
        self._is_left = False
        self._lock = Lock()
        Thread(target=self._run, name="devhost-worker", daemon=True).start()

    def execute(self, items: Sequence[WorkItem]) -> list[Done]:
        """Execute items in order; returns those that were done in time.

        Where not all were, the worker is left to itself: it tells `on_late` of the one that it is
        at, and ends.
        """
        self._done = []
        self._batches.put(items)
        end = time.monotonic() + LONGEST_WAIT
        while not self._is_left:
            before = len(self._done)
            try:
                self._finished.get(timeout=PATIENCE)
                break
            except Empty:
                with self._lock:
                    goes_on = len(self._done) > before and time.monotonic() < end
                    self._is_left = not goes_on and len(self._done) < len(items)
        return self._done

    def stop(self) -> None:
        """End, once nothing is being executed."""
        self._batches.put(None)

    def _run(self) -> None:
        while (items := self._batches.get()) is not None and self._executes(items):
            self._finished.put(None)

    def _executes(self, items: Sequence[WorkItem]) -> bool:
        """Execute items until nobody waits for them any more; whether somebody still does."""
        for item in items:
            done = Done(item, self._execute(item))
            with self._lock:
                if self._is_left:
                    self._on_late(done)
                    return False
                self._done.append(done)
        return True
