"""Processes that can be killed: the worker that runs an app's functions, and the host."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from devhost.functions.errors import WorkerExit

Result = TypeVar("Result")

KILLED = 137
"""The exit code of a process that was killed."""


class WorkerDied(WorkerExit):
    """The worker that ran the function is gone."""

    def __init__(self) -> None:
        super().__init__(SystemExit(KILLED))


class HostDied(asyncio.CancelledError):
    """The host is gone.

    Whatever serves a request ends without an answer, as if its client had gone away.
    """


class Process:
    """A process, and the work that ends with it."""

    def __init__(self) -> None:
        self._death: asyncio.Future[type[BaseException]]
        self._death = asyncio.get_running_loop().create_future()
        # A dict keeps the order, so that nothing depends on the addresses of tasks.
        self._tasks: dict[asyncio.Future[Any], None] = {}

    @property
    def is_dead(self) -> bool:
        return self._death.done()

    @property
    def is_busy(self) -> bool:
        """Whether any of its tasks is running."""
        return bool(self._tasks)

    def check(self) -> None:
        """Raise the error of `kill` if the process is dead."""
        if self.is_dead:
            raise self._death.result()

    def adopt(self, task: "asyncio.Future[Any]") -> None:
        """Have a task end with the process."""
        if self.is_dead:
            task.cancel()
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def kill(self, error: type[BaseException]) -> None:
        """End the process and its tasks. Whatever awaits its work gets the error."""
        self._death.set_result(error)
        for task in list(self._tasks):
            task.cancel()

    async def run(
        self, work: Coroutine[Any, Any, Result], context: Context | None = None
    ) -> Result:
        """Await work. Raises the error of `kill` if the process is dead, or dies first."""
        if self.is_dead:
            work.close()
            self.check()

        task = asyncio.get_running_loop().create_task(work, context=context)
        # Nobody may ever ask for its error.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.wait((task, self._death), return_when=asyncio.FIRST_COMPLETED)
            self.check()
            return task.result()
        finally:
            task.cancel()


class Supervisor:
    """Has one process at a time, and replaces it after a kill."""

    def __init__(self) -> None:
        self.process = Process()

    def replace(self) -> None:
        """Start another process."""
        self.process = Process()
