"""Texts: a function that returns str returns JSON, wherever the text can be read as that."""

import json
from collections.abc import Mapping
from typing import Any

from devhost.replay.lenient_json import InvalidJson, read

LENIENT = ("{", "[", "'", "/")
"""How a text begins that may be JSON to Newtonsoft.Json alone; others are not looked at twice."""
ARRAY = "System.Collections.Generic.List`1[System.Object]"
"""What the real host sends for a body that is an array."""


def of_text(text: str) -> tuple[object, dict[str, str], str]:
    """Status, headers and body of the response that a text is.

    As on the real host: JSON is written anew, an object with a body is the response, and what is no
    JSON stays.
    """
    try:
        value = _parse(text)
    except (ValueError, RecursionError, InvalidJson):
        return 200, {}, text
    members = (
        {name.lower(): member for name, member in value.items()} if isinstance(value, dict) else {}
    )
    if "body" not in members:
        return 200, {}, _plain(value) if not isinstance(value, dict | list) else _indented(value)
    body, headers = members["body"], members.get("headers")
    shown = (
        ARRAY
        if isinstance(body, list)
        else _compact(body)
        if isinstance(body, dict)
        else _plain(body)
    )
    return members.get("statuscode", members.get("status", 200)), _headers(headers), shown


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
    """Of an object; a content type without a charset gets one."""
    given: Mapping[str, Any] = headers if isinstance(headers, dict) else {}
    shown = {name: _plain(value) for name, value in given.items()}
    for name, value in shown.items():
        if name.lower() == "content-type" and "charset" not in value:
            shown[name] = f"{value}; charset=utf-8"
    return shown


def _plain(value: Any) -> str:
    """A value as .NET shows it."""
    if value is None:
        return ""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
