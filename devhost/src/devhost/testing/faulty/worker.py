"""A worker that can die: it runs an app's functions, and another one replaces it."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from typing import Any

from devhost.engine.work_items import WorkItems
from devhost.functions.app import App
from devhost.functions.invocation import FunctionInfo
from devhost.testing.faults import Faults
from devhost.testing.faulty.processes import Process, Supervisor, WorkerDied
from devhost.testing.faulty.work_items import clock_skew

current_worker: ContextVar[Process | None] = ContextVar("current_worker", default=None)
"""The process that the running function belongs to."""


class FaultyWorker:
    """Runs functions in a process that can be killed."""

    def __init__(
        self,
        app: App,
        work_items: WorkItems,
        faults: Faults,
        host: Supervisor,
        load_app: Callable[[], App] | None,
    ) -> None:
        """`load_app` gives each new process its app; `work_items` get its durable functions.

        Without it, what the app keeps in its modules outlives the process.
        """
        self._app = app
        self._work_items = work_items
        self._faults = faults
        self._host = host
        self._load_app = load_app
        self._loop = asyncio.get_running_loop()
        self._supervisor = Supervisor()

    @property
    def is_busy(self) -> bool:
        """Whether any function or task of it is running."""
        return self._supervisor.process.is_busy

    def kill(self, error: type[BaseException]) -> None:
        """End the process, with an error for whatever it runs, and start another one."""
        self._supervisor.process.kill(error)
        self._supervisor.replace()
        if self._load_app is not None:
            self._app = self._load_app()
            self._work_items.functions = self._app.durable

    def kill_after_batch(self) -> None:
        """End the process with WorkerDied when the current batch is through."""
        self._loop.call_soon(self.kill, WorkerDied)

    async def invoke(
        self,
        function: FunctionInfo,
        argument: Any,
        client_binding: str,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call a function. Raises what it raises, WorkerDied, or HostDied.

        An activity whose worker dies may be called again.
        """
        while True:
            self._host.process.check()
            try:
                return await self._run(function, argument, client_binding, headers)
            except WorkerDied:
                is_activity = function.trigger["type"] == "activityTrigger"
                if not is_activity or self._faults.happens("activity_fails_with_worker"):
                    raise
            await asyncio.sleep(self._faults.again_seconds())

    async def _run(
        self,
        function: FunctionInfo,
        argument: Any,
        client_binding: str,
        headers: Mapping[str, str] | None,
    ) -> Any:
        """Call the function of that name of the process's own app."""
        process = self._supervisor.process
        context = copy_context()
        context.run(clock_skew.set, self._faults.skew(function.trigger["type"]))
        context.run(current_worker.set, process)

        (own,) = [each for each in self._app.functions if each.name == function.name]
        return await process.run(own.invoke(argument, client_binding, headers), context)
