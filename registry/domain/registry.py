"""One gift registry: open it, add and remove items, close it, deliver it.

The models are also the stored form: `to_state` writes them as JSON, `from_state` reads them, in the
names that 1.0 stores. Readers ignore members that they do not know.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, PlainSerializer, PlainValidator

from registry.domain.delivery import DEFAULT_BACKOFF, BackoffPolicy, Delivery, DeliveryStatus
from registry.domain.moments import Moment
from registry.domain.stored import Stored

ClosedBy = Literal["user", "timeout"]
RegistryStatus = Literal["Open", "Closing", "Closed"]
AddOutcome = Literal["undecided", "added", "key_reused", "removed", "closed", "full"]
RemovalOutcome = Literal["undecided", "removed", "closed", "full"]

MAX_BYTES = 64 * 1024
"""What the texts, keys and removed keys of a registry take at most, as stored.

An entity's state is read and written as a whole.
"""
LONGEST_OPEN = timedelta(days=1)
"""No settings allow a registry to be open for longer."""
MAX_CLOCK_ERROR = timedelta(days=1)
"""Terms from a clock that is further ahead are not taken."""
REGISTRY_ID = re.compile("[0-9a-f]{32}")
VERSION = 1
"""Of stored states."""


class InvalidTerms(ValueError):
    """No registry has these terms."""


def _read_texts(pairs: Any) -> dict[str, str]:
    """Read pairs of a key and a text. An error names none of them: they are what callers sent."""
    try:
        texts = dict(pairs)
    except TypeError as error:
        raise ValueError("must be pairs") from error

    if {type(each) for each in chain(texts, texts.values())} - {str}:
        raise ValueError("must be pairs of texts")
    return texts


def _write_texts(texts: dict[str, str]) -> list[list[str]]:
    return [[key, text] for key, text in texts.items()]


TextsByKey = Annotated[
    dict[str, str],
    PlainValidator(_read_texts),
    PlainSerializer(_write_texts, when_used="json"),
]
"""In order. JSON has it as pairs, so that nobody gives a key a meaning."""


class Item(NamedTuple):
    """A gift, and the idempotency key that tells a repeated add from a new one."""

    key: str
    text: str


class RegistryTerms(Stored, frozen=True):
    """What is fixed when a registry is opened."""

    id: str
    opened_at: Moment
    closes_at: Moment
    max_items: int
    has_webhook: bool = Field(default=False, alias="is_sent")
    """Whether the registry is delivered once it has closed."""
    backoff: BackoffPolicy = DEFAULT_BACKOFF

    def check_id(self, id: str) -> None:
        """Raise InvalidTerms unless they are those of this registry."""
        if self.id != id:
            raise InvalidTerms("the terms are those of another registry")

    def check(self, id: str, now: datetime) -> None:
        """Raise InvalidTerms unless they are those of this registry, and settings allow them."""
        self.check_id(id)
        if not REGISTRY_ID.fullmatch(id):
            raise InvalidTerms("no registry has such an id")

        is_possible = timedelta(0) <= self.closes_at - self.opened_at <= LONGEST_OPEN
        if not is_possible or self.closes_at > now + LONGEST_OPEN + MAX_CLOCK_ERROR:
            raise InvalidTerms("no settings allow such times")


class Registry(Stored):
    """The state of one registry, and what its operations make of it.

    Only the list entity decides. Everybody else reads the outcome from the committed state.
    """

    terms: RegistryTerms = Field(alias="birth")
    items: TextsByKey = Field(default_factory=dict)
    removed: list[str] = Field(default_factory=list)
    """Keys of removals. An add with one of them adds nothing, however late it comes."""
    is_full: bool = False
    """Whether something did not fit. From then on nothing is added, so that what was refused once
    is refused for good.
    """
    closed_at: Moment | None = None
    closed_by: ClosedBy | None = None
    delivery: Delivery = Field(default_factory=Delivery)
    revision: int = 0
    """Grows with each change, so that snapshots can be put in order. 0 until it is open."""

    @classmethod
    def new(cls, terms: RegistryTerms) -> Self:
        """An empty registry that is about to be open."""
        return cls(terms=terms, delivery=Delivery(status="pending" if terms.has_webhook else "off"))

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read a stored state. Raises pydantic.ValidationError.

        It has the members of the delivery among its own.
        """
        if isinstance(state, dict):
            state = state | {"delivery": state}
        return cls.model_validate(state, by_alias=True, by_name=False)

    def to_state(self) -> dict[str, Any]:
        """The state to store, as JSON."""
        state = self.model_dump(mode="json")
        delivery = state.pop("delivery")
        return {"v": VERSION, **state, **delivery}

    @property
    def is_closed(self) -> bool:
        """Whether the close is on record. A clock alone closes nothing."""
        return self.closed_at is not None

    def status_at(self, now: datetime) -> RegistryStatus:
        """Whether it takes items. "Closing": its time is up, but its close is not on record."""
        if self.is_closed:
            return "Closed"
        return "Closing" if now >= self.terms.closes_at else "Open"

    @property
    def is_awaiting_delivery(self) -> bool:
        """Whether it is closed, and its delivery is pending."""
        return self.is_closed and self.delivery.is_pending

    def open(self) -> None:
        """Take items from now on. What is open or closed already stays as it is."""
        self.revision = max(self.revision, 1)

    def add(self, item: Item, now: datetime) -> None:
        """Add the item, unless the registry's time is up: then close."""
        self.close("timeout", now)
        if self.outcome_of_add(item) != "undecided":
            return

        if len(self.items) < self.terms.max_items and self._fits(list(item)):
            self.items[item.key] = item.text
        else:
            self.is_full = True
        self.revision += 1

    def outcome_of_add(self, item: Item) -> AddOutcome:
        """What became of an add. Unless it is undecided, that is final until a removal."""
        if item.key in self.items:
            return "added" if self.items[item.key] == item.text else "key_reused"
        if item.key in self.removed:
            return "removed"
        if self.is_closed:
            return "closed"
        return "full" if self.is_full else "undecided"

    def remove(self, key: str, now: datetime) -> None:
        """Remove the item with this key, and remember the key: its add may still be under way."""
        self.close("timeout", now)
        if self.outcome_of_removal(key) != "undecided":
            return

        if self.items.pop(key, None) is not None or self._fits(key):
            self.removed.append(key)
        else:
            self.is_full = True
        self.revision += 1

    def outcome_of_removal(self, key: str) -> RemovalOutcome:
        """What became of a removal. "removed": no item with this key is here, or will be."""
        if key in self.items:
            return "closed" if self.is_closed else "undecided"
        if self.is_closed or key in self.removed:
            return "removed"
        return "full" if self.is_full and not self._fits(key) else "undecided"

    def close(self, by: ClosedBy, now: datetime) -> None:
        """Close for good. The first close wins; a close by time-out is refused before its time."""
        is_early = now < self.terms.closes_at
        if self.is_closed or (by == "timeout" and is_early):
            return

        self.closed_by = "user" if is_early else "timeout"
        self.closed_at = max(now, self.terms.opened_at) if is_early else self.terms.closes_at
        self.revision += 1

    def request_delivery(self, number: int, now: datetime) -> None:
        """Begin the delivery of this number, where the registry is closed and that is possible."""
        if self.is_closed and self.delivery.request(number, now):
            self.revision += 1

    def record_delivery(self, number: int, outcome: DeliveryStatus) -> None:
        """Record what became of the delivery of this number. What is recorded stays."""
        if self.is_closed and self.delivery.record(number, outcome):
            self.revision += 1

    def _fits(self, more: Any) -> bool:
        stored = [list(self.items.items()), self.removed, more]
        return len(json.dumps(stored)) <= MAX_BYTES
