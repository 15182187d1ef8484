"""What a request asks for. Raises a ProblemError that names what is wrong, before anything is sent to
the task hub.
"""

import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qs

from azure.functions import HttpRequest
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from registry.domain.problems import (
    INVALID_ITEM,
    INVALID_KEY,
    ITEM_TOO_LONG,
    UNKNOWN_REGISTRY,
    ProblemError,
    ProblemType,
)
from registry.domain.registry import Item

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,128}")
REGISTRY_ID = re.compile(r"[0-9a-f]{32}")
NOT_BLANK = re.compile(r"[^\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""Anything but white space, spelled out: what `\\s` means differs between those who read the API's
description.
"""
CHARSETS = re.compile("utf-?8|utf-16|us-ascii|iso-8859-1|windows-125[0-8]", re.IGNORECASE)
"""What a Content-Type may name: Python remembers every unknown name that it is asked for, for ever.
"""
LONGEST_CHARACTER = 12
"""Bytes that one character of an item can take in a body: in JSON as \\ud83c\\udf81, in a form as
%F0%9F%8E%81.
"""
FORM = "application/x-www-form-urlencoded"


def registry_id(request: HttpRequest) -> str:
    """The id in the path. Anything but 32 lower-case hex digits is a 404, before it gets into any
    URL.
    """
    id: str = request.route_params.get("id", "")
    if not REGISTRY_ID.fullmatch(id):
        raise ProblemError(
            UNKNOWN_REGISTRY,
            "There is no registry with this id: an id is 32 lower-case hex digits.",
        )
    return id


def requested_item(request: HttpRequest, max_length: int) -> Item:
    """The item to add and its key, which is made at random where the request has none."""
    text = request.params.get("item")
    if text is None:
        text = _item_in_body(request, max_length)
    if not NOT_BLANK.search(text):
        raise ProblemError(INVALID_ITEM, "The item is blank.")
    if len(text) > max_length:
        raise _too_long(max_length)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ProblemError(INVALID_ITEM, "The item is not text: it has half of a surrogate pair.")
    key: str | None = request.headers.get("Idempotency-Key")
    return Item(uuid.uuid4().hex if key is None else _key("Idempotency-Key", key), text)


def requested_key(request: HttpRequest) -> str:
    """The key of the item to remove: `?itemKey=`, or the member of a body in JSON or from a form."""
    key = request.params.get("itemKey")
    if key is None and request.get_body():
        key = _named("itemKey", request, INVALID_KEY)
    return _key("itemKey", key or "")


def wants_plain_text(request: HttpRequest) -> bool:
    """Whether the request prefers text/plain to JSON."""
    accepted = parse_accept_header(request.headers.get("Accept"), MIMEAccept)
    return accepted.best_match(["application/json", "text/plain"]) == "text/plain"


def _item_in_body(request: HttpRequest, max_length: int) -> str:
    body = request.get_body()
    if not body:
        raise ProblemError(
            INVALID_ITEM,
            "The item is missing: there is neither ?item= nor a body with a Content-Length; one in chunks is lost.",
        )
    if len(body) > LONGEST_CHARACTER * max_length + 1024:
        raise _too_long(max_length)
    media_type = _media_type(request)
    if media_type in ("application/json", FORM):
        return _named("item", request, INVALID_ITEM)
    if media_type == "text/plain":
        return _decoded(request, INVALID_ITEM)
    raise ProblemError(
        INVALID_ITEM,
        f"The Content-Type of the body must be application/json, text/plain or {FORM}.",
    )


def _media_type(request: HttpRequest) -> str:
    return parse_options_header(request.headers.get("Content-Type"))[0].lower()


def _decoded(request: HttpRequest, kind: ProblemType) -> str:
    charset = parse_options_header(request.headers.get("Content-Type"))[1].get("charset", "utf-8")
    if not CHARSETS.fullmatch(charset):
        raise ProblemError(
            kind,
            "The charset of the body must be utf-8, utf-16, us-ascii, iso-8859-1 or windows-125x.",
        )
    try:
        return str(request.get_body(), charset)
    except UnicodeDecodeError as error:
        raise ProblemError(
            kind, "The body is not in the charset of its Content-Type (UTF-8 if it names none)."
        ) from error


def _named(name: str, request: HttpRequest, kind: ProblemType) -> str:
    """What the body has by this name; `curl -d` calls JSON a form too."""
    text = _decoded(request, kind)
    if _media_type(request) != FORM or text.lstrip().startswith("{"):
        return _member(text, name, kind)
    try:
        values = parse_qs(text, keep_blank_values=True, errors="strict").get(name, [])
    except UnicodeDecodeError as error:
        raise ProblemError(kind, "The form is not in UTF-8.") from error
    if len(values) != 1:
        raise ProblemError(kind, f"The form must have {name}= once.")
    return values[0]


def _member(text: str, name: str, kind: ProblemType) -> str:
    """A member of a JSON object that is a string."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(kind, "The body is not valid JSON.") from error
    member = document.get(name) if isinstance(document, dict) else None
    if not isinstance(member, str):
        raise ProblemError(kind, f'The body must be a JSON object whose "{name}" is a string.')
    return member


def _key(name: str, key: str) -> str:
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise ProblemError(INVALID_KEY, f"The {name} must be 1 to 128 visible ASCII characters.")
    return key


def _too_long(max_length: int) -> ProblemError:
    return ProblemError(
        ITEM_TOO_LONG, f"The item is too long: an item has at most {max_length} characters."
    )
