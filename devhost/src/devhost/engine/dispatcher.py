"""Commands and work items, batch by batch on the event loop, with one commit for each step.

What waits for a command gets its answer after the commit, and by then the items that the command
caused are completed as well, unless there are many or a function is slow: so what a client has sent
is in effect when it is told so.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from devhost.engine.client import Engine
from devhost.engine.work_items import WorkItem
from devhost.engine.workers import Done, Workers
from devhost.replay.protocol import from_timestamp, timestamp
from devhost.storage.rows import Activity
from devhost.storage.store import StoreError

log = logging.getLogger("devhost")

Result = TypeVar("Result")
Command = Callable[[Engine, datetime], Result]
Waiting = tuple[Command[Any], "asyncio.Future[Any]"]
"""A command, and who waits for its result."""
Clock = Callable[[], datetime]

BATCH_SECONDS = 0.01
"""How long a batch goes on with further turns while others wait for the loop."""
PAUSE_AFTER_ERROR = 1.0
LONGEST_WAIT = 60.0
"""Seconds; a wait ends at least this often, in case the clock was set."""


class Dispatcher:
    """Keeps an engine going, on the running event loop."""

    def __init__(
        self, engine: Engine, clock: Clock, on_scheduled: Callable[[list[Activity]], None]
    ) -> None:
        """`on_scheduled` gets newly scheduled activities after they were committed."""
        self._engine = engine
        self._clock = clock
        self._on_scheduled = on_scheduled
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        """In which batches run, instead of that of whoever submits a command."""
        self._workers = Workers(engine.execute, self._complete_late)
        self._commands: list[Waiting] = []
        self._late: list[Done] = []
        self._next: asyncio.Handle | None = None
        self._stopped = False

    def start(self) -> None:
        """Take at once what is due, and from then on whatever becomes due."""
        self._batch_after(0)

    def stop(self) -> None:
        """Take nothing more. What is left over stays in the store for the next start."""
        self._stopped = True
        self._workers.stop()
        if self._next is not None:
            self._next.cancel()

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command in the next batch; returns its result once that is committed. Raises
        StoreError.
        """
        if self._stopped:
            raise StoreError("the host is stopping")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._commands.append((command, future))
        if len(self._commands) == 1:
            self._batch_after(0)
        return await future

    def _batch_after(self, seconds: float) -> None:
        if self._next is not None:
            self._next.cancel()
        if not self._stopped:
            soon = seconds <= 0
            self._next = (
                self._loop.call_soon(self._batch, context=self._context)
                if soon
                else self._loop.call_later(seconds, self._batch, context=self._context)
            )

    def _batch(self) -> None:
        commands, self._commands = self._commands, []
        done, self._late = self._late, []
        end = self._loop.time() + BATCH_SECONDS
        try:
            step = self._commit(done, commands)
        except Exception as error:
            seconds, results = PAUSE_AFTER_ERROR, [error] * len(commands)
        else:
            seconds, results = self._work(step, end), step.results
        for (_, future), result in zip(commands, results, strict=True):
            if not future.done():
                _settle(future, result)
        self._batch_after(seconds)

    def _work(self, step: "Step", end: float) -> float:
        """Execute and complete what was taken, and what follows from it; returns in how many
        seconds to go on.
        """
        while step.items:
            done, left = self._workers.execute(step.items)
            for item in left:
                self._engine.abandon(item)
            try:
                step = self._commit(done, take=self._loop.time() < end)
            except Exception:
                return PAUSE_AFTER_ERROR
        return self._seconds_until(step.due)

    def _commit(
        self, done: list[Done], commands: Sequence[Waiting] = (), take: bool = True
    ) -> "Step":
        """Carry out commands, complete what is done and take what is due, in one transaction.

        Where the store cannot be written nothing is kept.
        """
        engine, items = self._engine, []
        try:
            with engine.store.transaction():
                results = [self._result(command) for command, _ in commands]
                now = self._clock()
                scheduled = [
                    each for item, decision in done for each in engine.complete(item, decision, now)
                ]
                items = engine.take(now) if take else []
                due = engine.next_due()
        except Exception as error:
            log.error(
                "nothing of this batch is kept: %s",
                error,
                exc_info=not isinstance(error, StoreError),
            )
            for item in chain(items, (item for item, _ in done)):
                engine.abandon(item)
            raise
        if scheduled:
            self._on_scheduled(scheduled)
        return Step(items, results, due)

    def _complete_late(self, done: Done) -> None:
        """Have what was not done in time completed by the next batch."""
        self._late.append(done)
        self._batch_after(0)

    def _result(self, command: Command[Any]) -> Any:
        """The result of a command, or the error that has undone it."""
        try:
            with self._engine.store.savepoint():
                return command(self._engine, self._clock())
        except StoreError:
            raise
        except Exception as error:
            return error

    def _seconds_until(self, due: str | None) -> float:
        now = self._clock()
        if due is None:
            return LONGEST_WAIT
        if due <= timestamp(now):  # or empty, which is at once
            return 0
        try:
            return min((from_timestamp(due) - now).total_seconds(), LONGEST_WAIT)
        except ValueError:  # in a row that somebody else has written
            return LONGEST_WAIT


class Step(NamedTuple):
    """What a commit has come to."""

    items: list[WorkItem]
    """What is to be executed next."""
    results: list[Any]
    """Of the commands: what they returned, or raised."""
    due: str | None
    """When there is more to take."""


def _settle(future: "asyncio.Future[Any]", result: Any) -> None:
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
