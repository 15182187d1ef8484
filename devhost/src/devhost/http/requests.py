"""Requests as endpoints get them, and the limits on what a client may send."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from devhost.http.heads import Head
from devhost.http.responses import Response

LARGEST_BODY = 100 * 1024 * 1024
"""Bytes; what Azure Functions accepts by default."""


@dataclass(frozen=True)
class Request:
    """A request whose body has not been read yet."""

    head: Head
    address: str
    """The address of this machine that the client connected to."""
    read: Callable[[], Awaitable[bytes]]
    """Reads the body. A chunked body is empty: on the real host functions never get it."""


Handler = Callable[[Request], Awaitable[Response]]
"""Answers a request."""


@dataclass(frozen=True)
class Limits:
    """How long clients may take, and how many may be connected."""

    head_seconds: float = 10.0
    """To send the head of a request, and from connecting to the first request."""
    idle_seconds: float = 130.0
    """Between two requests, and between two parts of a body."""
    connections: int = 1000
    farewell_seconds: float = 2.0
    """How long to go on reading after the last response: a client that is cut off while it still
    sends may never see that response.
    """
