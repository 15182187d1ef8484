"""One exchange with the app, whoever carries it: a socket, or a host in virtual time."""

from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unanswered(Exception):
    """No answer came: the connection was refused or broke, or the time was up. The request may have
    had its effect.
    """


class Call(Protocol):
    """Sends one request; raises Unanswered. `path` begins with `/` and may have a query."""

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Awaitable[Answer]: ...
