"""JSON as Newtonsoft.Json leaves it, with which the real host reads and writes all payloads."""

import json
import re
from typing import Any

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""In text that was decoded: pairs have become one character by then."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
ESCAPED = re.compile(r"\\u[fF]{3}[eEfF]")
CHANGES = re.compile(rf"NaN|Infinity|{SURROGATE.pattern}")


def parse(text: str) -> Any:
    """Read JSON: NaN and the infinities become strings, and half of a surrogate pair becomes
    U+FFFD.
    """
    value = json.loads(text, parse_constant=str)
    return whole(value) if SURROGATE.search(text) else value


def rewritten(text: str) -> str:
    """The JSON that is left of some JSON."""
    return json.dumps(parse(text)) if CHANGES.search(text) else text


def decoded(text: str) -> str:
    """JSON as the real host sends it on: it does not escape U+FFFE and U+FFFF."""
    return written(parse(text)) if ESCAPED.search(text) else text


def whole_text(text: str) -> str:
    """Text without halves of surrogate pairs."""
    return LONE_SURROGATE.sub("\ufffd", text)


def whole(value: Any) -> Any:
    """A value without halves of surrogate pairs."""
    match value:
        case str():
            return whole_text(value)
        case list():
            return [whole(each) for each in value]
        case dict():
            return {whole_text(name): whole(each) for name, each in value.items()}
    return value


def written(value: Any) -> str:
    """Write JSON in the layout of the real host."""
    return json.dumps(whole(value), ensure_ascii=False, separators=(",", ":"))
