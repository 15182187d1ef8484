"""Background tasks: what functions start on the event loop and leave behind when they return."""

import asyncio
from contextvars import Context, ContextVar
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

END_SECONDS = 5.0
"""How long they may take to end when the host stops."""


class Owner(Protocol):
    """Whoever has to end the tasks of functions."""

    def adopt(self, task: "asyncio.Future[Any]") -> None:
        """Take note of a task."""


OwnerType = TypeVar("OwnerType", bound=Owner)


class TaskFactory:
    """Makes the tasks of an event loop as before, and has each adopted by its function's owner."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: ContextVar[OwnerType | None]
    ) -> None:
        """`owner` is that of the function that is running; tasks inherit it."""
        self._loop = loop
        self._owner = owner

    def install(self) -> None:
        self._usual = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make)

    def uninstall(self) -> None:
        self._loop.set_task_factory(self._usual)

    def _make(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> "asyncio.Future[Any]":
        make = self._usual
        task = make(loop, work, **options) if make else asyncio.Task(work, loop=loop, **options)

        context: Context | None = options.get("context")
        owner = context.get(self._owner) if context is not None else self._owner.get()
        if owner is not None:
            owner.adopt(task)
        return task


owner: ContextVar["BackgroundTasks | None"] = ContextVar("owner", default=None)
"""Whose function is running."""


class BackgroundTasks:
    """Knows the tasks that functions started, from `install` to `uninstall`.

    Like the event loop itself, it keeps none of them alive.
    """

    def __init__(self) -> None:
        self._tasks: WeakSet[asyncio.Future[Any]] = WeakSet()

    def install(self) -> None:
        """Watch the tasks that this event loop makes."""
        self._factory = TaskFactory(asyncio.get_running_loop(), owner)
        self._factory.install()

    def uninstall(self) -> None:
        """Watch no more."""
        self._factory.uninstall()

    def adopt(self, task: "asyncio.Future[Any]") -> None:
        """Take note of a task."""
        self._tasks.add(task)

    async def end(self, seconds: float) -> None:
        """Cancel them, and wait for so many seconds until they have ended.

        So does asyncio when a worker ends: they may finish what they are about.
        """
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
