"""The rules of the gift registry. Pure: no Azure, no clock, no environment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from registry.times import from_text, to_text

ClosedBy = Literal["user", "timeout"]
Processing = Literal["off", "pending", "delivered", "failed"]
"""What becomes of a registry when it has closed: nothing, yet to be delivered, delivered, given up."""
Verdict = Literal["added", "known", "reused", "closed", "full"]
State = dict[str, Any]
"""What an entity stores: JSON, and of the shape that `to_state` of its class writes."""


class Item(NamedTuple):
    """A gift, and the idempotency key by which a repeated add is told from a new one."""

    key: str
    text: str


@dataclass
class Registry:
    """What is in one registry, and until when it takes gifts."""

    opened_at: datetime
    closes_at: datetime
    max_items: int
    items: list[Item] = field(default_factory=list)
    closed_at: datetime | None = None
    closed_by: ClosedBy | None = None
    processing: Processing = "off"

    @property
    def is_closed(self) -> bool:
        """Whether the close is recorded; `at` says whether the time has come."""
        return self.closed_at is not None

    def at(self, now: datetime) -> Registry:
        """The registry as it stands at `now`: from `closes_at` on it is closed, even if the timer is late."""
        if self.is_closed or now < self.closes_at:
            return self
        return replace(self, closed_at=self.closes_at, closed_by="timeout")

    def judge(self, item: Item) -> Verdict:
        """What adding `item` would come to, by what is recorded.

        A key that is already here comes first: a repeated add is answered alike, also after the close.
        """
        for known in self.items:
            if known.key == item.key:
                return "known" if known.text == item.text else "reused"
        if self.is_closed:
            return "closed"
        return "full" if len(self.items) >= self.max_items else "added"

    def add(self, item: Item, now: datetime) -> Verdict:
        """Append `item` unless the registry is closed or full, or knows the key."""
        verdict = self.at(now).judge(item)
        if verdict == "added":
            self.items.append(item)
        return verdict

    def close(self, by: ClosedBy, now: datetime) -> None:
        """Close for good; the first close wins, and from `closes_at` on that was the time-out."""
        if not self.is_closed:
            timed_out = by == "timeout" or now >= self.closes_at
            self.closed_by = "timeout" if timed_out else "user"
            self.closed_at = self.closes_at if timed_out else now

    def send_again(self, now: datetime) -> Processing | None:
        """Have a closed registry delivered once more; returns what had become of it, or None while it is open."""
        if not self.at(now).is_closed:
            return None
        self.close("timeout", now)
        before, self.processing = self.processing, "pending"
        return before

    def processed(self, outcome: Processing) -> None:
        """Record what came of a delivery."""
        if self.processing == "pending":
            self.processing = outcome

    def to_state(self) -> State:
        """The registry as JSON. Items are pairs, which are shorter and faster to read than objects."""
        return {
            "openedAt": to_text(self.opened_at),
            "closesAt": to_text(self.closes_at),
            "maxItems": self.max_items,
            "items": [list(item) for item in self.items],
            "closedAt": self.closed_at and to_text(self.closed_at),
            "closedBy": self.closed_by,
            "processing": self.processing,
        }

    @classmethod
    def from_state(cls, state: State) -> Registry:
        """Read what `to_state` wrote; what a new registry does not have may be missing."""
        closed_at = state.get("closedAt")
        return cls(
            opened_at=from_text(state["openedAt"]),
            closes_at=from_text(state["closesAt"]),
            max_items=state["maxItems"],
            items=[Item(*pair) for pair in state.get("items", [])],
            closed_at=closed_at and from_text(closed_at),
            closed_by=state.get("closedBy"),
            processing=state.get("processing", "off"),
        )


class Backoff(NamedTuple):
    """When a delivery that failed is tried again: spans in seconds."""

    first: int
    longest: int
    total: int

    def pause(self, failures: int, elapsed: timedelta) -> timedelta | None:
        """The pause after so many failures: the first one doubled each time, up to the longest.

        None where it would end later than the total after the first attempt, which was `elapsed` ago.
        """
        pause = timedelta(seconds=min(self.first * 2 ** (failures - 1), self.longest))
        return pause if elapsed + pause <= timedelta(seconds=self.total) else None


@dataclass
class Stats:
    """Counts over many registries that never exceed the truth, and are exact once all have closed."""

    registries: int = 0
    closed_items: int = 0
    open: dict[str, int] = field(default_factory=dict)
    """The number of items last observed in each open registry, by id."""
    pending: set[str] = field(default_factory=set)
    """Closed registries that are yet to be delivered, by id."""
    processing: Counter[Processing] = field(default_factory=Counter)
    """How many of the other closed registries came to each end."""

    def opened(self, id: str) -> None:
        """Count a registry, once."""
        if id not in self.open:
            self.open[id] = 0
            self.registries += 1

    def observe(self, id: str, count: int) -> None:
        """Note that an open registry has at least `count` items. Observations may be lost, repeated or late."""
        if id in self.open:
            self.open[id] = max(self.open[id], count)

    def closed(self, id: str, count: int, processing: Processing) -> None:
        """Move a registry's final count over, once."""
        if self.open.pop(id, None) is not None:
            self.closed_items += count
            self.pending.add(id)
            if processing != "pending":
                self.processed(id, processing)

    def sent_again(self, id: str, before: Processing) -> None:
        """Count a closed registry as pending, and no longer as what had become of it before."""
        if id not in self.pending:
            self.pending.add(id)
            self.processing[before] -= 1

    def processed(self, id: str, outcome: Processing) -> None:
        """Count what came of a delivery, once."""
        if id in self.pending:
            self.pending.remove(id)
            self.processing[outcome] += 1

    def __add__(self, other: Stats) -> Stats:
        """The counts of two shards together; a registry is in only one of them."""
        return Stats(
            self.registries + other.registries,
            self.closed_items + other.closed_items,
            self.open | other.open,
            self.pending | other.pending,
            self.processing + other.processing,
        )

    def to_state(self) -> State:
        """The counts as JSON."""
        return {
            "registries": self.registries,
            "closedItems": self.closed_items,
            "open": self.open,
            "pending": sorted(self.pending),
            "processing": dict(self.processing),
        }

    @classmethod
    def from_state(cls, state: State) -> Stats:
        """Read what `to_state` wrote."""
        return cls(
            state["registries"],
            state["closedItems"],
            dict(state["open"]),
            set(state.get("pending", [])),
            Counter(state.get("processing", {})),
        )
