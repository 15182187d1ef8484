"""Snapshots: what each registry counts for in the stats, and the entries that are stored of them.

A shard of the stats is read and written as a whole for each message. So an entry is short, and only
the one that a message is about is read.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from itertools import chain
from math import ceil
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, TypeAdapter, ValidationError

from registry.domain.delivery import DeliveryStatus
from registry.domain.moments import Moment
from registry.domain.registry import Registry, RegistryTerms
from registry.domain.stored import Stored

Status = Literal["open", DeliveryStatus]
"""What a registry counts as: open, or closed and with this delivery status."""
ACTIVE = ("open", "pending")
"""A registry with one of these will be heard of again."""

LAST_SECOND = 253_402_300_799
"""The last one that a datetime can hold."""
Seconds = Annotated[int, Field(ge=0, le=LAST_SECOND)]
"""Since 1970."""
Number = Annotated[int, Field(ge=0, lt=2**53)]
"""JSON holds these exactly."""


class Snapshot(Stored, frozen=True):
    """What one registry counts for, as of a revision of its state."""

    revision: Number
    items: Number
    status: Status = Field(alias="phase")
    due: Moment
    """When the registry closes, or its delivery reports next; for how long a completed one is kept.
    """
    terms: RegistryTerms | None = Field(default=None, alias="birth")
    """They are for 1.0, and only in messages."""
    closed_at: Moment | None = None
    """It is only in messages, too."""
    previous_status: Status | None = Field(default=None, alias="previous")
    """What it counted as before another delivery was requested."""

    @classmethod
    def of(cls, registry: Registry, next_report_at: datetime) -> Self:
        """The snapshot of a registry that was read; its delivery reports again at that time."""
        return cls(
            revision=registry.revision,
            items=len(registry.items),
            status=registry.delivery.status if registry.is_closed else "open",
            due=next_report_at if registry.is_closed else registry.terms.closes_at,
            terms=registry.terms,
            closed_at=registry.closed_at,
            previous_status=registry.delivery.previous_status,
        )

    @property
    def is_active(self) -> bool:
        """Whether the registry will be heard of again."""
        return self.status in ACTIVE

    @property
    def order(self) -> tuple[int, int]:
        """The higher one of two snapshots of a registry is the later one."""
        return self.revision, to_seconds(self.due)


class _Entry(NamedTuple):
    """What is stored of a snapshot, as a list; from `status` on, what has its default is left out.

    Readers ignore what later versions may add at its end.
    """

    revision: Number
    items: Number
    due: Seconds
    """Rounded up: nothing is due too early."""
    status: Status = "open"
    previous_status: Status | None = None


_ENTRY: TypeAdapter[_Entry] = TypeAdapter(_Entry)


class InvalidEntry(NamedTuple):
    """A stored snapshot, in a pair with the registry's id, that cannot be read."""

    stored: Any
    error: Any
    """The ValidationError that says why."""

    @property
    def id(self) -> str:
        """The registry's id; empty where that cannot be read either."""
        match self.stored:
            case [str(id), *_]:
                return id
        return ""


class Snapshots(MutableMapping[str, Snapshot]):
    """Snapshots by the registry's id, each read when it is asked for.

    One that cannot be read is not in it.
    """

    def __init__(self, active: dict[str, Any], completed: dict[str, Any]) -> None:
        """The entries as they are stored."""
        self._active = active
        self._completed = completed
        self._read: dict[str, Snapshot] = {}

    def __getitem__(self, id: str) -> Snapshot:
        if id not in self._read:
            entries = self._active if id in self._active else self._completed
            try:
                self._read[id] = read_entry(entries[id])
            except ValidationError as error:
                raise KeyError(id) from error
        return self._read[id]

    def __setitem__(self, id: str, snapshot: Snapshot) -> None:
        self._read.pop(id, None)
        self._active.pop(id, None)
        self._completed.pop(id, None)  # The latest one goes to the end.
        entries = self._active if snapshot.is_active else self._completed
        entries[id] = _write(snapshot)

    def __delitem__(self, id: str) -> None:
        self._read.pop(id, None)
        del (self._active if id in self._active else self._completed)[id]

    def __iter__(self) -> Iterator[str]:
        return (id for id in chain(self._active, self._completed) if id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_entry(stored: Any) -> Snapshot:
    """The snapshot of an entry. Raises pydantic.ValidationError."""
    is_list = isinstance(stored, list)
    entry = _ENTRY.validate_python(stored[: len(_Entry._fields)] if is_list else None)
    return Snapshot(**entry._asdict() | {"due": datetime.fromtimestamp(entry.due, UTC)})


def _write(snapshot: Snapshot) -> list[Any]:
    entry = [snapshot.revision, snapshot.items, to_seconds(snapshot.due)]
    if snapshot.previous_status is not None:
        return [*entry, snapshot.status, snapshot.previous_status]
    return entry if snapshot.status == "open" else [*entry, snapshot.status]


def to_seconds(moment: datetime) -> int:
    """The seconds from 1970 to a moment, rounded up."""
    return min(max(ceil(moment.timestamp()), 0), LAST_SECOND)
