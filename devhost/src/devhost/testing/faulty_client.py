"""The task hub of an unkind host: what `unkind.py` decides happens to messages, timers, batches and
turns.

What is held back lies in the task hub like everything else, only for a later time: so a kill of the
real process loses nothing.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from devhost.engine.client import MOST_TAKEN, Engine
from devhost.engine.dispatcher import Clock
from devhost.engine.entities import EntityDecision, EntityItem
from devhost.engine.orchestrations import OrchestrationItem
from devhost.engine.work_items import Decision, DurableFunctions, WorkItem
from devhost.functions.errors import WorkerExit
from devhost.replay.protocol import EventType, from_timestamp, split, timestamp
from devhost.settings.files import HostJson
from devhost.storage.rows import Activity, Message
from devhost.storage.sqlite import SqliteStore
from devhost.testing.faults import Unkind

BEFORE_ITS_START = 1.0
"""Seconds after which a message that overtook the start of its instance comes again."""
TAKEN_AHEAD = 1.0
"""Seconds; what is due within them may be in the hands of a host when it dies."""
MOST_IN_HAND = 1000
KILLED = 137
"""The exit code of a worker that was killed."""

clock_skew: ContextVar[float] = ContextVar("clock_skew", default=0.0)
"""How many seconds the clock is ahead that the running function or entity should see."""


class SlowPost(SqliteStore):
    """A task hub whose messages are under way for some time, and whose timers are not on time."""

    def __init__(self, store: SqliteStore, unkind: Unkind, clock: Clock) -> None:
        """The same task hub as `store`."""
        super().__init__(store._database)
        self.sent: list[Message] = []
        self._unkind = unkind
        self._clock = clock

    def enqueue(self, messages: Iterable[Message]) -> None:
        sent = [self._on_its_way(message) for message in messages]
        self.sent += sent
        super().enqueue(sent)

    def _on_its_way(self, message: Message) -> Message:
        now = self._clock()
        if message.timer is not None:
            fires = from_timestamp(message.due) + timedelta(seconds=self._unkind.timer_seconds())
            return replace(message, due=timestamp(max(now, fires)))
        seconds = self._unkind.message_seconds()
        return (
            replace(message, due=timestamp(now + timedelta(seconds=seconds)))
            if seconds
            else message
        )


@dataclass(frozen=True)
class JudgedItem(WorkItem):
    """A batch of an entity that was judged; its replies have left."""

    decision: EntityDecision

    @property
    def function(self) -> str:
        return self.decision.item.function

    def execute(self) -> Decision:
        return self.decision

    def failure(self, error: Exception) -> Decision:
        return self.decision.item.failure(error)

    def exit(self, error: WorkerExit) -> None:
        raise AssertionError("it was executed before")


class UnkindEngine(Engine):
    """An engine that repeats what clients send, commits late, and throws turns away to make them
    again.
    """

    def __init__(
        self,
        store: SlowPost,
        functions: DurableFunctions,
        config: HostJson,
        unkind: Unkind,
        on_worker_death: Callable[[], None],
    ) -> None:
        super().__init__(store, functions, config)
        self._slow = store
        self._unkind = unkind
        self._on_worker_death = on_worker_death
        self._in_hand: dict[str, JudgedItem] = {}
        """What is committed late, by its target."""

    def raise_event(self, id: str, name: str, data: str) -> None:
        for _ in range(self._unkind.copies()):
            super().raise_event(id, name, data)

    def signal(self, entity: str, operation: str, input: str | None) -> None:
        for _ in range(self._unkind.copies()):
            super().signal(entity, operation, input)

    def crash(self, now: datetime, until: str) -> None:
        """Forget what is in hand: all of that, and some of what is due about now, stands still
        until then.
        """
        held = [message for item in self._in_hand.values() for message in item.inbox]
        self._in_hand.clear()
        self._locked.clear()
        self.store.reschedule(held, until)
        taken = [
            message for message in self.at_hand(now) if self._unkind.happens("message_in_hand")
        ]
        self.store.reschedule(taken, until)

    def at_hand(self, now: datetime) -> list[Message]:
        """Messages that a host may have taken by now, and not done."""
        due = self.store.due(timestamp(now + timedelta(seconds=TAKEN_AHEAD)), MOST_IN_HAND)
        return [
            message for message in due if message.timer is None or message.due <= timestamp(now)
        ]

    def take(self, now: datetime, limit: int = MOST_TAKEN) -> list[WorkItem]:
        ready = [item for item in self._in_hand.values() if item.at <= timestamp(now)]
        for item in ready:
            del self._in_hand[item.target]
        return [*super().take(now, limit), *ready]

    def execute(self, item: WorkItem) -> Decision | None:
        if not isinstance(item, EntityItem):
            return super().execute(item)
        before = clock_skew.set(self._unkind.skew())
        try:
            return super().execute(item)
        finally:
            clock_skew.reset(before)

    def complete(self, item: WorkItem, decision: Decision | None, now: datetime) -> list[Activity]:
        if isinstance(item, OrchestrationItem):
            return self._complete_orchestration(item, decision, now)
        if isinstance(decision, EntityDecision) and isinstance(item, EntityItem):
            return self._complete_entity(item, decision, now)
        return super().complete(item, decision, now)

    def next_due(self) -> str | None:
        """When there is something to take or to commit."""
        dues = [item.at for item in self._in_hand.values()]
        other = super().next_due()
        return min(dues if other is None else [other, *dues], default=None)

    def _item(self, target: str, inbox: list[Message], at: str) -> WorkItem | None:
        if not target.startswith("@"):
            inbox = sorted(inbox, key=lambda message: not _starts(message))
        item = super()._item(target, inbox, at)
        if not isinstance(item, OrchestrationItem) or _starts(item.inbox[0]) or item.chunks:
            return item
        self.store.reschedule(item.inbox, _later(at, BEFORE_ITS_START))
        return None

    def _complete_entity(
        self, item: EntityItem, decision: EntityDecision, now: datetime
    ) -> list[Activity]:
        if self._unkind.happens("worker_dies_in_turn"):
            self._on_worker_death()
            return self._again(item)
        fate, seconds = self._unkind.batch()
        if fate == "committed":
            return super().complete(item, decision, now)
        self.store.enqueue(decision.replies)
        if fate == "judged again":
            return self._again(item, seconds)
        due = _later(item.at, seconds)
        self.store.reschedule(item.inbox, due)
        judged = replace(decision, replies=[])
        self._in_hand[item.target] = JudgedItem(
            item.target, item.inbox, due, item.functions, item.config, judged
        )
        return []

    def _complete_orchestration(
        self, item: OrchestrationItem, decision: Decision | None, now: datetime
    ) -> list[Activity]:
        if self._unkind.happens("worker_dies_in_turn"):
            self._on_worker_death()
            return super().complete(item, item.exit(WorkerExit(SystemExit(KILLED))), now)
        if not self._unkind.happens("turn_again"):
            return super().complete(item, decision, now)
        self._slow.sent.clear()
        with self.store.rolled_back():
            super().complete(item, decision, now)
        SqliteStore.enqueue(
            self._slow, (message for message in self._slow.sent if message.target.startswith("@"))
        )
        return self._again(item)

    def _again(self, item: WorkItem, seconds: float | None = None) -> list[Activity]:
        """Have the messages of an item taken again later."""
        self.store.reschedule(
            item.inbox,
            _later(item.at, self._unkind.again_seconds() if seconds is None else seconds),
        )
        self.abandon(item)
        return []


def _starts(message: Message) -> bool:
    """Whether a message for an instance has its ExecutionStarted. What cannot be decoded is not
    kept from anybody.
    """
    try:
        return any(
            event["EventType"] == EventType.EXECUTION_STARTED for event in split(message.body)
        )
    except (ValueError, TypeError):
        return True


def _later(at: str, seconds: float) -> str:
    return timestamp(from_timestamp(at) + timedelta(seconds=seconds))
