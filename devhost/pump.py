"""The engine's thread: commands and due turns, batch by batch, with one commit for each batch.

What waits for a command gets its answer after the commit, and by then the turns that the command caused have
run as well, unless there are many: so what a client has sent is in effect when it is told so.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from devhost.engine import Engine, timestamp
from devhost.store import Activity, StoreError

log = logging.getLogger("devhost")

Result = TypeVar("Result")
Command = Callable[[Engine, datetime], Result]
Clock = Callable[[], datetime]

BATCH_SECONDS = 0.01
"""How long a batch goes on with further turns while commands may be waiting."""
PAUSE_AFTER_ERROR = 1.0
LONGEST_WAIT = 60.0
"""Seconds; a wait ends at least this often, in case the clock was set."""


class Pump:
    """Runs an engine in a thread of its own, and answers on an event loop."""

    def __init__(self, engine: Engine, clock: Clock, on_scheduled: Callable[[list[Activity]], None]) -> None:
        """`on_scheduled` gets newly scheduled activities, on the loop, after they were committed."""
        self._engine = engine
        self._clock = clock
        self._on_scheduled = on_scheduled
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._wake = threading.Condition()
        self._commands: list[tuple[Command[Any], asyncio.Future[Any]]] = []
        self._stopping = False

    def start(self) -> None:
        """Start the thread; what is due is taken at once."""
        self._thread.start()

    async def stop(self) -> None:
        """End after the current batch. What is left over stays in the store for the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command in the next batch; returns its result once that is committed. Raises StoreError."""
        future: asyncio.Future[Result] = self._loop.create_future()
        with self._wake:
            self._commands.append((command, future))
            self._wake.notify()
        return await future

    def _run(self) -> None:
        wait = 0.0
        while True:
            with self._wake:
                if not self._commands and not self._stopping and wait > 0:
                    self._wake.wait(wait)
                if self._stopping and not self._commands:
                    return
                batch, self._commands = self._commands, []
            wait = self._process(batch)

    def _process(self, batch: list[tuple[Command[Any], asyncio.Future[Any]]]) -> float:
        """Run a batch; returns for how many seconds nothing is due after it."""
        try:
            with self._engine.store.transaction():
                results = [command(self._engine, self._clock()) for command, _ in batch]
                self._turns()
                due = self._engine.store.next_due()
        except Exception as error:
            self._engine.scheduled.clear()
            log.error("nothing of this batch is kept: %s", error, exc_info=not isinstance(error, StoreError))
            self._loop.call_soon_threadsafe(_fail, batch, error)
            return PAUSE_AFTER_ERROR
        scheduled, self._engine.scheduled = self._engine.scheduled, []
        if batch or scheduled:
            self._loop.call_soon_threadsafe(self._deliver, batch, results, scheduled)
        return self._until(due)

    def _turns(self) -> None:
        end = time.monotonic() + BATCH_SECONDS
        while self._engine.turns(self._clock()) and time.monotonic() < end:
            pass

    def _until(self, due: str | None) -> float:
        now = self._clock()
        if due is None:
            return LONGEST_WAIT
        if due <= timestamp(now):
            return 0.0
        moment = datetime.strptime(due, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        return min((moment - now).total_seconds(), LONGEST_WAIT)

    def _deliver(
        self,
        batch: list[tuple[Command[Any], asyncio.Future[Any]]],
        results: list[Any],
        scheduled: list[Activity],
    ) -> None:
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
        if scheduled:
            self._on_scheduled(scheduled)


def _fail(batch: list[tuple[Command[Any], asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
