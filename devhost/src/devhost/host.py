"""The host: an app, its timer-triggered functions, and its task hub."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from devhost.engine.activities import ActivityRunner
from devhost.engine.client import DurableClient
from devhost.engine.dispatcher import Clock, Command, Dispatcher, MakeWorkers, Result
from devhost.engine.work_items import WorkItems, WorkItemSource
from devhost.engine.workers import Workers
from devhost.functions.app import App
from devhost.functions.background import BackgroundTasks, owner
from devhost.functions.invocation import FunctionInfo, log_failure
from devhost.functions.sdk import close_client_session, convert_in
from devhost.functions.timers import Schedule
from devhost.replay.protocol import from_timestamp, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.rows import Activity
from devhost.storage.store import Store, StoreError

log = logging.getLogger("devhost")

RETRY_SECONDS = 1.0
LONGEST_SLEEP = 60.0
"""Seconds. A schedule looks at the clock at least this often, in case it was set."""
PAST_DUE_SECONDS = 1.0
"""How late a timer-triggered function must be to learn that it is past due."""

Invoke = Callable[[FunctionInfo, Any, str, Mapping[str, str] | None], Awaitable[Any]]
"""Calls a function with its argument, the client binding, and the headers of its request."""
RunTimes = Callable[[Activity], Sequence[float]]
"""In how many seconds an activity runs, once for each number."""


class Companion(Protocol):
    """Something that starts and stops with a host."""

    def start(self, host: "Host") -> None:
        """Begin. The host has started."""

    def stop(self) -> None:
        """End. The host is about to stop."""


def once_at_once(activity: Activity) -> Sequence[float]:
    """Every activity runs once, without a delay."""
    return [0.0]


class Host:
    """Runs an app on a task hub, from `start` to `stop`."""

    def __init__(
        self,
        app: App,
        store: Store,
        clock: Clock,
        config: HostJson = DEFAULTS,
        *,
        client: DurableClient | None = None,
        work_items: WorkItemSource | None = None,
        invoke: Invoke = FunctionInfo.invoke,
        run_times: RunTimes = once_at_once,
        workers: MakeWorkers = Workers,
        companions: Sequence[Companion] = (),
    ) -> None:
        """The keyword arguments replace parts of the host."""
        self.app = app
        self._store = store
        self._clock = clock
        self._client = client or DurableClient(store, app.durable, config)
        self._work_items = work_items or WorkItems(store, app.durable, config)
        self._invoke = invoke
        self._run_times = run_times
        self._make_workers = workers
        self._companions = companions
        self._activities = ActivityRunner(
            app.activities, self.invoke, config.max_concurrent_activities
        )
        self._dispatcher = self._make_dispatcher()
        # A dict keeps the order, so that nothing depends on the addresses of tasks.
        self._running: dict[asyncio.Task[None], None] = {}
        self._background = BackgroundTasks()
        self._client_binding = ""

    def start(self, client_binding: str) -> None:
        """Start. Overdue timers fire, and activities that had not completed run again.

        `client_binding` is the JSON that parameters of type durableClient get.
        """
        self._client_binding = client_binding
        self._background.install()
        self.resume()
        for companion in self._companions:
            companion.start(self)

    async def end_background_tasks(self, seconds: float) -> None:
        """Cancel what functions do in the background; it may use the task hub until it has ended.

        It has so many seconds for that. No activity and no timer-triggered function runs any more.
        """
        self._cancel_running()
        await self._background.end(seconds)

    async def stop(self) -> None:
        """Stop after the current batch, and close the store.

        Activities that are running run again at the next start.
        """
        for companion in self._companions:
            companion.stop()
        self._background.uninstall()
        self.halt()
        await close_client_session()
        self._store.close()

    def halt(self) -> None:
        """Stop working at once, and leave the store open. `resume` goes on."""
        self._cancel_running()
        self._dispatcher.stop()

    def resume(self) -> None:
        """Go on with what the task hub holds."""
        if self._dispatcher.is_stopped:
            self._dispatcher = self._make_dispatcher()
        if self.app.durable:
            self._run_activities(self._store.activities())
        self._dispatcher.start()
        for function in self.app.timers:
            self._spawn(self._keep_schedule(function))

    async def invoke(
        self, function: FunctionInfo, argument: Any, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Call a function that is neither an orchestrator nor an entity.

        `headers` are those of the request that triggers it. Raises whatever the function raises.
        """
        before = owner.set(self._background)
        try:
            return await self._invoke(function, argument, self._client_binding, headers)
        finally:
            owner.reset(before)

    async def fire(self, function: FunctionInfo) -> None:
        """Run a timer-triggered function now, whatever its schedule."""
        schedule = Schedule(function.name, function.trigger["schedule"])
        await self._run_timer(function, schedule, past_due=False)

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command on the task hub. Returns its result after the commit. Raises StoreError."""
        return await self._dispatcher.submit(command)

    def look(self, question: Command[Result]) -> Result:
        """Answer a question from what is committed, at once. Raises StoreError."""
        return question(self._client, self._clock())

    def _make_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self._store,
            self._client,
            self._work_items,
            self._clock,
            on_scheduled=self._run_activities,
            workers=self._make_workers,
        )

    def _cancel_running(self) -> None:
        for task in list(self._running):
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running[task] = None
        task.add_done_callback(self._running.pop)

    async def _insist(self, command: Callable[[datetime], Result]) -> Result:
        """Carry out a command on the store, however often it has to be tried."""
        while True:
            try:
                return await self._dispatcher.submit(lambda client, now: command(now))
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)

    # Activities

    def _run_activities(self, activities: list[Activity]) -> None:
        for activity in activities:
            for seconds in self._run_times(activity):
                self._spawn(self._run_activity(activity, seconds))

    async def _run_activity(self, activity: Activity, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        outcome = await self._activities.run(activity)
        await self._insist(lambda now: self._work_items.complete_activity(activity, outcome))

    # Timer-triggered functions

    async def _keep_schedule(self, function: FunctionInfo) -> None:
        """Run a timer-triggered function whenever it is due."""
        schedule = Schedule(function.name, function.trigger["schedule"])
        last = await self._last_run(function)
        if function.trigger.get("runOnStartup"):
            last = await self._run_timer(function, schedule, past_due=False)

        while True:
            now = self._clock()
            last = min(last, timestamp(now))  # The clock may have been set back.
            seconds = (schedule.after(from_timestamp(last)) - now).total_seconds()
            if seconds > 0:
                await asyncio.sleep(min(seconds, LONGEST_SLEEP))
            else:
                past_due = -seconds > PAST_DUE_SECONDS
                last = await self._run_timer(function, schedule, past_due)

    async def _last_run(self, function: FunctionInfo) -> str:
        """The moment from which on a function falls due.

        What fell due while the host was down is made up for once, unless useMonitor is false.
        """
        began = timestamp(self._clock())
        if function.trigger.get("useMonitor") is not False:
            last = await self._insist(lambda now: self._store.last_run(function.name))
            if last is not None:
                return last
        await self._insist(lambda now: self._store.save_last_run(function.name, began))
        return began

    async def _run_timer(self, function: FunctionInfo, schedule: Schedule, past_due: bool) -> str:
        """Run a timer-triggered function. Returns when it began."""
        now = self._clock()
        at = timestamp(now)
        try:
            request = json.dumps(schedule.request(now, past_due))
            await self.invoke(function, convert_in(function.converter, request, "json"))
        except Exception as error:
            log_failure(function.name, error)
        await self._insist(lambda now: self._store.save_last_run(function.name, at))
        return at
