"""Every refusal once: its name, its status, its title, and what to do next. The API's description
iterates over it.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of refusal."""

    name: str
    status: int
    title: str
    advice: str

    @property
    def uri(self) -> str:
        """The `type` of RFC 9457; it leads to its anchor in the documentation."""
        return f"/api/docs#{self.name}"


_NAME_IT = 'Name a gift as ?item=..., as JSON {"item": "..."}, from a form or as a text/plain body.'
_ANOTHER = "Open another registry for further gifts."
_AGAIN = "Try again later; an add with its itemKey as Idempotency-Key, so that it counts once."
KINDS = (
    INVALID_ITEM := Kind("invalid-item", 400, "No item", _NAME_IT),
    INVALID_KEY := Kind(
        "invalid-key", 400, "No idempotency key", "Send another key; an add without one gets one."
    ),
    UNKNOWN := Kind(
        "unknown-registry",
        404,
        "Unknown registry",
        "Check the id, or open one. Old ones are forgotten.",
    ),
    CLOSED := Kind("registry-closed", 409, "Registry closed", _ANOTHER),
    FULL := Kind("registry-full", 409, "Registry full", _ANOTHER),
    REMOVED := Kind("gift-removed", 409, "Gift removed", "Use a new key to add it again."),
    STILL_OPEN := Kind(
        "registry-open", 409, "Registry open", "Finish it, or wait until it closes."
    ),
    PROCESSING_OFF := Kind(
        "processing-off", 409, "Processing off", "Ask the operator to set PROCESSING_WEBHOOK_URL."
    ),
    TOO_LONG := Kind("item-too-long", 413, "Item too long", "Shorten it, or add it in parts."),
    KEY_REUSED := Kind(
        "key-reused", 422, "Idempotency key reused", "Use a new key for a new item."
    ),
    SENT_JUST_NOW := Kind(
        "sent-just-now", 429, "Sent just now", "Wait for as long as Retry-After says."
    ),
    UNAVAILABLE := Kind("hub-unavailable", 503, "Task hub unavailable", _AGAIN),
    MISCONFIGURED := Kind(
        "misconfigured", 503, "Misconfigured", "Ask the operator to correct the settings."
    ),
)


class Refusal(Exception):
    """A call that is not served: of what kind, in words what is wrong, and after how many seconds
    to try again.
    """

    def __init__(self, kind: Kind, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.retry_after = kind, detail, retry_after


class HubUnavailable(Refusal):
    """The task hub did not answer."""

    def __init__(self) -> None:
        super().__init__(UNAVAILABLE, "The task hub does not answer.", retry_after=1)


class OutcomeUnknown(Exception):
    """The call was accepted, but its effect could not be read back in time."""
