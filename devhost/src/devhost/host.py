"""The host: an app, its task hub, and what runs between them."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from devhost.engine.client import Engine, Outcome
from devhost.engine.dispatcher import Clock, Command, Dispatcher, Result
from devhost.engine.durable_http import send
from devhost.engine.failure_details import Cause, of_activity, of_http
from devhost.functions.app import App
from devhost.functions.invocation import FunctionInfo, log_failure
from devhost.functions.sdk import close_client_session, convert_in, convert_out
from devhost.functions.timers import Schedule
from devhost.replay.json_text import rewritten
from devhost.replay.protocol import HTTP_ACTIVITY, from_timestamp, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.rows import Activity
from devhost.storage.store import Store, StoreError

log = logging.getLogger("devhost")

RETRY_SECONDS = 1.0
LONGEST_SLEEP = 60.0
PAST_DUE_SECONDS = 1.0
"""A timer-triggered function that runs later than this is told so."""


class Host:
    """Runs an app on a task hub, from `start` to `stop`."""

    def __init__(
        self,
        app: App,
        store: Store,
        clock: Clock,
        config: HostJson = DEFAULTS,
        engine: Engine | None = None,
    ) -> None:
        """`engine` is another one than usual for this app and store."""
        self.app = app
        self._store = store
        self._clock = clock
        self._engine = engine or Engine(store, app.durable, config)
        self._dispatcher = Dispatcher(self._engine, clock, self._run_activities)
        self._slots = asyncio.Semaphore(config.max_concurrent_activities)
        self._running: dict[
            asyncio.Task[None], None
        ] = {}  # in order, so that nothing depends on addresses
        self.client = ""

    def start(self, client: str) -> None:
        """Go to work: overdue timers fire, and activities that had not completed run again.

        `client` is what a durableClient parameter gets.
        """
        self.client = client
        self._go_on()

    async def stop(self) -> None:
        """Stop after the current turns; activities that are running will run again at the next
        start.
        """
        self._halt()
        await close_client_session()
        self._store.close()

    def _go_on(self) -> None:
        """Go on from what the task hub holds."""
        if self.app.durable:
            self._run_activities(self._store.activities())
        self._dispatcher.start()
        for function in self.app.timers:
            self._spawn(self._keep_schedule(function))

    def _halt(self) -> None:
        for task in list(self._running):
            task.cancel()
        self._dispatcher.stop()

    async def invoke(
        self, function: FunctionInfo, argument: Any, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Call a function, but not an orchestrator or entity; `headers` are those of the request
        that triggers it.
        """
        return await function.invoke(argument, self.client, headers)

    async def fire(self, function: FunctionInfo) -> None:
        """Run a timer-triggered function out of its turn."""
        await self._run_timer(
            function, Schedule(function.name, function.trigger["schedule"]), past_due=False
        )

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command on the task hub; returns its result once that is committed. Raises
        StoreError.
        """
        return await self._dispatcher.submit(command)

    def look(self, question: Command[Result]) -> Result:
        """Answer a question from what is committed, without waiting for a batch. Raises StoreError."""
        return question(self._engine, self._clock())

    def _run_activities(self, activities: list[Activity]) -> None:
        for activity in activities:
            self._spawn(self._run_activity(activity))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running[task] = None
        task.add_done_callback(self._running.pop)

    async def _run_activity(self, activity: Activity) -> None:
        if activity.name == HTTP_ACTIVITY:
            outcome = await self._http(activity)
        else:
            async with self._slots:
                outcome = await self._outcome(activity)
        await self._insist(lambda engine, now: engine.complete_activity(activity, outcome))

    async def _insist(self, command: Command[Result]) -> Result:
        """Carry a command out, as soon as the store can be written."""
        while True:
            try:
                return await self._dispatcher.submit(command)
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _outcome(self, activity: Activity) -> Outcome:
        function = self.app.activities.get(activity.name.casefold())
        if function is None:
            return Outcome(cause=Cause(f"The function '{activity.name}' doesn't exist any more."))
        try:
            argument = convert_in("activityTrigger", activity.input, "json")
            result = await self.invoke(function, argument)
            return Outcome(result=rewritten(convert_out("activityTrigger", result).value))
        except Exception as error:
            log_failure(activity.name, error)
            return Outcome(cause=of_activity(activity.name, error))

    async def _http(self, activity: Activity) -> Outcome:
        request = json.loads(activity.input or "")
        try:
            return Outcome(result=await send(request))
        except Exception as error:
            return Outcome(cause=of_http(request["uri"], error))

    async def _keep_schedule(self, function: FunctionInfo) -> None:
        """Run a timer-triggered function whenever it is due; what fell due while the host was down,
        once.
        """
        schedule = Schedule(function.name, function.trigger["schedule"])
        last, began = None, timestamp(self._clock())
        if function.trigger.get("useMonitor") is not False:
            last = await self._insist(lambda engine, now: engine.store.last_run(function.name))
        if last is None:
            last = began
            await self._insist(lambda engine, now: engine.store.save_last_run(function.name, began))
        if function.trigger.get("runOnStartup"):
            last = await self._run_timer(function, schedule, past_due=False)
        while True:
            due = schedule.after(from_timestamp(last))
            seconds = (due - self._clock()).total_seconds()
            if seconds > 0:
                await asyncio.sleep(min(seconds, LONGEST_SLEEP))
            else:
                last = await self._run_timer(
                    function, schedule, past_due=-seconds > PAST_DUE_SECONDS
                )

    async def _run_timer(self, function: FunctionInfo, schedule: Schedule, past_due: bool) -> str:
        at = timestamp(self._clock())
        try:
            request = json.dumps(schedule.request(self._clock(), past_due))
            await self.invoke(function, convert_in(function.converter, request, "json"))
        except Exception as error:
            log_failure(function.name, error)
        await self._insist(lambda engine, now: engine.store.save_last_run(function.name, at))
        return at
