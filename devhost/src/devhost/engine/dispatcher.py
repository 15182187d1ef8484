"""The dispatcher: carries out commands and work items in batches, on the running event loop.

A command is answered after its commit. By then the work items that it caused are completed too,
unless there are many or a function is slow: what a client has sent is in effect when it gets its
answer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeVar

from devhost.engine.client import DurableClient
from devhost.engine.decisions import WorkItem
from devhost.engine.work_items import WorkItemSource
from devhost.engine.workers import Done, Execute, Workers
from devhost.printable import printable, printable_traceback
from devhost.replay.protocol import from_timestamp, timestamp
from devhost.storage.rows import Activity
from devhost.storage.store import Store, StoreError

log = logging.getLogger("devhost")

Result = TypeVar("Result")
Command = Callable[[DurableClient, datetime], Result]
Waiting = tuple[Command[Any], "asyncio.Future[Any]"]
"""A command, and the future of its result."""
Clock = Callable[[], datetime]

BATCH_SECONDS = 0.01
"""How long a batch takes further work items while others wait for the loop."""
PAUSE_AFTER_ERROR = 1.0
LONGEST_WAIT = 60.0
"""Seconds. The dispatcher looks at least this often, in case the clock was set."""


class WorkerPool(Protocol):
    """Executes work items. `Workers` does it in threads."""

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        """Execute items. Returns those that were done in time, and those that nobody has begun."""

    def stop(self) -> None:
        """Execute nothing more."""


MakeWorkers = Callable[[Execute, Callable[[Done], None]], WorkerPool]
"""Makes a pool from what executes an item, and what is called with items that are done late."""


class Dispatcher:
    """Keeps a task hub going."""

    def __init__(
        self,
        store: Store,
        client: DurableClient,
        work_items: WorkItemSource,
        clock: Clock,
        on_scheduled: Callable[[list[Activity]], None],
        workers: MakeWorkers = Workers,
    ) -> None:
        """`on_scheduled` is called with new activities after they were committed."""
        self._store = store
        self._client = client
        self._work_items = work_items
        self._clock = clock
        self._on_scheduled = on_scheduled
        self._loop = asyncio.get_running_loop()
        # Batches run in this context, not in that of whoever submits a command.
        self._context = copy_context()
        self._workers = workers(work_items.execute, self._complete_late)
        self._commands: list[Waiting] = []
        self._late: list[Done] = []
        self._next: asyncio.Handle | None = None
        self.is_stopped = False

    def start(self) -> None:
        """Take what is due at once, and from then on whatever becomes due."""
        self._batch_after(0)

    def stop(self) -> None:
        """Take nothing more. What is left stays in the store for the next start."""
        self.is_stopped = True
        self._workers.stop()
        if self._next is not None:
            self._next.cancel()

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command in the next batch. Returns its result after the commit.

        Raises StoreError, and whatever the command raises.
        """
        if self.is_stopped:
            raise StoreError("the host is stopping")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._commands.append((command, future))
        if len(self._commands) == 1:
            self._batch_after(0)
        return await future

    def _batch_after(self, seconds: float) -> None:
        if self._next is not None:
            self._next.cancel()
        if self.is_stopped:
            return
        if seconds <= 0:
            self._next = self._loop.call_soon(self._batch, context=self._context)
        else:
            self._next = self._loop.call_later(seconds, self._batch, context=self._context)

    def _batch(self) -> None:
        commands, self._commands = self._commands, []
        done, self._late = self._late, []
        end = self._loop.time() + BATCH_SECONDS

        results: list[Any]
        try:
            step = self._commit(done, commands)
        except Exception as error:
            seconds, results = PAUSE_AFTER_ERROR, [error] * len(commands)
        else:
            seconds, results = self._work(step, end), step.results

        for (_, future), result in zip(commands, results, strict=True):
            _answer(future, result)
        self._batch_after(seconds)

    def _work(self, step: "Step", end: float) -> float:
        """Execute and complete what was taken, and what follows from it.

        Returns in how many seconds to go on.
        """
        while step.items:
            done, left = self._workers.execute(step.items)
            for item in left:
                self._work_items.abandon(item)
            try:
                step = self._commit(done, take=self._loop.time() < end)
            except Exception:
                return PAUSE_AFTER_ERROR
        return self._seconds_until(step.due)

    def _commit(
        self, done: list[Done], commands: Sequence[Waiting] = (), take: bool = True
    ) -> "Step":
        """Run commands, complete what is done and take what is due, in one transaction.

        If the store cannot be written, nothing is kept.
        """
        items: list[WorkItem] = []
        try:
            with self._store.transaction():
                results = [self._result(command) for command, _ in commands]
                scheduled = self._complete(done)
                if take:
                    items = self._work_items.take(self._clock())
                due = self._work_items.next_due()
        except Exception as error:
            is_expected = isinstance(error, StoreError)
            reason = printable(str(error)) if is_expected else printable_traceback(error)
            log.error("nothing of this batch is kept: %s", reason)
            for item in chain(items, (each.item for each in done)):
                self._work_items.abandon(item)
            raise

        if scheduled:
            self._on_scheduled(scheduled)
        return Step(items, results, due)

    def _complete(self, done: list[Done]) -> list[Activity]:
        """Complete work items. Returns the activities that they schedule."""
        now = self._clock()
        scheduled: list[Activity] = []
        for item, decision in done:
            scheduled += self._work_items.complete(item, decision, now)
        return scheduled

    def _complete_late(self, done: Done) -> None:
        """Complete an item, which was not done in time, in the next batch."""
        self._late.append(done)
        self._batch_after(0)

    def _result(self, command: Command[Any]) -> Any:
        """The result of a command, or the error that has undone it."""
        try:
            with self._store.savepoint():
                return command(self._client, self._clock())
        except StoreError:
            raise
        except Exception as error:
            return error

    def _seconds_until(self, due: str | None) -> float:
        now = self._clock()
        if due is None:
            return LONGEST_WAIT
        if due <= timestamp(now):
            return 0
        try:
            return min((from_timestamp(due) - now).total_seconds(), LONGEST_WAIT)
        except ValueError:  # another program has written the row
            return LONGEST_WAIT


class Step(NamedTuple):
    """The outcome of a commit."""

    items: list[WorkItem]
    """What to execute next."""
    results: list[Any]
    """What the commands returned or raised."""
    due: str | None
    """When there is more to take."""


def _answer(future: "asyncio.Future[Any]", result: Any) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
