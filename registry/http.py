"""HTTP in and out: what a request asks for, and answers as JSON or as problems (RFC 9457)."""

import codecs
import json
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from azure.functions import HttpRequest, HttpResponse
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from registry.model import Item, Registry
from registry.problems import INVALID_ITEM, INVALID_KEY, ITEM_TOO_LONG, UNKNOWN_REGISTRY, Problem, ProblemType
from registry.times import to_text

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,128}")
REGISTRY_ID = re.compile(r"[0-9a-f]{32}")
NOT_BLANK = re.compile(r"[^\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""Anything but white space, spelled out: what `\\s` means differs between those who read the API's description."""
NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
"""Codecs of Python's that turn bytes into text, but are no charset that a Content-Type may name."""
LONGEST_CHARACTER = 12
"""Bytes that one character of an item can take in a body: as JSON, two escapes like \\ud83c\\udf81."""


def registry_id(request: HttpRequest) -> str:
    """The id in the path. Anything but 32 lower-case hex digits is a 404, before it gets into any URL."""
    id: str = request.route_params.get("id", "")
    if not REGISTRY_ID.fullmatch(id):
        raise Problem(UNKNOWN_REGISTRY, "There is no registry with this id: an id is 32 lower-case hex digits.")
    return id


def requested_item(request: HttpRequest, max_length: int) -> Item:
    """The item to add and its key, which is made at random where the request has none."""
    text = request.params.get("item")
    if text is None:
        text = _item_in_body(request, max_length)
    if not NOT_BLANK.search(text):
        raise Problem(INVALID_ITEM, "The item is blank.")
    if len(text) > max_length:
        raise _too_long(max_length)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Problem(INVALID_ITEM, "The item is not text: it has half of a surrogate pair.")
    return Item(_idempotency_key(request), text)


def wants_plain_text(request: HttpRequest) -> bool:
    """Whether the request prefers text/plain to JSON."""
    accepted = parse_accept_header(request.headers.get("Accept"), MIMEAccept)
    return accepted.best_match(["application/json", "text/plain"]) == "text/plain"


def shown(id: str, registry: Registry) -> dict[str, Any]:
    """A registry as people and the processing webhook see it."""
    members = {
        "id": id,
        "items": [item.text for item in registry.items],
        "openedAt": to_text(registry.opened_at),
        "closesAt": to_text(registry.closes_at),
        "closedAt": registry.closed_at and to_text(registry.closed_at),
        "closedBy": registry.closed_by,
        "processing": registry.processing,
    }
    return {"status": "Closed" if registry.is_closed else "Open", "registry": members}


def answer(status: HTTPStatus, body: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer in JSON."""
    return _response(status, json.dumps(body, ensure_ascii=False), "application/json", headers)


def plain(status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer in plain text."""
    return _response(status, text, "text/plain; charset=utf-8", headers)


def problem_body(kind: ProblemType, detail: str) -> dict[str, Any]:
    """An error as RFC 9457 has it; its detail ends with what to do next."""
    return {"type": kind.uri, "title": kind.title, "status": kind.status.value, "detail": f"{detail} {kind.advice}"}


def problem(kind: ProblemType, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> HttpResponse:
    """An error as an answer; `members` are added to the standard ones."""
    body = problem_body(kind, detail) | members
    return _response(kind.status, json.dumps(body, ensure_ascii=False), "application/problem+json", headers)


def _response(status: HTTPStatus, body: str, content_type: str, headers: Mapping[str, str] | None) -> HttpResponse:
    always = {"Content-Type": content_type, "Cache-Control": "no-store"}
    return HttpResponse(body, status_code=status, headers=always | dict(headers or {}))


def _item_in_body(request: HttpRequest, max_length: int) -> str:
    body = request.get_body()
    if not body:
        raise Problem(INVALID_ITEM, "The item is missing.")
    if len(body) > LONGEST_CHARACTER * max_length + 1024:
        raise _too_long(max_length)
    content_type, parameters = parse_options_header(request.headers.get("Content-Type"))
    match content_type.lower():
        case "application/json":
            return _item_in_json(_decode(body, parameters))
        case "text/plain":
            return _decode(body, parameters)
    raise Problem(INVALID_ITEM, "The Content-Type of the body must be application/json or text/plain.")


def _decode(body: bytes, parameters: Mapping[str, str]) -> str:
    try:
        codec = codecs.lookup(parameters.get("charset", "utf-8"))
        if codec.name in NO_CHARSETS:
            raise LookupError(codec.name)
        return body.decode(codec.name)
    except (ValueError, LookupError) as error:  # not in that charset, or no such charset
        raise Problem(
            INVALID_ITEM, "The body is not text in the charset of its Content-Type (UTF-8 if it names none)."
        ) from error


def _item_in_json(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(INVALID_ITEM, "The body is not valid JSON.") from error
    item = document.get("item") if isinstance(document, dict) else None
    if not isinstance(item, str):
        raise Problem(INVALID_ITEM, 'The body must be a JSON object whose "item" is a string.')
    return item


def _idempotency_key(request: HttpRequest) -> str:
    key: str | None = request.headers.get("Idempotency-Key")
    if key is None:
        return uuid.uuid4().hex
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(INVALID_KEY, "The Idempotency-Key must be 1 to 128 visible ASCII characters.")
    return key


def _too_long(max_length: int) -> Problem:
    return Problem(ITEM_TOO_LONG, f"The item is too long: an item has at most {max_length} characters.")
