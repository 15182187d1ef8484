"""The head of a request (request line and headers), parsed by the rules of Kestrel."""

import re
from dataclasses import dataclass

from devhost.http.targets import decode_path

LONGEST_LINE = 8192
"""Bytes of a request line, including its end."""
LARGEST_HEADERS = 32768
"""Bytes of all headers."""
MOST_HEADERS = 100
END = re.compile(rb"\n\r?\n")
NAME = re.compile(r"[!-9;-~]+")
METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TARGET = re.compile(r"[^\0\r\x80-\U0010ffff]+")
HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9!$&'()._~-]*)(:(?P<port>[0-9]*))?")
HTTP2_SETTINGS = re.compile("HTTP2-Settings", re.IGNORECASE | re.ASCII)
SINGLE = ("host", "content-length")
"""Headers that may not be repeated."""
WITH_BODY = ("POST", "PUT")


class HeadError(Exception):
    """The client has not sent a valid request; `status` answers it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body."""

    method: str
    target: str
    """The path as it was sent."""
    path: str
    """The path, decoded."""
    query: str
    """With its question mark, or empty."""
    headers: dict[str, str]
    """By name in lower case; several values of one name are joined with commas."""
    length: int = 0
    """Bytes of the body; 0 if it is chunked."""
    chunked: bool = False
    stays: bool = True
    """Whether the client wants to keep the connection."""

    @property
    def host(self) -> str:
        return self.headers.get("host", "")


def end_of_head(received: bytes | bytearray) -> int | None:
    """Find out how many bytes the head has; None if it is not complete yet.

    Raises HeadError if it is too large.
    """
    line = received.find(b"\n") + 1
    if line > LONGEST_LINE or (not line and len(received) > LONGEST_LINE):
        raise HeadError(414)
    end = END.search(received, line - 1) if line else None
    if (end.end() if end else len(received)) - line > LARGEST_HEADERS + 2:
        raise HeadError(431)
    return end.end() if end else None


def parse_head(received: bytes | bytearray) -> Head:
    """Parse a complete head. Raises HeadError."""
    try:
        text = received.decode()
    except UnicodeDecodeError as error:
        raise HeadError(400) from error
    line, *fields = [each.removesuffix("\r") for each in text.split("\n")]
    method, target, version = _request_line(line)
    headers = _headers(fields[:-2])

    host = _host(version, headers)
    path, mark, query = _origin_form(method, target, host).partition("?")
    if "%00" in path:
        raise HeadError(400)

    length, chunked = _framing(method, version, headers)
    if "http2-settings" in headers.get("connection", "").lower():
        headers["connection"] = _without_http2(headers["connection"])
    stays = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
    if chunked and "content-length" in headers:
        headers["x-content-length"] = headers.pop("content-length")
        stays = False
    return Head(method, path, decode_path(path), mark + query, headers, length, chunked, stays)


def _request_line(line: str) -> tuple[str, str, str]:
    """Split a request line into method, target and version. Raises HeadError."""
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    if not METHOD.fullmatch(method) or not TARGET.fullmatch(target):
        raise HeadError(400)
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise HeadError(505 if len(version) in (0, len("HTTP/1.1")) else 400)
    return method.upper(), target, version


def _headers(fields: list[str]) -> dict[str, str]:
    """Parse header lines, by name in lower case. Raises HeadError."""
    if len(fields) > MOST_HEADERS:
        raise HeadError(431)
    headers: dict[str, str] = {}
    for field in fields:
        name, colon, value = field.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or not NAME.fullmatch(name) or "\0" in value or "\r" in value:
            raise HeadError(400)
        if name in headers:
            if name in SINGLE:
                raise HeadError(400)
            value = f"{headers[name]},{value}"
        headers[name] = value
    return headers


def _without_http2(connection: str) -> str:
    """A Connection header without HTTP2-Settings, and without the comma and spaces before it."""
    *parts, last = HTTP2_SETTINGS.split(connection)
    return "".join(part.rstrip().removesuffix(",") for part in parts) + last


def _host(version: str, headers: dict[str, str]) -> str:
    if version == "HTTP/1.1" and "host" not in headers:
        raise HeadError(400)
    host = headers.get("host", "")
    if not HOST.fullmatch(host):
        raise HeadError(400)
    return host


def _origin_form(method: str, target: str, host: str) -> str:
    """The target without scheme and authority, which must be the same as the Host."""
    if target.startswith("/"):
        return target
    if target == "*" and method == "OPTIONS":
        return ""
    scheme, _, rest = target.partition("://")
    authority, slash, path = rest.partition("/")
    if scheme.lower() not in ("http", "https") or authority.lower() != host.lower():
        raise HeadError(400)
    return slash + path if slash else "/"


def _framing(method: str, version: str, headers: dict[str, str]) -> tuple[int, bool]:
    """The length of the body, and whether it is chunked. Raises HeadError."""
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower().rpartition(",")[2].strip() != "chunked":
            raise HeadError(400)
        return 0, True
    length = headers.get("content-length")
    if length is None:
        if version == "HTTP/1.0" and method in WITH_BODY:
            raise HeadError(400)
        return 0, False
    if not re.fullmatch("[0-9]{1,18}", length):
        raise HeadError(400)
    return int(length), False
