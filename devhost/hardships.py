"""An unkind host: does to an app what `unkind.py` decides. The kind host knows nothing of it.

Three parts have an unkind form: the post (messages come late), the engine (what is judged is not committed yet), and
the host (workers and hosts die, the management API fails). What is held back lies in the task hub like everything
else, only for a later time: so a kill of the real process loses nothing.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from devhost.app import App, FunctionInfo
from devhost.config import HostJson
from devhost.engine import Engine
from devhost.host import Host
from devhost.orchestration import EventType, OrchestrationError, from_timestamp, timestamp
from devhost.pump import Clock, Pump, Result
from devhost.store import Activity, Message, Query, Store, StoreError
from devhost.turns import ENDED, DurableFunctions, EntityTurn, OrchestrationTurn, split
from devhost.unkind import Unkind
from devhost.webhooks import Call, Reply

BEFORE_ITS_START = 1.0
"""Seconds after which a message that overtook the start of its instance comes again."""
TAKEN_AHEAD = 1.0
"""Seconds; what is due within them may be in the hands of a host when it dies."""
MOST_IN_HAND = 1000
EXIT = "python exited with code 137 (0x89)"
ERROR = Reply(500, json.dumps({"Message": "Something went wrong while processing your request"}))

clock_skew: ContextVar[float] = ContextVar("clock_skew", default=0.0)
"""How many seconds the clock is ahead that the running function or entity should see."""


class WorkerDied(Exception):
    """The worker that ran the function is gone."""

    def __str__(self) -> str:
        return EXIT


class HostDied(asyncio.CancelledError):
    """The host is gone. Whoever serves a request ends without an answer, as when a client goes away."""


class UnkindHost(Host):
    """A host whose workers die, which dies itself and comes back, and whose management API is unreliable."""

    def __init__(self, app: App, store: Store, clock: Clock, unkind: Unkind, config: HostJson) -> None:
        self.unkind = unkind
        self.on_new_worker: list[Callable[[], None]] = []
        """Called when a worker begins in place of one that died: what an app keeps in its modules is still there."""
        slow = SlowPost(store, unkind, clock)
        engine = UnkindEngine(slow, app.durable, config.hub_name, unkind, self._worker_dies_in_turn)
        super().__init__(app, slow, clock, config, engine)
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._life: asyncio.Future[type[BaseException]] = self._loop.create_future()
        self._worker = Worker(self._loop)
        self._misfortunes: list[asyncio.Task[None]] = []
        self._not_before: dict[int, float] = {}
        """When activities that a dead host had in hand may run, by their seq and the loop's time."""

    def start(self, origin: str) -> None:
        self._usual_factory = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make_task)
        super().start(origin)
        for rate, strike in {
            "worker_deaths_a_minute": self._worker_dies,
            "host_deaths_a_minute": self._die,
            "terminations_a_minute": self._terminate,
        }.items():
            self._misfortunes.append(self._loop.create_task(self._now_and_then(rate, strike)))

    async def stop(self) -> None:
        for task in self._misfortunes:
            task.cancel()
        self._loop.set_task_factory(self._usual_factory)
        await super().stop()

    async def invoke(self, function: FunctionInfo, argument: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Call a function on the worker. Raises WorkerDied, or HostDied."""
        while True:
            self._check_is_up()
            context = copy_context()
            context.run(clock_skew.set, self.unkind.skew())
            context.run(employer.set, self._worker)
            try:
                return await until(self._worker.life, super().invoke(function, argument, headers), context)
            except WorkerDied:
                is_activity = function.trigger["type"] == "activityTrigger"
                if not is_activity or self.unkind.happens("activity_fails_with_worker"):
                    raise
            await asyncio.sleep(self.unkind.again_seconds())

    async def manage(self, call: Call) -> Reply:
        """Serve a request to the Durable management API. Raises StoreError, or HostDied."""
        self._check_is_up()
        return await until(self._life, self._manage(call))

    async def _manage(self, call: Call) -> Reply:
        kind = call.path.strip("/").split("/")
        trouble = self.unkind.trouble(is_read=call.method == "GET" and kind[0] == "entities" and len(kind) > 2)
        await asyncio.sleep(self.unkind.answer_seconds())
        if trouble == "before":
            return ERROR
        if call.method == "GET" and kind in (["instances"], ["entities"]):
            call = self._cut_short(call)
        reply = await super().manage(call)
        await asyncio.sleep(self.unkind.answer_seconds())
        return ERROR if trouble == "after" else reply

    def _cut_short(self, call: Call) -> Call:
        most = self.unkind.page()
        return call if most is None else replace(call, query=call.query | {"top": str(most)})

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

    async def _now_and_then(self, rate: str, strike: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while (seconds := self.unkind.seconds_until(rate)) is not None:
            await asyncio.sleep(seconds)
            if not self._life.done() and self.unkind.strikes(rate):
                await strike()

    def _worker_dies_in_turn(self) -> None:
        """Of the rest of the batch nobody takes notice, so it happens when that is through."""
        self._loop.call_soon(self._end_worker, WorkerDied)

    async def _worker_dies(self) -> None:
        self._end_worker(WorkerDied)

    def _end_worker(self, cause: type[BaseException]) -> None:
        self._worker.die(cause)
        self._worker = Worker(self._loop)
        for call in self.on_new_worker:
            call()

    async def _die(self) -> None:
        """Let go of everything, and come back after some seconds."""
        self._life.set_result(HostDied)
        self._end_worker(HostDied)
        self._halt()
        self._leave_behind()
        await asyncio.sleep(self.unkind.down_seconds())
        self._life = self._loop.create_future()
        self._pump = Pump(self._engine, self._clock, self._run_activities)
        self._go_on()

    def _leave_behind(self) -> None:
        """What was in hand stands still until its visibility time-out has passed."""
        until = timestamp(self._clock() + timedelta(seconds=self._config.control_queue_visibility))
        assert isinstance(self._engine, UnkindEngine)
        with self._store.transaction():
            self._engine.crash(self._clock(), until)
        again = self._loop.time() + self._config.work_item_visibility
        left = {activity.seq: again for activity in self._store.activities()}
        self._not_before = left | {seq: then for seq, then in self._not_before.items() if seq in left}

    async def _terminate(self) -> None:
        running = self._store.instances(Query(statuses=("Pending", "Running"), limit=MOST_IN_HAND))
        if running:
            victim = self.unkind.choose(running).id
            with suppress(StoreError):
                await self._pump.submit(lambda engine, now: engine.terminate(victim, "An operator was here."))

    def _check_is_up(self) -> None:
        if self._life.done():
            raise HostDied

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Future[Any]":
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
    end: "asyncio.Future[type[BaseException]]", work: Coroutine[Any, Any, Result], context: Context | None = None
) -> Result:
    """Await work, unless an end comes before: then raise what the end says."""
    task = asyncio.get_running_loop().create_task(work, context=context)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # which nobody may ask for any more
    try:
        await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            raise end.result()
        return task.result()
    finally:
        task.cancel()


class SlowPost(Store):
    """A task hub whose messages are under way for some time, and whose timers are not on time."""

    def __init__(self, store: Store, unkind: Unkind, clock: Clock) -> None:
        """The same task hub as `store`."""
        self._db = store._db
        self._unkind = unkind
        self._clock = clock

    def enqueue(self, messages: Iterable[Message]) -> None:
        super().enqueue(self._on_its_way(message) for message in messages)

    def _on_its_way(self, message: Message) -> Message:
        now = self._clock()
        if message.timer is not None:
            fires = from_timestamp(message.due) + timedelta(seconds=self._unkind.timer_seconds())
            return replace(message, due=timestamp(max(now, fires)))
        seconds = self._unkind.message_seconds()
        return replace(message, due=timestamp(now + timedelta(seconds=seconds))) if seconds else message


@dataclass(frozen=True)
class InHand:
    """A batch of an entity that was judged, and is committed when its messages are due again."""

    turn: EntityTurn
    inbox: list[Message]
    state: str | None
    due: str


class UnkindEngine(Engine):
    """An engine that repeats what clients send, commits late, and throws turns away to make them again."""

    def __init__(
        self,
        store: SlowPost,
        functions: DurableFunctions,
        hub: str,
        unkind: Unkind,
        on_worker_death: Callable[[], None],
    ) -> None:
        super().__init__(store, functions, hub)
        self._unkind = unkind
        self._on_worker_death = on_worker_death
        self._in_hand: dict[str, InHand] = {}

    def raise_event(self, id: str, name: str, data: str) -> None:
        for _ in range(self._unkind.copies()):
            super().raise_event(id, name, data)

    def signal(self, entity: str, operation: str, input: str | None) -> None:
        for _ in range(self._unkind.copies()):
            super().signal(entity, operation, input)

    def crash(self, now: datetime, until: str) -> None:
        """Forget what is in hand: all of that, and some of what is due about now, stands still until then."""
        held = [message for each in self._in_hand.values() for message in each.inbox]
        self._in_hand.clear()
        self.store.postpone(held, until)
        due = self.store.due(timestamp(now + timedelta(seconds=TAKEN_AHEAD)), MOST_IN_HAND)
        at_hand = [message for message in due if message.timer is None or message.due <= timestamp(now)]
        self.store.postpone([each for each in at_hand if self._unkind.happens("message_in_hand")], until)

    def _entity_turn(self, id: str, inbox: list[Message], at: str) -> None:
        held = self._in_hand.get(id)
        if held is not None and at < held.due:
            self.store.put_back(replace(message, due=held.due) for message in inbox)
            return
        if held is not None:
            inbox = self._commit_late(held, inbox)
        if not inbox:
            return
        if self._unkind.happens("worker_dies_in_turn"):
            self._again(inbox, at)
            self._on_worker_death()
            return
        before = clock_skew.set(self._unkind.skew())
        try:
            super()._entity_turn(id, inbox, at)
        finally:
            clock_skew.reset(before)

    def _commit(self, turn: EntityTurn, inbox: list[Message], state: str | None, at: str) -> None:
        fate, seconds = self._unkind.batch()
        match fate:
            case "committed":
                super()._commit(turn, inbox, state, at)
            case "committed late":
                due = _later(at, seconds)
                self.store.put_back(replace(message, due=due) for message in inbox)
                self._in_hand[turn.id] = InHand(turn, inbox, state, due)
            case "judged again":
                self._again(inbox, at)

    def _commit_late(self, held: InHand, inbox: list[Message]) -> list[Message]:
        """Commit what is in hand, unless it was purged meanwhile; returns what else has come."""
        del self._in_hand[held.turn.id]
        taken = {message.seq for message in held.inbox}
        rest = [message for message in inbox if message.seq not in taken]
        if self.store.dequeue(held.inbox) or len(rest) < len(inbox):
            held.turn.commit(held.state)
        return rest

    def _again(self, inbox: list[Message], at: str) -> None:
        due = _later(at, self._unkind.again_seconds())
        self.store.put_back(replace(message, due=due) for message in inbox)

    def _orchestration_turn(self, id: str, inbox: list[Message], at: str) -> None:
        inbox = sorted(inbox, key=lambda message: not _starts(message))
        if not _starts(inbox[0]) and not self.store.history(id):
            due = _later(at, BEFORE_ITS_START)
            self.store.put_back(replace(message, due=due) for message in inbox)
        elif self._unkind.happens("worker_dies_in_turn"):
            self._fail(id, at)
            self._on_worker_death()
        elif self._unkind.happens("turn_again"):
            self._send_only(id, inbox, at)
            self._again(inbox, at)
        else:
            super()._orchestration_turn(id, inbox, at)

    def _fail(self, id: str, at: str) -> None:
        instance = self.store.instance(id)
        if instance is not None and instance.status not in ENDED:
            why = f"Orchestrator function '{instance.name}' failed: One or more errors occurred. ({EXIT})"
            OrchestrationTurn(self.store, self.functions, instance, at).give_up(OrchestrationError(why))

    def _send_only(self, id: str, inbox: list[Message], at: str) -> None:
        """Make a turn of which nothing is kept but the messages to entities that it sends."""
        scheduled = list(self.scheduled)
        with self.store.undone():
            last = self.store.last_seq()
            super()._orchestration_turn(id, inbox, at)
            sent = self.store.messages_after(last)
        self.scheduled[:] = scheduled
        self.store.put_back(message for message in sent if message.target.startswith("@"))


def _starts(message: Message) -> bool:
    """Whether a message for an instance has its ExecutionStarted."""
    return any(event["EventType"] == EventType.EXECUTION_STARTED for event in split(message.body))


def _later(at: str, seconds: float) -> str:
    return timestamp(from_timestamp(at) + timedelta(seconds=seconds))
