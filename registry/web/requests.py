"""What a request asks for. Raises a Refusal that names what is wrong, before anything is sent to the task hub."""

import json
import re
import uuid
from typing import Any

from azure.functions import HttpRequest
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from registry.errors import INVALID_ITEM, INVALID_KEY, TOO_LONG, UNKNOWN, Kind, Refusal
from registry.model import Item

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,128}")
REGISTRY_ID = re.compile(r"[0-9a-f]{32}")
NOT_BLANK = re.compile(r"[^\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""Anything but white space, spelled out: what `\\s` means differs between those who read the API's description."""
CHARSETS = re.compile("utf-?8|utf-16|us-ascii|iso-8859-1|windows-125[0-8]", re.IGNORECASE)
"""What a Content-Type may name: Python remembers every unknown name that it is asked for, for ever."""
LONGEST_CHARACTER = 12
"""Bytes that one character of an item can take in a body: as JSON, two escapes like \\ud83c\\udf81."""


def registry_id(request: HttpRequest) -> str:
    """The id in the path. Anything but 32 lower-case hex digits is a 404, before it gets into any URL."""
    id: str = request.route_params.get("id", "")
    if not REGISTRY_ID.fullmatch(id):
        raise Refusal(UNKNOWN, "There is no registry with this id: an id is 32 lower-case hex digits.")
    return id


def requested_item(request: HttpRequest, max_length: int) -> Item:
    """The item to add and its key, which is made at random where the request has none."""
    text = request.params.get("item")
    if text is None:
        text = _item_in_body(request, max_length)
    if not NOT_BLANK.search(text):
        raise Refusal(INVALID_ITEM, "The item is blank.")
    if len(text) > max_length:
        raise _too_long(max_length)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refusal(INVALID_ITEM, "The item is not text: it has half of a surrogate pair.")
    key: str | None = request.headers.get("Idempotency-Key")
    return Item(uuid.uuid4().hex if key is None else _key("Idempotency-Key", key), text)


def requested_key(request: HttpRequest) -> str:
    """The key of the item to remove: `?itemKey=`, or the member of a JSON body."""
    key = request.params.get("itemKey")
    if key is None and request.get_body():
        key = _member(_decoded(request, INVALID_KEY), "itemKey", INVALID_KEY)
    return _key("itemKey", key or "")


def wants_plain_text(request: HttpRequest) -> bool:
    """Whether the request prefers text/plain to JSON."""
    accepted = parse_accept_header(request.headers.get("Accept"), MIMEAccept)
    return accepted.best_match(["application/json", "text/plain"]) == "text/plain"


def _item_in_body(request: HttpRequest, max_length: int) -> str:
    body = request.get_body()
    if not body:
        raise Refusal(INVALID_ITEM, "The item is missing: there is neither ?item= nor a body with a Content-Length.")
    if len(body) > LONGEST_CHARACTER * max_length + 1024:
        raise _too_long(max_length)
    match parse_options_header(request.headers.get("Content-Type"))[0].lower():
        case "application/json":
            return _member(_decoded(request, INVALID_ITEM), "item", INVALID_ITEM)
        case "text/plain":
            return _decoded(request, INVALID_ITEM)
    raise Refusal(INVALID_ITEM, "The Content-Type of the body must be application/json or text/plain.")


def _decoded(request: HttpRequest, kind: Kind) -> str:
    charset = parse_options_header(request.headers.get("Content-Type"))[1].get("charset", "utf-8")
    if not CHARSETS.fullmatch(charset):
        raise Refusal(kind, "The charset of the body must be utf-8, utf-16, us-ascii, iso-8859-1 or windows-125x.")
    try:
        return str(request.get_body(), charset)
    except UnicodeDecodeError as error:
        raise Refusal(kind, "The body is not in the charset of its Content-Type (UTF-8 if it names none).") from error


def _member(text: str, name: str, kind: Kind) -> str:
    """A member of a JSON object that is a string."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(kind, "The body is not valid JSON.") from error
    member = document.get(name) if isinstance(document, dict) else None
    if not isinstance(member, str):
        raise Refusal(kind, f'The body must be a JSON object whose "{name}" is a string.')
    return member


def _key(name: str, key: str) -> str:
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise Refusal(INVALID_KEY, f"The {name} must be 1 to 128 visible ASCII characters.")
    return key


def _too_long(max_length: int) -> Refusal:
    return Refusal(TOO_LONG, f"The item is too long: an item has at most {max_length} characters.")
