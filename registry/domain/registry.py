"""The rules of the gift registry. Pure: no Azure, no clock, no environment."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Literal, NamedTuple

ClosedBy = Literal["user", "timeout"]
Processing = Literal["off", "pending", "delivered", "failed"]
"""What becomes of a registry when it has closed: nothing, yet to be delivered, delivered, given up.
"""
Phase = Literal["open"] | Processing
MOVING = ("open", "pending")  # phases in which a registry is not at rest
Verdict = Literal["undecided", "known", "reused", "removed", "closed", "full"]

MAX_BYTES = 64 * 1024
"""The texts, keys and removed keys of a registry as stored: an entity's state is read and written
as a whole.
"""
SEND_AGAIN = timedelta(minutes=1)  # how often a registry at rest may be sent again, at most
REMEMBERED = timedelta(hours=1)
"""How long messages may be repeated: for so long after its close the stats know a registry that has
come to rest.
"""


class Item(NamedTuple):
    """A gift, and the idempotency key by which a repeated add is told from a new one."""

    key: str
    text: str


class Backoff(NamedTuple):
    """When a delivery that failed is tried again: spans in seconds."""

    first: int = 5
    longest: int = 3600
    total: int = 24 * 3600

    def pause(self, failures: int, elapsed: timedelta) -> timedelta | None:
        """The pause after so many failures, doubled with each; None where it would end later than
        the total allows.
        """
        pause = timedelta(seconds=min(self.first * 2 ** min(failures - 1, 20), self.longest))
        return pause if elapsed + pause <= timedelta(seconds=self.total) else None


BACKOFF = Backoff()


@dataclass(frozen=True)
class Birth:
    """What the open of a registry fixes for its whole life."""

    id: str
    opened_at: datetime
    closes_at: datetime
    max_items: int
    is_sent: bool = False  # whether it is sent for processing when it has closed
    backoff: Backoff = BACKOFF


@dataclass
class Registry:
    """What is in one registry. The entity that holds it is its only judge; all others read what was
    judged.
    """

    birth: Birth
    items: dict[str, str] = field(default_factory=dict)  # texts by key, in order
    removed: list[str] = field(default_factory=list)
    """Keys that were taken back: an add with one of them, however late it comes, adds nothing."""
    is_full: bool = False
    """Whether something was refused for want of room: from then on all is, so that what was refused
    never comes in.
    """
    closed_at: datetime | None = None
    closed_by: ClosedBy | None = None
    processing: Processing = "off"
    previous: Processing | None = None  # what had become of the delivery before this one
    sends: int = 1  # the number of its delivery: 1 is the one that follows the close
    asked_at: datetime | None = None  # when somebody asked for the delivery last
    # 0 before the open is judged. Grows with each change, so that observations can be put in order
    revision: int = 0

    @classmethod
    def announced(cls, birth: Birth) -> Registry:
        """A registry whose open is on its way: empty, and to be sent if its birth says so."""
        return cls(birth, processing="pending" if birth.is_sent else "off")

    @property
    def is_closed(self) -> bool:
        """Whether the close is on record. What the clock says closes nothing."""
        return self.closed_at is not None

    def open(self) -> None:
        """Take gifts from now on; what was opened before is as it is."""
        self.revision = max(self.revision, 1)

    def add(self, item: Item, now: datetime) -> None:
        """Take the item, unless the time is up: then close."""
        self.close("timeout", now)
        if self.judge(item) == "undecided":
            if len(self.items) < self.birth.max_items and self._fits(list(item)):
                self.items[item.key] = item.text
            else:
                self.is_full = True
            self.revision += 1

    def judge(self, item: Item) -> Verdict:
        """What became of an add. Any verdict but `undecided` is final, unless the item is taken
        back.
        """
        if item.key in self.items:
            return "known" if self.items[item.key] == item.text else "reused"
        if item.key in self.removed:
            return "removed"
        return "closed" if self.is_closed else "full" if self.is_full else "undecided"

    def remove(self, key: str, now: datetime) -> None:
        """Take the item with this key out, and remember the key: its add may still be on its way."""
        self.close("timeout", now)
        if self.judge_removal(key) == "undecided":
            if self.items.pop(key, None) is not None or self._fits(key):
                self.removed.append(key)
            else:
                self.is_full = True
            self.revision += 1

    def judge_removal(self, key: str) -> Verdict:
        """What became of a removal: `removed` means that no item with this key is here or will be."""
        if key in self.items:
            return "closed" if self.is_closed else "undecided"
        if self.is_closed or key in self.removed:
            return "removed"
        return "full" if self.is_full and not self._fits(key) else "undecided"

    def close(self, by: ClosedBy, now: datetime) -> None:
        """Close for good. The first close wins; that by time-out is refused before its time."""
        in_time = now < self.birth.closes_at
        if not self.is_closed and (by == "user" or not in_time):
            self.closed_by = "user" if in_time else "timeout"
            self.closed_at = max(now, self.birth.opened_at) if in_time else self.birth.closes_at
            self.revision += 1

    def send_again(self, number: int, now: datetime) -> None:
        """Begin the delivery of this number, unless it has begun, one is under way, or one was
        asked for just now.
        """
        is_at_rest = self.is_closed and self.processing != "pending"
        if is_at_rest and number == self.sends + 1 and not self.seconds_until_again(now):
            self.previous, self.processing, self.sends, self.asked_at = (
                self.processing,
                "pending",
                number,
                now,
            )
            self.revision += 1

    def seconds_until_again(self, now: datetime) -> int:
        """Seconds for which it is not sent again, because it was just now."""
        return (
            max(0, ceil((self.asked_at + SEND_AGAIN - now).total_seconds())) if self.asked_at else 0
        )

    def delivered(self, number: int, outcome: Processing) -> None:
        """Record what came of the delivery of this number; one that was recorded stays."""
        if self.is_closed and self.processing == "pending" and number == self.sends:
            self.processing = outcome
            self.revision += 1

    def _fits(self, more: Any) -> bool:
        return len(json.dumps([list(self.items.items()), self.removed, more])) <= MAX_BYTES


@dataclass(frozen=True)
class Standing:
    """What one registry counts for in the stats, as of a revision of its list."""

    revision: int
    items: (
        int | None
    )  # none: they are counted, but by a version that did not note how many they are
    phase: Phase
    due: datetime
    """Its end while it is open; when its delivery will be heard of next; until when it is
    remembered at rest.
    """
    birth: Birth | None = None
    closed_at: datetime | None = None
    previous: Phase | None = None  # what it counted as before it was sent again

    @classmethod
    def of(cls, registry: Registry, reports_at: datetime) -> Standing:
        """The standing of a registry that was read; `reports_at` is when its delivery will be heard
        of next.
        """
        phase: Phase = registry.processing if registry.is_closed else "open"
        due = reports_at if registry.is_closed else registry.birth.closes_at
        items, birth, closed_at = len(registry.items), registry.birth, registry.closed_at
        return cls(registry.revision, items, phase, due, birth, closed_at, registry.previous)


@dataclass
class Stats:
    """Counts over many registries, and which of them are not at rest. Exact once all are."""

    items: int = 0
    phases: Counter[Phase] = field(default_factory=Counter)  # how many registries are in each phase
    standings: dict[str, Standing] = field(default_factory=dict)
    """By id, those that are not at rest, and for a while those that are."""

    def observe(self, id: str, new: Standing, now: datetime) -> None:
        """Count where a registry stands instead of where it stood. Any order and any repeats come
        to the same.
        """
        known = self.standings.get(id)
        if known and (new.revision, new.due) <= (known.revision, known.due):
            return
        if not known and new.closed_at and now - new.closed_at > REMEMBERED:
            if not new.previous:
                return  # it was counted when it came to rest
            known = replace(new, phase=new.previous)
        self.phases[new.phase] += 1
        self.items += new.items or 0
        if known:
            self.phases[known.phase] -= 1
            self.items -= (new if known.items is None else known).items or 0
        self.standings[id] = (
            new if new.phase in MOVING else replace(new, due=now + REMEMBERED, birth=None)
        )
        self.standings = {
            id: each
            for id, each in self.standings.items()
            if each.phase in MOVING or each.due >= now
        }

    def __add__(self, other: Stats) -> Stats:
        """The counts of two shards together; a registry is in only one of them."""
        phases = Counter(self.phases)
        phases.update(other.phases)
        return Stats(self.items + other.items, phases, self.standings | other.standings)
