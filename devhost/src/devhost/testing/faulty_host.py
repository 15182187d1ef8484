"""An unkind host: workers die, it dies itself and comes back, all as `unkind.py` decides."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from datetime import datetime, timedelta
from typing import Any

from devhost.engine.dispatcher import Clock, Command, Dispatcher, Result
from devhost.functions.app import App
from devhost.functions.errors import WorkerExit
from devhost.functions.invocation import FunctionInfo
from devhost.host import Host
from devhost.replay.protocol import timestamp
from devhost.settings.files import HostJson
from devhost.storage.rows import Activity, Query
from devhost.storage.sqlite import SqliteStore
from devhost.storage.store import StoreError
from devhost.testing.faults import Unkind
from devhost.testing.faulty_client import KILLED, MOST_IN_HAND, SlowPost, UnkindEngine, clock_skew

LOOK_SECONDS, LOOKS = 0.02, 100
"""How often somebody who is going to do harm looks whether this is the moment, and how many times.
"""


class WorkerDied(WorkerExit):
    """The worker that ran the function is gone."""

    def __init__(self) -> None:
        super().__init__(SystemExit(KILLED))


class HostDied(asyncio.CancelledError):
    """The host is gone. Whoever serves a request ends without an answer, as when a client goes
    away.
    """


class UnkindHost(Host):
    """A host whose workers die, and which dies itself and comes back."""

    def __init__(
        self,
        app: App,
        store: SqliteStore,
        clock: Clock,
        unkind: Unkind,
        config: HostJson,
        load_again: Callable[[], App] | None = None,
    ) -> None:
        """`load_again` gives the app to each new worker; without it, what an app keeps in its
        modules outlives them.
        """
        self.unkind = unkind
        self._load_again = load_again
        slow = SlowPost(store, unkind, clock)
        self._unkind_engine = UnkindEngine(
            slow, app.durable, config, unkind, self._worker_dies_in_turn
        )
        super().__init__(app, slow, clock, config, self._unkind_engine)
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._life: asyncio.Future[type[BaseException]] = self._loop.create_future()
        self._worker = Worker(self._loop)
        self._misfortunes: list[asyncio.Task[None]] = []
        self.starts: list[datetime] = []
        """When it came back after its deaths."""
        self._not_before: dict[int, float] = {}
        """When activities that a dead host had in hand may run, by their seq and the loop's time.
        """

    def start(self, client: str) -> None:
        self._usual_factory = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make_task)
        super().start(client)
        for misfortune in (
            self._now_and_then(
                "worker_deaths_a_minute", lambda: self._worker.is_busy, self._worker_dies
            ),
            self._now_and_then("host_deaths_a_minute", self._has_messages, self._die),
            self._now_and_then("terminations_a_minute", lambda: True, self._terminate),
        ):
            self._misfortunes.append(self._loop.create_task(misfortune))

    async def stop(self) -> None:
        for task in self._misfortunes:
            task.cancel()
        self._loop.set_task_factory(self._usual_factory)
        await super().stop()

    async def invoke(
        self, function: FunctionInfo, argument: Any, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Call a function on the worker. Raises WorkerDied, or HostDied."""
        while True:
            self._check_is_up()
            context = copy_context()
            context.run(clock_skew.set, self.unkind.skew())
            context.run(employer.set, self._worker)
            (of_worker,) = [each for each in self.app.functions if each.name == function.name]
            try:
                return await until(
                    self._worker.life, super().invoke(of_worker, argument, headers), context
                )
            except WorkerDied:
                is_activity = function.trigger["type"] == "activityTrigger"
                if not is_activity or self.unkind.happens("activity_fails_with_worker"):
                    raise
            await asyncio.sleep(self.unkind.again_seconds())

    async def submit(self, command: Command[Result]) -> Result:
        """Run a command on the task hub. Raises StoreError, or HostDied."""
        return await self.while_it_lives(super().submit(command))

    async def while_it_lives(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await work. Raises HostDied where the host is dead, or dies meanwhile."""
        if self._life.done():
            work.close()
            raise HostDied
        return await until(self._life, work)

    def _run_activities(self, activities: list[Activity]) -> None:
        now = self._loop.time()
        for activity in activities:
            wait = max(0.0, self._not_before.get(activity.seq, now) - now)
            self._spawn(self._run_after(wait, activity))
            if (second := self.unkind.second_run()) is not None:
                self._spawn(self._run_after(wait + second, activity))

    async def _run_after(self, seconds: float, activity: Activity) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        await self._run_activity(activity)

    async def _now_and_then(
        self,
        rate: str,
        is_worth_it: Callable[[], bool],
        strike: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Strike when its time has come, as soon as it does some harm; soon in any case."""
        while (seconds := self.unkind.seconds_until(rate)) is not None:
            await asyncio.sleep(seconds)
            for _ in range(LOOKS):
                if is_worth_it():
                    break
                await asyncio.sleep(LOOK_SECONDS)
            if not self._life.done() and self.unkind.strikes(rate):
                await strike()

    def _has_messages(self) -> bool:
        return bool(self._unkind_engine.at_hand(self._clock()))

    def _worker_dies_in_turn(self) -> None:
        """Of the rest of the batch nobody takes notice, so it happens when that is through."""
        self._loop.call_soon(self._end_worker, WorkerDied)

    async def _worker_dies(self) -> None:
        self._end_worker(WorkerDied)

    def _end_worker(self, cause: type[BaseException]) -> None:
        self._worker.die(cause)
        self._worker = Worker(self._loop)
        if self._load_again is not None:
            self.app = self._load_again()
            self._engine.functions = self.app.durable

    async def _die(self) -> None:
        """Let go of everything, and come back after some seconds."""
        self._life.set_result(HostDied)
        self._end_worker(HostDied)
        self._halt()
        self._leave_behind()
        await asyncio.sleep(self.unkind.down_seconds())
        self.starts.append(self._clock())
        self._life = self._loop.create_future()
        self._dispatcher = Dispatcher(self._engine, self._clock, self._run_activities)
        self._go_on()

    def _leave_behind(self) -> None:
        """What was in hand stands still until its visibility time-out has passed."""
        visible = timestamp(
            self._clock() + timedelta(seconds=self._config.control_queue_visibility)
        )
        with self._store.transaction():
            self._unkind_engine.crash(self._clock(), visible)
        now = self._loop.time()
        again = now + self._config.work_item_visibility
        left = {activity.seq: again for activity in self._store.activities()}
        self._not_before = left | {
            seq: then for seq, then in self._not_before.items() if seq in left and then > now
        }

    async def _terminate(self) -> None:
        running = self._store.instances(Query(statuses=("Pending", "Running"), limit=MOST_IN_HAND))
        if running:
            victim = self.unkind.choose(running).id
            order = self._dispatcher.submit(
                lambda engine, now: engine.terminate(victim, "An operator was here.")
            )
            with suppress(StoreError, HostDied):
                await until(self._life, order)

    def _check_is_up(self) -> None:
        if self._life.done():
            raise HostDied

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> "asyncio.Future[Any]":
        """Tell the worker of each task that a function makes: they die with it."""
        make = self._usual_factory
        task = make(loop, work, **options) if make else asyncio.Task(work, loop=loop, **options)
        context: Context | None = options.get("context")
        worker = context.get(employer) if context is not None else employer.get()
        if worker is not None:
            worker.employ(task)
        return task


class Worker:
    """The process that runs an app's functions, as far as it can die."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.life: asyncio.Future[type[BaseException]] = loop.create_future()
        """Its result is what those get whose work ends with it."""
        self._tasks: dict[asyncio.Future[Any], None] = {}

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks)

    def employ(self, task: "asyncio.Future[Any]") -> None:
        """Have a task die with the worker."""
        if self.life.done():
            task.cancel()
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def die(self, cause: type[BaseException]) -> None:
        """End, and all tasks with it, wherever they wait."""
        self.life.set_result(cause)
        for task in list(self._tasks):
            task.cancel()


employer: ContextVar[Worker | None] = ContextVar("employer", default=None)
"""The worker that the running function belongs to."""


async def until(
    end: "asyncio.Future[type[BaseException]]",
    work: Coroutine[Any, Any, Result],
    context: Context | None = None,
) -> Result:
    """Await work, unless an end comes before: then raise what the end says."""
    task = asyncio.get_running_loop().create_task(work, context=context)
    task.add_done_callback(
        lambda done: done.cancelled() or done.exception()
    )  # which nobody may ask for any more
    try:
        await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            raise end.result()
        return task.result()
    finally:
        task.cancel()
