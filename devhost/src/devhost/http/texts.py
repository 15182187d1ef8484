"""Functions that return str: the real host takes the text for JSON wherever it can."""

import json
from collections.abc import Mapping
from typing import Any

from devhost.replay.lenient_json import InvalidJson, read

LENIENT = ("{", "[", "'", "/")
"""Beginnings of texts that only Newtonsoft.Json may take for JSON."""
ARRAY = "System.Collections.Generic.List`1[System.Object]"
"""What the real host sends where the body is an array."""


def of_text(text: str) -> tuple[object, dict[str, str], str]:
    """Make a response (status, headers and body) of a text that a function returned.

    As on the real host: an object with the member `body` describes the whole response, other JSON
    is indented, and a text that is not JSON is sent as it is.
    """
    try:
        value = _parse(text)
    except (ValueError, RecursionError, InvalidJson):
        return 200, {}, text

    if isinstance(value, dict):
        members = {name.lower(): member for name, member in value.items()}
        if "body" in members:
            status = members.get("statuscode", members.get("status", 200))
            return status, _headers(members.get("headers")), _body(members["body"])

    return 200, {}, _indented(value) if isinstance(value, dict | list) else _plain(value)


def _body(body: Any) -> str:
    match body:
        case list():
            return ARRAY
        case dict():
            return _compact(body)
    return _plain(body)


def _parse(text: str) -> Any:
    """Read JSON as Newtonsoft.Json does. Raises ValueError or InvalidJson."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        if not text.lstrip().startswith(LENIENT):
            raise
        return json.loads(read(text))


def _headers(headers: Any) -> dict[str, str]:
    """Read the member `headers`; a content type without a charset gets one."""
    given: Mapping[str, Any] = headers if isinstance(headers, dict) else {}
    shown = {name: _plain(value) for name, value in given.items()}
    for name, value in shown.items():
        if name.lower() == "content-type" and "charset" not in value:
            shown[name] = f"{value}; charset=utf-8"
    return shown


def _plain(value: Any) -> str:
    """Write a value as .NET does."""
    if value is None:
        return ""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
