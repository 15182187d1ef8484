"""Commands and due turns, batch by batch on the event loop, with one commit for each batch.

What waits for a command gets its answer after the commit, and by then the turns that the command caused have
run as well, unless there are many: so what a client has sent is in effect when it is told so. Orchestrators and
entities run on the loop too, which is the fastest for functions that do not block; these should not.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from datetime import datetime
from typing import Any, TypeVar

from devhost.engine import Engine
from devhost.protocol import from_timestamp, timestamp
from devhost.store import Activity, StoreError, concerns_the_file

log = logging.getLogger("devhost")

Result = TypeVar("Result")
Command = Callable[[Engine, datetime], Result]
Clock = Callable[[], datetime]

BATCH_SECONDS = 0.01
"""How long a batch goes on with further turns while others wait for the loop."""
PAUSE_AFTER_ERROR = 1.0
LONGEST_WAIT = 60.0
"""Seconds; a wait ends at least this often, in case the clock was set."""


class Dispatcher:
    """Keeps an engine going, on the running event loop."""

    def __init__(self, engine: Engine, clock: Clock, on_scheduled: Callable[[list[Activity]], None]) -> None:
        """`on_scheduled` gets newly scheduled activities after they were committed."""
        self._engine = engine
        self._clock = clock
        self._on_scheduled = on_scheduled
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        """In which batches run, instead of that of whoever submits a command."""
        self._commands: list[tuple[Command[Any], asyncio.Future[Any]]] = []
        self._next: asyncio.Handle | None = None
        self._stopped = False

    def start(self) -> None:
        """Take at once what is due, and from then on whatever becomes due."""
        self._batch_after(0)

    def stop(self) -> None:
        """Take nothing more. What is left over stays in the store for the next start."""
        self._stopped = True
        if self._next is not None:
            self._next.cancel()

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command in the next batch; returns its result once that is committed. Raises StoreError."""
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
        batch, self._commands = self._commands, []
        try:
            with self._engine.store.transaction():
                results = [self._result(command) for command, _ in batch]
                self._turns()
                due = self._engine.store.next_due()
        except Exception as error:
            self._engine.scheduled.clear()
            log.error("nothing of this batch is kept: %s", error, exc_info=not isinstance(error, StoreError))
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            self._batch_after(PAUSE_AFTER_ERROR)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        if self._engine.scheduled:
            scheduled, self._engine.scheduled = self._engine.scheduled, []
            self._on_scheduled(scheduled)
        self._batch_after(self._seconds_until(due))

    def _result(self, command: Command[Any]) -> Any:
        """The result of a command, or the error that has undone it."""
        try:
            with self._engine.store.savepoint():
                return command(self._engine, self._clock())
        except Exception as error:
            if concerns_the_file(error):
                raise
            return error

    def _turns(self) -> None:
        end = self._loop.time() + BATCH_SECONDS
        while self._engine.turns(self._clock()) and self._loop.time() < end:
            pass

    def _seconds_until(self, due: str | None) -> float:
        now = self._clock()
        if due is None:
            return LONGEST_WAIT
        if due <= timestamp(now):  # or empty, which is at once
            return 0
        return min((from_timestamp(due) - now).total_seconds(), LONGEST_WAIT)
