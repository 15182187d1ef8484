"""Requests to the management API and the answers to them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devhost.engine.client import DurableClient
from devhost.replay.json_text import written
from devhost.replay.protocol import timestamp

SOMETHING_WRONG = "Something went wrong while processing your request"


@dataclass(frozen=True)
class Call:
    """A request to the management API. `path` is what follows the prefix, still percent-encoded."""

    method: str
    path: str
    origin: str
    query: dict[str, str] = field(default_factory=dict)
    """Values of one name are one, with commas between them."""
    body: str = ""
    is_json: bool = True
    continuation: str = ""
    """The token with which an earlier list ended."""

    def flag(self, name: str, default: bool = False) -> bool:
        """A value of the query that is true or false."""
        value = self.query.get(name, "").lower()
        return value == "true" if value in ("true", "false") else default

    def moment(self, name: str) -> str | None:
        """A moment in the query as the store has it; like the real API, one that is none counts as
        missing.
        """
        try:
            moment = datetime.fromisoformat(self.query[name])
        except (KeyError, ValueError):
            return None
        return timestamp(moment.astimezone(UTC) if moment.tzinfo else moment)


@dataclass(frozen=True)
class Reply:
    """An answer: the status, a body in JSON (or none), and headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    awaited: str | None = None
    """The instance that was started: a request with `patience` waits for its end, of which `ended`
    has the reply.
    """


Handler = Callable[[DurableClient, Call, datetime, str], Reply]
"""Does what a request asks of the instance with an id, or of all where that is empty."""


def error(status: int, message: str, exception: str = "", kind: str = "") -> Reply:
    """A failure; with its cause, an exception of .NET, where the real host shows it. devhost has no
    StackTrace.
    """
    cause = {"ExceptionMessage": exception, "ExceptionType": kind} if exception else {}
    return Reply(status, written({"Message": message} | cause))


def invalid_operation(message: str) -> Reply:
    """What cannot be done to an instance in its state."""
    return error(500, SOMETHING_WRONG, message, "System.InvalidOperationException")


def storage_error() -> Reply:
    """What Azure Storage does not take."""
    return error(
        500,
        SOMETHING_WRONG,
        "An error occurred while communicating with Azure Storage",
        "DurableTask.AzureStorage.Storage.DurableTaskStorageException",
    )
