"""The global counts, made from snapshots of registries."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from registry.domain.delivery import DeliveryStatus
from registry.domain.moments import Moment
from registry.domain.registry import VERSION, Registry, RegistryTerms

Status = Literal["open", DeliveryStatus]
"""What a registry counts as: open, or closed and with this delivery status."""
ACTIVE = ("open", "pending")
"""A registry with one of these will be heard of again."""
DEDUPLICATION_WINDOW = timedelta(hours=1)
"""How long a message may come late, or again."""


class Snapshot(BaseModel):
    """What one registry counts for, as of a revision of its state."""

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    revision: int
    items: int
    status: Status = Field(alias="phase")
    due: Moment
    """When the registry closes, or its delivery reports next; for how long a completed one is kept.
    """
    terms: RegistryTerms | None = Field(default=None, alias="birth")
    closed_at: Moment | None = None
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


class InvalidEntry(NamedTuple):
    """A stored snapshot, with the registry's id, that cannot be read."""

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


class _StoredEntries(BaseModel):
    """The snapshots of a stored state, each in a pair with its id, before they are read."""

    standings: list[Any] = []


_ENTRY: TypeAdapter[tuple[str, Snapshot]] = TypeAdapter(tuple[str, Snapshot])


class Stats(BaseModel):
    """Counts over many registries, and a snapshot of each that is active or was until lately.

    The counts are exact once no registry is active.
    """

    model_config = ConfigDict(
        defer_build=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    items: int = 0
    counts: Counter[Status] = Field(default_factory=Counter, alias="phases")
    """How many registries have each status."""
    snapshots: dict[str, Snapshot] = Field(default_factory=dict, alias="standings")
    """By the registry's id."""
    invalid_entries: list[InvalidEntry] = Field(default_factory=list, exclude=True)
    """They are kept as they are."""

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read a stored state. Raises pydantic.ValidationError.

        A snapshot that cannot be read stops no other.
        """
        entries = _StoredEntries.model_validate(state).standings
        others = state | {"standings": {}, "invalid_entries": []}
        stats = cls.model_validate(others, by_alias=True, by_name=False)

        for entry in entries:
            try:
                id, snapshot = _ENTRY.validate_python(entry, by_alias=True, by_name=False)
            except ValidationError as error:
                stats.invalid_entries.append(InvalidEntry(entry, error))
            else:
                stats.snapshots[id] = snapshot
        return stats

    def to_state(self) -> dict[str, Any]:
        """The state to store, as JSON."""
        state = self.model_dump(mode="json")
        entries = [[id, snapshot] for id, snapshot in state["standings"].items()]
        kept = [entry for entry, _ in self.invalid_entries]
        return {"v": VERSION, **state, "standings": entries + kept}

    def record(self, id: str, new: Snapshot, now: datetime, replaces: int | None = None) -> None:
        """Count a registry by its new snapshot instead of the one before.

        The latest revision wins: any order and any repeats come to the same counts. Only a
        snapshot of the revision `replaces` gives way to an earlier one: its list was set back.
        """
        known = self.snapshots.get(id)
        is_later = known is None or (new.revision, new.due) > (known.revision, known.due)
        if known and not is_later and known.revision != replaces:
            return

        if known is None and new.closed_at and now - new.closed_at > DEDUPLICATION_WINDOW:
            if new.previous_status is None:
                return  # it was counted when it was completed
            known = new.model_copy(update={"status": new.previous_status})

        self._count(new, 1)
        if known is not None:
            self._count(known, -1)
        self._keep(id, new, now)

    def __add__(self, other: Stats) -> Stats:
        """The counts of two shards together. A registry is in only one of them."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        return Stats(
            items=self.items + other.items,
            counts=counts,
            snapshots=self.snapshots | other.snapshots,
            invalid_entries=self.invalid_entries + other.invalid_entries,
        )

    def _count(self, snapshot: Snapshot, sign: int) -> None:
        self.counts[snapshot.status] += sign
        self.items += sign * snapshot.items

    def _keep(self, id: str, new: Snapshot, now: datetime) -> None:
        """Keep the new snapshot, and drop those that were kept for long enough."""
        if not new.is_active:
            new = new.model_copy(update={"due": now + DEDUPLICATION_WINDOW, "terms": None})
        self.snapshots[id] = new
        self.snapshots = {
            id: each for id, each in self.snapshots.items() if each.is_active or each.due >= now
        }
