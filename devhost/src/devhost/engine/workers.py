"""Workers: threads that execute work items, so that a slow function does not block the event loop.

To give an item to a thread and take the decision back costs some microseconds if the loop waits for
it. So the loop waits, but not for long: it goes on without a slow item, whose decision comes later.
A function that was slow gets threads of its own until it has been quick again.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from devhost.engine.decisions import Decision, WorkItem

QUICK_SECONDS = 0.01
"""So long the loop waits for an item; its function is slow if it takes longer."""
LONGEST_WAIT = 0.05
"""Seconds that it waits at most, even if items are done one after the other."""
SLOW_AT_ONCE = 10 * (os.cpu_count() or 1)
"""Items of one slow function, as many as the Durable extension runs by default.

That is maxConcurrentEntityFunctions of host.json.
"""


class Done(NamedTuple):
    """A work item that was executed."""

    item: WorkItem
    decision: Decision | None


Execute = Callable[[WorkItem], Decision | None]


class Workers:
    """Executes work items for an event loop."""

    def __init__(self, execute: Execute, on_late: Callable[[Done], None]) -> None:
        """`on_late` is called on the loop with each item that was not done in time."""
        self._execute = execute
        self._on_late = on_late
        self._loop = asyncio.get_running_loop()
        self._slow: set[str] = set()
        """Functions that were slow. Only the loop's thread changes it."""
        self._pools: dict[str, ThreadPoolExecutor] = {}
        """One for each slow function, so that none of them waits for another."""
        self._worker: Worker | None = None
        self._stopped = False

    def stop(self) -> None:
        """Execute nothing more. What is running comes to its end, and its decision is lost."""
        self._stopped = True
        if self._worker is not None:
            self._worker.stop()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        """Execute items. Returns those that were done in time, and those that nobody has begun."""
        quick = []
        for item in items:
            if item.function in self._slow:
                self._pool(item.function).submit(self._execute_slow, item)
            else:
                quick.append(item)
        if not quick:
            return [], []

        worker = self._worker = self._worker or Worker(self._execute, self._report)
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
        self._report(done, was_quick=time.monotonic() - began < QUICK_SECONDS)

    def _report(self, done: Done, was_quick: bool = False) -> None:
        """Hand a late item over to the loop's thread."""
        if not self._stopped:
            self._loop.call_soon_threadsafe(self._take_late, done, was_quick)

    def _take_late(self, done: Done, was_quick: bool) -> None:
        if was_quick:
            self._slow.discard(done.item.function)
        if not self._stopped:
            self._on_late(done)


class Worker:
    """A thread that executes items while somebody waits for them, and ends when nobody does."""

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
        """Execute items in order. Returns those that were done in time.

        If not all were, the worker is left alone: it calls `on_late` with its current item, and
        ends.
        """
        self._done = []
        self._batches.put(items)
        end = time.monotonic() + LONGEST_WAIT
        while not self._is_left:
            before = len(self._done)
            try:
                self._finished.get(timeout=QUICK_SECONDS)
                break
            except Empty:
                with self._lock:
                    goes_on = len(self._done) > before and time.monotonic() < end
                    self._is_left = not goes_on and len(self._done) < len(items)
        return self._done

    def stop(self) -> None:
        """End as soon as nothing is being executed."""
        self._batches.put(None)

    def _run(self) -> None:
        while (items := self._batches.get()) is not None and self._execute_all(items):
            self._finished.put(None)

    def _execute_all(self, items: Sequence[WorkItem]) -> bool:
        """Execute items as long as somebody waits for them. Returns whether somebody still does."""
        for item in items:
            done = Done(item, self._execute(item))
            with self._lock:
                if self._is_left:
                    self._on_late(done)
                    return False
                self._done.append(done)
        return True
