"""JSON as Newtonsoft.Json writes it. The real host reads and writes all payloads with that."""

import json
import re
from typing import Any

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""In decoded text, where a pair is one character."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
ESCAPED = re.compile(r"\\u[fF]{3}[eEfF]")
CHANGES = re.compile(rf"NaN|Infinity|{SURROGATE.pattern}")


def parse(text: str) -> Any:
    """Read JSON. NaN and the infinities become strings, half a surrogate pair becomes U+FFFD."""
    value = json.loads(text, parse_constant=str)
    return whole(value) if SURROGATE.search(text) else value


def rewritten(text: str) -> str:
    """JSON as it is after the real host has read and written it."""
    if text.isascii() and not any(each in text for each in ("\\u", "NaN", "Infinity")):
        return text  # To search for more would take as long as to read it.
    return json.dumps(parse(text)) if CHANGES.search(text) else text


def decoded(text: str) -> str:
    """JSON as the real host sends it on, with U+FFFE and U+FFFF not escaped."""
    return written(parse(text)) if ESCAPED.search(text) else text


def whole_text(text: str) -> str:
    """Text with U+FFFD in place of each half of a surrogate pair."""
    return LONE_SURROGATE.sub("\ufffd", text)


def whole(value: Any) -> Any:
    """A value whose texts are whole, as `whole_text` has it."""
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
