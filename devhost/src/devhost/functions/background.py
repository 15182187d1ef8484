"""Background tasks: what functions start on the event loop and leave behind when they return."""

import asyncio
from contextvars import Context, ContextVar
from typing import Any
from weakref import WeakSet

END_SECONDS = 5.0
"""How long they may take to end when the host stops."""

owner: ContextVar["BackgroundTasks | None"] = ContextVar("owner", default=None)
"""Whose function is running. Tasks inherit it."""


class BackgroundTasks:
    """Knows the tasks that functions started, from `install` to `uninstall`.

    Like the event loop itself, it keeps none of them alive.
    """

    def __init__(self) -> None:
        self._tasks: WeakSet[asyncio.Future[Any]] = WeakSet()

    def install(self) -> None:
        """Watch the tasks that this event loop makes."""
        self._loop = asyncio.get_running_loop()
        self._usual = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make)

    def uninstall(self) -> None:
        """Watch no more."""
        self._loop.set_task_factory(self._usual)

    async def end(self, seconds: float) -> None:
        """Cancel them, and wait for so many seconds until they have ended.

        So does asyncio when a worker ends: they may finish what they are about.
        """
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _make(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> "asyncio.Future[Any]":
        make = self._usual
        task = make(loop, work, **options) if make else asyncio.Task(work, loop=loop, **options)

        context: Context | None = options.get("context")
        if (context.get(owner) if context is not None else owner.get()) is self:
            self._tasks.add(task)
        return task
