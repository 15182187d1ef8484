"""The response to a request, whoever carried it: a socket, or a host in virtual time."""

import json
from collections.abc import Awaitable, Mapping
from typing import Any, NamedTuple, Protocol


class Response(NamedTuple):
    """A response. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class NoResponse(Exception):
    """No response came: the connection was refused or broke, or it took too long.

    The request may have had its effect.
    """


class Send(Protocol):
    """Sends a request and returns the response. Raises NoResponse."""

    def __call__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Awaitable[Response]:
        """`path` begins with `/` and may have a query."""
        ...
