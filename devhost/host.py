"""The host: an app, its task hub, and what runs between them."""

import asyncio
import json
import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from devhost.app import App, FunctionInfo, close_client_session, convert_in, convert_out
from devhost.engine import Engine, Outcome
from devhost.pump import Clock, Pump
from devhost.store import Activity, Store, StoreError
from devhost.webhooks import Call, Reply, client_binding, handle

log = logging.getLogger("devhost")

CONCURRENT_ACTIVITIES = 10 * (os.cpu_count() or 1)
"""As many as the Durable extension runs at once by default (maxConcurrentActivityFunctions)."""
RETRY_SECONDS = 1.0


class Host:
    """Runs an app on a task hub, from `start` to `stop`."""

    def __init__(self, app: App, store: Store, clock: Clock) -> None:
        self.app = app
        self._store = store
        self._pump = Pump(Engine(store, app.durable), clock, self._run_activities)
        self._slots = asyncio.Semaphore(CONCURRENT_ACTIVITIES)
        self._running: set[asyncio.Task[None]] = set()
        self.client = ""
        """What a durableClient parameter gets; known once the host has an address."""

    def start(self, origin: str) -> None:
        """Go to work: overdue timers fire, and activities that had not completed run again."""
        self.client = client_binding(origin)
        self._run_activities(self._store.activities())
        self._pump.start()

    async def stop(self) -> None:
        """Stop after the current turns; activities that are running will run again at the next start."""
        for task in self._running:
            task.cancel()
        self._pump.stop()
        await close_client_session()
        self._store.close()

    async def manage(self, call: Call) -> Reply:
        """Serve a request to the Durable management API. Raises StoreError."""

        def command(engine: Engine, now: datetime) -> Reply:
            return handle(engine, call, now)

        return await self._pump.submit(command)

    def _run_activities(self, activities: list[Activity]) -> None:
        for activity in activities:
            task = asyncio.get_running_loop().create_task(self._run_activity(activity))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run_activity(self, activity: Activity) -> None:
        function = self.app.activities.get(activity.name.casefold())
        async with self._slots:
            outcome = await self._outcome(function, activity)
        while True:
            try:
                return await self._pump.submit(lambda engine, now: engine.complete(activity, outcome, now))
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _outcome(self, function: FunctionInfo | None, activity: Activity) -> Outcome:
        if function is None:
            return Outcome(error=f"The function '{activity.name}' doesn't exist any more.")
        try:
            argument = convert_in("activityTrigger", activity.input, "json")
            result = await function.invoke(argument, self.client)
            return Outcome(result=convert_out("activityTrigger", result).value)
        except Exception as error:
            log.exception("activity %s failed", activity.name)
            return Outcome(error=f"{type(error).__name__}: {error}")


def use_local_settings(folder: Path) -> None:
    """Put the Values of a local.settings.json into the environment, as Core Tools does; what is set already wins.

    Raises ValueError when the file is not of that form.
    """
    file = folder / "local.settings.json"
    if not file.is_file():
        return
    try:
        values = json.loads(file.read_text(encoding="utf-8")).get("Values", {})
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file} is not a settings file: {error}") from error
    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{file}: the value of {name} must be a string")
        os.environ.setdefault(name, value)


def route_prefix(folder: Path) -> str:
    """The prefix of HTTP routes that host.json sets, or `api`. Raises ValueError when the file is not JSON."""
    file = folder / "host.json"
    if not file.is_file():
        return "api"
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    return str(document.get("extensions", {}).get("http", {}).get("routePrefix", "api"))
