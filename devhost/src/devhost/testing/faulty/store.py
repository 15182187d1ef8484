"""A store in which messages take some time, and timers are not on time.

What is held back lies in the task hub like everything else, only for a later time. So a kill of the
real process loses nothing.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from devhost.engine.dispatcher import Clock
from devhost.replay.protocol import EventType, from_timestamp, split, timestamp
from devhost.storage.rows import ENDED, Message, is_entity
from devhost.storage.store import Store
from devhost.testing.faults import Faults
from devhost.testing.faulty.wrapping import Wrapper

BEFORE_ITS_START = 1.0
"""Seconds after which a message that overtook the start of its instance comes again."""
TAKEN_AHEAD = timedelta(seconds=1)
"""What is due within this time may be in the hands of a host when it dies."""
MOST_IN_HAND = 1000


class FaultyStore(Wrapper):
    """Wraps a store. Its messages overtake each other."""

    def __init__(self, store: Store, faults: Faults, clock: Clock) -> None:
        super().__init__(store)
        self._store = store
        self._faults = faults
        self._clock = clock
        self._recorded: list[Message] | None = None

    def enqueue(self, messages: Iterable[Message]) -> None:
        sent = [self._delayed(message) for message in messages]
        if self._recorded is not None:
            self._recorded += sent
        self._store.enqueue(sent)

    def due(self, now: str, limit: int, excluding: Collection[str] = ()) -> list[Message]:
        inboxes: dict[str, list[Message]] = {}
        for message in self._store.due(now, limit, excluding):
            inboxes.setdefault(message.target, []).append(message)

        ready = []
        for target, inbox in inboxes.items():
            ready += inbox if is_entity(target) else self._started_first(target, inbox, now)
        return ready

    @contextmanager
    def recording(self) -> Iterator[list[Message]]:
        """Give a list of the messages that are enqueued in the block."""
        recorded: list[Message] = []
        self._recorded = recorded
        try:
            yield recorded
        finally:
            self._recorded = None

    def in_hand(self, now: datetime) -> list[Message]:
        """The messages that a host may have taken by now and not completed."""
        due = self._store.due(timestamp(now + TAKEN_AHEAD), MOST_IN_HAND)
        return [
            message for message in due if message.timer is None or message.due <= timestamp(now)
        ]

    def _delayed(self, message: Message) -> Message:
        now = self._clock()
        if message.timer is not None:
            late = timedelta(seconds=self._faults.timer_seconds())
            fires = from_timestamp(message.due) + late
            return replace(message, due=timestamp(max(now, fires)))

        seconds = self._faults.message_seconds()
        if not seconds:
            return message
        return replace(message, due=timestamp(now + timedelta(seconds=seconds)))

    def _started_first(self, target: str, inbox: list[Message], now: str) -> list[Message]:
        """An instance's messages with its start first.

        What overtook the start comes again later: no instance begins without it.
        """
        instance = self._store.instance(target)
        if instance is None or instance.status in ENDED:
            return inbox

        current = [each for each in inbox if each.execution in (None, instance.execution)]
        others = [each for each in inbox if each not in current]
        if any(map(_has_start, current)) or self._store.history(target):
            return others + sorted(current, key=lambda message: not _has_start(message))

        again = from_timestamp(now) + timedelta(seconds=BEFORE_ITS_START)
        self._store.reschedule(current, timestamp(again))
        return others


def _has_start(message: Message) -> bool:
    """Whether a message has the ExecutionStarted of its instance, or cannot be decoded.

    What cannot be decoded is delivered like everything else.
    """
    try:
        events = split(message.body)
        return any(event["EventType"] == EventType.EXECUTION_STARTED for event in events)
    except (ValueError, TypeError):
        return True
