"""The task hub of an unkind host: what `unkind.py` decides happens to messages, timers, batches and turns.

What is held back lies in the task hub like everything else, only for a later time: so a kill of the real process loses
nothing.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from devhost.dispatcher import Clock
from devhost.engine import Engine
from devhost.protocol import EventType, OrchestrationError, from_timestamp, split, timestamp
from devhost.store import Instance, Message, Store
from devhost.turns import ENDED, DurableFunctions, EntityTurn, OrchestrationTurn
from devhost.unkind import Unkind

BEFORE_ITS_START = 1.0
"""Seconds after which a message that overtook the start of its instance comes again."""
TAKEN_AHEAD = 1.0
"""Seconds; what is due within them may be in the hands of a host when it dies."""
MOST_IN_HAND = 1000
EXIT = "python exited with code 137 (0x89)"

clock_skew: ContextVar[float] = ContextVar("clock_skew", default=0.0)
"""How many seconds the clock is ahead that the running function or entity should see."""


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
        taken = [message for message in self.at_hand(now) if self._unkind.happens("message_in_hand")]
        self.store.postpone(taken, until)

    def at_hand(self, now: datetime) -> list[Message]:
        """Messages that a host may have taken by now, and not done."""
        due = self.store.due(timestamp(now + timedelta(seconds=TAKEN_AHEAD)), MOST_IN_HAND)
        return [message for message in due if message.timer is None or message.due <= timestamp(now)]

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
        instance = self.store.instance(id)
        inbox = sorted(inbox, key=lambda message: not _starts(message))
        if instance is None or instance.status in ENDED:
            super()._orchestration_turn(id, inbox, at)
        elif not _starts(inbox[0]) and not self.store.history(id):
            due = _later(at, BEFORE_ITS_START)
            self.store.put_back(replace(message, due=due) for message in inbox)
        elif self._unkind.happens("worker_dies_in_turn"):
            self._fail(instance, at)
            self._on_worker_death()
        elif self._unkind.happens("turn_again"):
            self._send_only(id, inbox, at)
            self._again(inbox, at)
        else:
            super()._orchestration_turn(id, inbox, at)

    def _fail(self, instance: Instance, at: str) -> None:
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
