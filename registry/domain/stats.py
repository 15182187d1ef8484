"""The global counts, made from snapshots of registries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from registry.domain.registry import VERSION
from registry.domain.snapshots import (
    ACTIVE,
    InvalidEntry,
    Seconds,
    Snapshot,
    Snapshots,
    Status,
    read_entry,
    to_seconds,
)
from registry.domain.stored import Stored

DEDUPLICATION_WINDOW = timedelta(hours=1)
"""How long a message may come late, or again."""
COMPLETED_KEPT = timedelta(minutes=15)
"""How long the entry of a completed registry is kept."""
CLOCK_SKEW = 60
"""By how many seconds the clocks of two hosts may differ."""

_PAIR: TypeAdapter[tuple[str, Snapshot]] = TypeAdapter(tuple[str, Snapshot])
"""1.0 stores such pairs instead of entries."""


class _ActiveCounts(BaseModel):
    """The counts of active registries in a stored state."""

    active_phases: Counter[Status] = Field(default_factory=Counter)


class Stats(Stored):
    """Counts over many registries, and an entry for each that is active or was until lately.

    The counts are exact once no registry is active.
    """

    items: int = 0
    counts: Counter[Status] = Field(default_factory=Counter, alias="phases")
    """How many registries have each status."""
    active_items: int = 0
    """How many of the items are in active registries."""
    active: dict[str, Any] = Field(default_factory=dict)
    completed: dict[str, Any] = Field(default_factory=dict)
    """Entries by the registry's id, unread; of completed ones the oldest first."""
    invalid_pairs: list[Any] = Field(default_factory=list, alias="standings")
    """What 1.0 has stored and cannot be read."""
    dropped_until: Seconds | None = None
    """Until when those registries were completed that have no entry any more."""

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read a stored state. Raises pydantic.ValidationError.

        An entry that cannot be read stops no other.
        """
        stats = cls.model_validate(state, by_alias=True, by_name=False)
        stats.counts.update(_ActiveCounts.model_validate(state).active_phases)
        stats.items += stats.active_items
        stats._read_pairs()
        return stats

    def to_state(self) -> dict[str, Any]:
        """The state to store, as JSON.

        1.0 reads `items`, `phases` and `standings`, and drops all others. It counts a registry when
        it hears of it for the first time, so these are without the active ones.
        """
        return {
            "v": VERSION,
            "items": self.items - self.active_items,
            "phases": {each: n for each, n in self.counts.items() if each not in ACTIVE},
            "standings": self.invalid_pairs,
            "active_items": self.active_items,
            "active_phases": {each: n for each, n in self.counts.items() if each in ACTIVE},
            "active": self.active,
            "completed": self.completed,
            "dropped_until": self.dropped_until,
        }

    @property
    def snapshots(self) -> Snapshots:
        """What the entries say, by the registry's id."""
        return Snapshots(self.active, self.completed)

    @property
    def invalid_entries(self) -> list[InvalidEntry]:
        """They are kept as they are, until their registry is reported again."""
        entries = chain(self.active.items(), self.completed.items())
        return [
            *_invalid(_read_pair, self.invalid_pairs),
            *_invalid(lambda pair: read_entry(pair[1]), map(list, entries)),
        ]

    def record(self, id: str, new: Snapshot, now: datetime, replaces: int | None = None) -> None:
        """Count a registry by its new snapshot instead of the one before.

        The latest revision wins: any order and any repeats come to the same counts. Only a
        snapshot of the revision `replaces` gives way to an earlier one: its list was set back.
        """
        known = self.snapshots.get(id)
        if known and new.order <= known.order and known.revision != replaces:
            return

        if known is None and self._has_dropped(new, now):
            if new.previous_status is None:
                return  # it was counted when it was completed
            known = new.model_copy(update={"status": new.previous_status})

        self._count(new, 1)
        if known is not None:
            self._count(known, -1)
        if not new.is_active:
            new = new.model_copy(update={"due": now + COMPLETED_KEPT})
        self.snapshots[id] = new
        self._drop_expired(now)

    def __iadd__(self, other: Stats) -> Self:
        """Add another shard. A registry is in only one of them."""
        self.items += other.items
        self.counts.update(other.counts)
        self.active_items += other.active_items
        self.active |= other.active
        self.completed |= other.completed
        self.invalid_pairs += other.invalid_pairs
        return self

    def _count(self, snapshot: Snapshot, sign: int) -> None:
        self.counts[snapshot.status] += sign
        self.items += sign * snapshot.items
        if snapshot.is_active:
            self.active_items += sign * snapshot.items

    def _has_dropped(self, new: Snapshot, now: datetime) -> bool:
        """Whether a registry that has no entry was completed before, and is counted."""
        if new.closed_at is None:
            return False
        if self.dropped_until is None:
            return now - new.closed_at > DEDUPLICATION_WINDOW
        return to_seconds(new.closed_at) <= self.dropped_until + CLOCK_SKEW

    def _drop_expired(self, now: datetime) -> None:
        """Drop the entries of completed registries that were kept for long enough."""
        expired = list(self._expired(now))
        for id, due in expired:
            del self.completed[id]
            completed_at = to_seconds(min(due, now) - COMPLETED_KEPT)
            self.dropped_until = max(self.dropped_until or 0, completed_at)

    def _expired(self, now: datetime) -> Iterator[tuple[str, datetime]]:
        """The completed registries, up to the first that is kept, and until when they were.

        One that is kept for too long was recorded by a clock that was wrong.
        """
        for id in self.completed:
            if snapshot := self.snapshots.get(id):
                if now <= snapshot.due <= now + 2 * DEDUPLICATION_WINDOW:
                    return
                yield id, snapshot.due

    def _read_pairs(self) -> None:
        """Make entries of the pairs that 1.0 has stored. It keeps completed ones for an hour."""
        pairs, self.invalid_pairs = self.invalid_pairs, []
        read = []
        for pair in pairs:
            try:
                read.append(_read_pair(pair))
            except ValidationError:
                self.invalid_pairs.append(pair)

        for id, snapshot in sorted(read, key=lambda pair: pair[1].due):
            if snapshot.is_active:
                self.active_items += snapshot.items
            self.snapshots[id] = snapshot


def _read_pair(stored: Any) -> tuple[str, Snapshot]:
    """The id and the snapshot in a pair. Raises pydantic.ValidationError."""
    return _PAIR.validate_python(stored, by_alias=True, by_name=False)


def _invalid(read: Callable[[Any], object], pairs: Iterable[Any]) -> Iterator[InvalidEntry]:
    """Those of the pairs that cannot be read, and why."""
    for pair in pairs:
        try:
            read(pair)
        except ValidationError as error:
            yield InvalidEntry(pair, error)
