"""Requests to the management API and its responses, however they are carried."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devhost.engine.client import DurableClient
from devhost.replay.json_text import written
from devhost.replay.protocol import timestamp

SOMETHING_WRONG = "Something went wrong while processing your request"


@dataclass(frozen=True)
class ManagementRequest:
    """A request to the management API."""

    method: str
    path: str
    """What follows the prefix, still percent-encoded."""
    origin: str
    """The address of this host, as http://host:port, for the URLs in the response."""
    query: dict[str, str] = field(default_factory=dict)
    """Several values of one name are joined with commas."""
    body: str = ""
    is_json: bool = True
    continuation: str = ""
    """The token that the page before this one ended with."""

    def flag(self, name: str, default: bool = False) -> bool:
        """A query parameter that is true or false."""
        value = self.query.get(name, "").lower()
        return value == "true" if value in ("true", "false") else default

    def moment(self, name: str) -> str | None:
        """A time in the query, in the form of the store.

        As on the real host, one that cannot be read counts as missing.
        """
        try:
            moment = datetime.fromisoformat(self.query[name])
        except (KeyError, ValueError):
            return None
        return timestamp(moment.astimezone(UTC) if moment.tzinfo else moment)


@dataclass(frozen=True)
class ManagementResponse:
    """A status, a body in JSON (or none), and headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    awaited: str | None = None
    """The instance that was started: a request may ask to wait until it has ended."""


Handler = Callable[[DurableClient, ManagementRequest, datetime, str], ManagementResponse]
"""Answers a request about the instance with an id, or about all instances if that is empty."""


def error(
    status: int, message: str, exception: str = "", exception_type: str = ""
) -> ManagementResponse:
    """A failure, with the .NET exception that caused it where the real host names one.

    The real host adds a StackTrace, which devhost does not have.
    """
    body = {"Message": message}
    if exception:
        body |= {"ExceptionMessage": exception, "ExceptionType": exception_type}
    return ManagementResponse(status, written(body))


def invalid_operation(message: str) -> ManagementResponse:
    """The response to an operation that the state of the instance does not allow."""
    return error(500, SOMETHING_WRONG, message, "System.InvalidOperationException")


def storage_error() -> ManagementResponse:
    """The response where Azure Storage would refuse the request."""
    return error(
        500,
        SOMETHING_WRONG,
        "An error occurred while communicating with Azure Storage",
        "DurableTask.AzureStorage.Storage.DurableTaskStorageException",
    )


def store_error(failure: Exception) -> ManagementResponse:
    """The response where devhost's own store failed."""
    return error(500, str(failure))
