"""Responses, and their bytes as Kestrel, the real host's server, would send them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

PHRASES = {each.value: each.phrase for each in HTTPStatus} | {
    103: "",
    306: "Switch Proxy",
    413: "Payload Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a teapot",
    419: "Authentication Timeout",
    422: "Unprocessable Entity",
    425: "",
    499: "Client Closed Request",
}
"""Kestrel's reason phrases by status; other statuses have none. Python's differ by version."""
SERVER = "devhost"
FRAMING = {"content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer to a request."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    closes: bool = False
    """Whether the connection ends after it."""

    def with_headers(self, more: Mapping[str, str]) -> "Response":
        """Add those headers that the response does not have yet."""
        own = {name.lower() for name, _ in self.headers}
        added = [(name, value) for name, value in more.items() if name.lower() not in own]
        return replace(self, headers=self.headers + added)


def encode(response: Response, method: str, stays: bool) -> tuple[bytes, bool]:
    """The bytes of a response, and whether the connection stays open after it.

    `method` is that of the request; `stays` is whether the client keeps the connection. Length and
    framing that a function sets are sent as they are, even if no client could read that.
    """
    given = {name.lower(): value for name, value in response.headers}
    body = b"" if method == "HEAD" or _is_bodiless(response.status) else response.body
    stays = stays and not response.closes and _can_stay(response, method, given)

    headers = list(response.headers)
    if method != "HEAD" and not given.keys() & FRAMING and not _is_lengthless(response.status):
        headers.append(("Content-Length", str(len(body))))
    if not stays and "connection" not in given:
        headers.append(("Connection", "close"))
    for name, value in (("Date", _date(int(time.time()))), ("Server", SERVER)):
        if name.lower() not in given:
            headers.append((name, value))

    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    status_line = f"HTTP/1.1 {response.status} {PHRASES.get(response.status, '')}\r\n"
    return f"{status_line}{lines}\r\n".encode() + body, stays


def _is_lengthless(status: int) -> bool:
    return status in (204, 304) or 100 <= status < 200


def _is_bodiless(status: int) -> bool:
    return status in (204, 205, 304) or (100 <= status < 200 and status != 101)


def _can_stay(response: Response, method: str, given: Mapping[str, str]) -> bool:
    """Whether the client can tell where the response ends, and the function lets it stay."""
    if response.status == 101 or (response.body and response.status in (204, 205, 304)):
        return False
    if "keep-alive" not in given.get("connection", "keep-alive").lower():
        return False
    if given.get("transfer-encoding", "chunked").lower() != "chunked":
        return False
    is_short = len(response.body) < int(given.get("content-length", 0))
    return not is_short or method == "HEAD" or _is_bodiless(response.status)


@lru_cache(maxsize=2)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
