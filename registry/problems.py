"""The kinds of problems that calls can have, each with a stable URI and what to do next.

The URI leads into the API description, where each kind is explained by an example:
https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1
"""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem."""

    name: str
    status: HTTPStatus
    title: str
    advice: str
    """What to do next."""

    @property
    def uri(self) -> str:
        """The `type` of RFC 9457."""
        return f"/api/openapi.json#/components/examples/{self.name}"


class Problem(Exception):
    """A request that cannot be served: the kind of problem, and in words what is wrong."""

    def __init__(self, kind: ProblemType, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


_AGAIN = "Try again later; an add with its itemKey as Idempotency-Key, so that it counts once."

INVALID_ITEM = ProblemType(
    "invalid-item",
    HTTPStatus.BAD_REQUEST,
    "No item",
    'Name a gift as ?item=..., as JSON {"item": "..."} or as a text/plain body.',
)
INVALID_KEY = ProblemType(
    "invalid-key", HTTPStatus.BAD_REQUEST, "No idempotency key", "Send another key, or none: then one is made."
)
UNKNOWN_REGISTRY = ProblemType(
    "unknown-registry",
    HTTPStatus.NOT_FOUND,
    "Unknown registry",
    "Check the id, or open a registry. Old ones are forgotten.",
)
REGISTRY_CLOSED = ProblemType(
    "registry-closed", HTTPStatus.CONFLICT, "Registry closed", "Open another registry for further gifts."
)
REGISTRY_FULL = ProblemType(
    "registry-full", HTTPStatus.CONFLICT, "Registry full", "Open another registry for further gifts."
)
REGISTRY_OPEN = ProblemType(
    "registry-open", HTTPStatus.CONFLICT, "Registry open", "Finish it, or wait until it closes."
)
PROCESSING_OFF = ProblemType(
    "processing-off", HTTPStatus.CONFLICT, "Processing off", "Ask the operator to set PROCESSING_WEBHOOK_URL."
)
ITEM_TOO_LONG = ProblemType(
    "item-too-long", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Item too long", "Shorten it, or add it in parts."
)
KEY_REUSED = ProblemType(
    "key-reused", HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key reused", "Use a new key for a new item."
)
HUB_UNAVAILABLE = ProblemType("hub-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Task hub unavailable", _AGAIN)
