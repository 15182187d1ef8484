"""Every problem that the API answers with, once (RFC 9457): name, status, title, detail, advice.

OpenAPI, the documentation and the answers are made from these.
"""

from __future__ import annotations

from typing import NamedTuple


class ProblemType(NamedTuple):
    """A type of problem."""

    name: str
    status: int
    title: str
    detail: str
    """What is wrong, with placeholders for what differs from case to case."""
    advice: str
    """What the caller can do next."""

    @property
    def uri(self) -> str:
        """The `type` of RFC 9457: the address of its section in the documentation."""
        return f"/api/docs#{self.name}"


class ProblemError(Exception):
    """A call that is answered with a problem."""

    def __init__(
        self,
        type: ProblemType,
        detail: str | None = None,
        *,
        retry_after: int | None = None,
        **values: object,
    ) -> None:
        """`values` fill the placeholders of the type's detail, or `detail` stands in its place.

        `retry_after` is in seconds.
        """
        self.type = type
        self.detail = type.detail.format(**values) if detail is None else detail
        self.retry_after = retry_after
        super().__init__(self.detail)


_TRY_AGAIN = "Try again later. Repeat an add with its itemKey as Idempotency-Key: it counts once."
_OPEN_ANOTHER = "Open another registry for further gifts."

INVALID_ITEM = ProblemType(
    "invalid-item",
    400,
    "No item",
    "The item is blank.",
    'Name a gift as ?item=..., as JSON {"item": "..."}, from a form or as a text/plain body.',
)
INVALID_KEY = ProblemType(
    "invalid-key",
    400,
    "No idempotency key",
    "The {name} must be 1 to 128 visible ASCII characters.",
    "Send another key; an add without one gets one.",
)
UNKNOWN_REGISTRY = ProblemType(
    "unknown-registry",
    404,
    "Unknown registry",
    "There is no registry with this id.",
    "Check the id, or open one. Old ones are deleted.",
)
REGISTRY_CLOSED = ProblemType(
    "registry-closed",
    409,
    "Registry closed",
    "The registry closed at {closed_at} and changes no more.",
    _OPEN_ANOTHER,
)
REGISTRY_FULL = ProblemType(
    "registry-full",
    409,
    "Registry full",
    "The registry is full: it takes at most {max_items} items, "
    "and {max_kib} KiB of texts and keys.",
    _OPEN_ANOTHER,
)
ITEM_REMOVED = ProblemType(
    "gift-removed",
    409,
    "Gift removed",
    "The item with this Idempotency-Key was taken back.",
    "Use a new key to add it again.",
)
REGISTRY_OPEN = ProblemType(
    "registry-open",
    409,
    "Registry open",
    "The registry is open until {closes_at}, and is sent when it closes.",
    "Finish it, or wait until it closes.",
)
PROCESSING_OFF = ProblemType(
    "processing-off",
    409,
    "Processing off",
    "Nothing is sent for processing here.",
    "Ask the operator to set PROCESSING_WEBHOOK_URL.",
)
ITEM_TOO_LONG = ProblemType(
    "item-too-long",
    413,
    "Item too long",
    "The item is too long: an item has at most {max_length} characters.",
    "Shorten it, or add it in parts.",
)
KEY_REUSED = ProblemType(
    "key-reused",
    422,
    "Idempotency key reused",
    "The Idempotency-Key stands for another item in this registry.",
    "Use a new key for a new item.",
)
SENT_JUST_NOW = ProblemType(
    "sent-just-now",
    429,
    "Sent just now",
    "The registry was sent again just now.",
    "Wait for as long as Retry-After says.",
)
HUB_UNAVAILABLE = ProblemType(
    "hub-unavailable",
    503,
    "Task hub unavailable",
    "The task hub does not answer.",
    _TRY_AGAIN,
)
MISCONFIGURED = ProblemType(
    "misconfigured",
    503,
    "Misconfigured",
    "Settings are not allowed: {settings}.",
    "Ask the operator to correct the settings.",
)

PROBLEM_TYPES = (
    INVALID_ITEM,
    INVALID_KEY,
    UNKNOWN_REGISTRY,
    REGISTRY_CLOSED,
    REGISTRY_FULL,
    ITEM_REMOVED,
    REGISTRY_OPEN,
    PROCESSING_OFF,
    ITEM_TOO_LONG,
    KEY_REUSED,
    SENT_JUST_NOW,
    HUB_UNAVAILABLE,
    MISCONFIGURED,
)


class HubUnavailable(ProblemError):
    """The task hub did not answer."""

    def __init__(self) -> None:
        super().__init__(HUB_UNAVAILABLE, retry_after=1)


class InvalidStored(HubUnavailable):
    """What the task hub has stored cannot be read. Whoever raises this has logged why."""


class OutcomeUnknown(Exception):
    """The call was accepted, but its effect could not be read in time."""
