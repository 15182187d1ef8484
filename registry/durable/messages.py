"""The messages between clients, orchestrators, activities and entities: one class for each.

Every message may come twice, late, or before another, so each carries what it needs. Readers ignore
members that they do not know, and new members are optional. The member names in JSON are those of
1.0 (see `names`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field

from registry.domain.delivery import BackoffPolicy, DeliveryStatus
from registry.domain.moments import Moment
from registry.domain.registry import ClosedBy, RegistryTerms
from registry.domain.snapshots import Snapshot
from registry.domain.stored import Stored
from registry.domain.views import RegistryId
from registry.telemetry import trace_in

VERSION = 1

Invalid = (ValueError, TypeError, RecursionError)
"""What is raised for a message or a state that cannot be read: ValidationError is a ValueError, and
the SDK raises TypeError for JSON that names a class.
"""

TraceId = Annotated[str, BeforeValidator(trace_in)]
"""32 hex digits. Anything else is dropped."""


class Message(Stored):
    """What every message has."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)  # hosts log errors

    v: int = VERSION
    trace: TraceId = ""
    """That of the request which it goes back to; empty where there is none."""
    sent_at: Moment

    @classmethod
    def from_input(cls, given: Any) -> Self:
        """Read what an operation, orchestrator or activity was given.

        Raises pydantic.ValidationError.
        """
        return cls.model_validate(given, by_alias=True, by_name=False)

    @classmethod
    def from_instance(cls, input: Any) -> Self:
        """Read the input of an instance, as its status shows it: JSON, or JSON in one or two texts.

        Raises one of `Invalid`.
        """
        for _ in range(2):
            if isinstance(input, str):
                input = json.loads(input)
        return cls.from_input(input)

    def to_json(self) -> dict[str, Any]:
        """The message as JSON."""
        return self.model_dump(mode="json")


MessageType = TypeVar("MessageType", bound=Message)


class Signal(Message):
    """A message to an entity."""

    operation: ClassVar[str]


class OpenRegistry(Signal):
    """Open the list of a registry. It is also the input of the registry's orchestrator."""

    operation: ClassVar[str] = "open"

    terms: RegistryTerms = Field(alias="birth")


class CloseRegistry(Signal):
    """Close a registry. It is also the input of the activity that sees to it."""

    operation: ClassVar[str] = "close"

    terms: RegistryTerms = Field(alias="birth")
    by: ClosedBy


class AddItem(Signal):
    """Add an item to a registry."""

    operation: ClassVar[str] = "add"

    key: str
    text: str


class RemoveItem(Signal):
    """Remove the item with this key from a registry."""

    operation: ClassVar[str] = "remove"

    key: str


class RequestDelivery(Signal):
    """Begin the delivery of this number."""

    operation: ClassVar[str] = "send_again"

    number: int


class RecordDelivery(Signal):
    """Record what became of the delivery of this number."""

    operation: ClassVar[str] = "delivered"

    number: int
    outcome: DeliveryStatus


class RecordSnapshot(Signal):
    """Count a registry by a snapshot."""

    operation: ClassVar[str] = "observe"

    id: RegistryId
    snapshot: Snapshot = Field(alias="standing")
    replaces: int | None = None
    """The revision of a snapshot that this one takes the place of, even if that is later."""

    def to_json(self) -> dict[str, Any]:
        """The message as JSON, as 1.0 writes it where it replaces nothing."""
        members = super().to_json()
        if self.replaces is None:
            del members["replaces"]
        return members


class RegistryFinished(Message):
    """The event that ends the wait of a registry's orchestrator."""


class DeliverRegistry(Message):
    """Deliver a registry. It is the input of the delivery's orchestrator."""

    id: str
    number: int
    backoff: BackoffPolicy
    began: Moment | None = None
    """When the first attempt was made; none before that."""
    failures: int = Field(default=0, ge=0)


class AttemptDelivery(DeliverRegistry):
    """Make one attempt at a delivery."""

    delay: float | None = Field(default=None, alias="pause")
    """Seconds until the next attempt, should this one fail; none for the last one."""
