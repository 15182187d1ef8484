"""Converts a request to what a function gets, and what it returns to a response."""

import re
from collections.abc import Mapping
from http.cookies import Morsel
from typing import Any
from urllib.parse import quote

from azure.functions import meta

from devhost.functions.sdk import convert_in, convert_out
from devhost.http.heads import Head
from devhost.http.responses import Response
from devhost.http.targets import encode_path, parse_query
from devhost.http.texts import of_text

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
LENGTH = re.compile("[0-9]{1,18}")
STATUS = re.compile(r"\s*[+-]?[0-9]{1,9}\s*", re.ASCII)
TEXT = "text/plain; charset=utf-8"
ATTRIBUTES = ("expires", "max-age", "domain", "path", "secure", "samesite", "httponly")
"""The attributes of a cookie, in the order in which the real host writes them."""


def to_function(
    head: Head, body: bytes, parameters: Mapping[str, str], converter: str = "httpTrigger"
) -> Any:
    """The HttpRequest that a function gets. Raises ValueError if it takes something else."""
    http = {
        "method": _text(head.method),
        "url": _text(f"http://{head.host}{encode_path(head.path)}{head.query}"),
        "headers": {name: _text(value) for name, value in head.headers.items()},
        "query": {name: _text(value) for name, value in parse_query(head.query[1:]).items()},
        "params": {name: _text(value) for name, value in parameters.items()},
        "body": meta.Datum(body, "bytes"),
    }
    return convert_in(converter, http, "http")


def _text(value: str) -> meta.Datum:
    return meta.Datum(value, "string")


def from_function(result: Any) -> Response:
    """Make a response of what a function returned. Raises ValueError where the real host fails."""
    datum = convert_out("http", result)
    if datum.type == "string":
        status, headers, body = of_text(datum.value)
        return _response(status, headers, body.encode(), [])
    http = datum.value
    headers = {name: value.value for name, value in http["headers"].items()}
    sent = http["body"].value
    cookies = [_cookie(morsel) for cookie in http["cookies"] or [] for morsel in cookie.values()]
    return _response(
        http["status_code"].value,
        headers,
        sent.encode() if isinstance(sent, str) else sent,
        cookies,
    )


def _response(
    status: object, headers: Mapping[str, str], body: bytes, cookies: list[str]
) -> Response:
    lines = _header_lines(headers, cookies)
    length = next((value for name, value in lines if name.lower() == "content-length"), None)
    if length is not None:
        if not LENGTH.fullmatch(length):
            raise ValueError("the header Content-Length is not a number")
        if int(length) < len(body):
            return Response(500, closes=True)
    return Response(to_status(status), lines, body)


def _header_lines(headers: Mapping[str, str], cookies: list[str]) -> list[tuple[str, str]]:
    """All headers of a response. Raises ValueError for one that cannot be sent."""
    lines = [
        (name, value) for name, value in headers.items() if value or name.lower() != "content-type"
    ]
    if not any(name.lower() == "content-type" for name in headers):
        lines.append(("Content-Type", TEXT))
    lines += [("Set-Cookie", cookie) for cookie in cookies]

    for name, value in lines:
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise ValueError("a header has a name or a value that cannot be sent")
    return lines


def to_status(status: object) -> int:
    """Read a status; one that is not a number becomes 200."""
    return int(str(status)) if STATUS.fullmatch(str(status)) else 200


def _cookie(morsel: "Morsel[str]") -> str:
    """Write a cookie as ASP.NET does, from what the worker has parsed."""
    parts = [f"{morsel.key}={quote(morsel.value, safe='')}"]
    for name in ATTRIBUTES:
        value = morsel[name]
        if name in ("secure", "httponly"):
            parts += [name] if value else []
        elif name in ("domain", "path"):
            parts.append(f"{name}={value}")
        elif value != "":
            parts.append(f"{name}={value.lower() if name == 'samesite' else value}")
    return "; ".join(parts)
