"""The target of a request: decodes its path and query as Kestrel and ASP.NET do."""

import codecs
import re
from urllib.parse import quote

ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
ESCAPES_BUT_SLASHES = re.compile("(?:%(?!2[Ff])[0-9A-Fa-f]{2})+")
NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
UNESCAPED = "/!$&'()*+,;=:@-._~%"
"""What needs no encoding in a path, besides letters and digits."""


def _stay(error: UnicodeError) -> tuple[str, int]:
    """Keep bytes percent-encoded that are not UTF-8."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("devhost.stay", _stay)


def decode(text: str, escapes: re.Pattern[str] = ESCAPES) -> str:
    """Decode percent-encoded UTF-8; everything else stays."""
    if "%" not in text:
        return text
    return escapes.sub(
        lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "devhost.stay"), text
    )


def decode_path(path: str) -> str:
    """Decode a path for routing: encoded slashes stay so, `.` and `..` are resolved."""
    path = decode(path, ESCAPES_BUT_SLASHES)
    if "/." not in path:
        return path
    resolved: list[str] = []
    *_, last = segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del resolved[max(1, len(resolved) - 1) :]
        elif segment != ".":
            resolved.append(segment)
    return "/".join([*resolved, ""] if last in (".", "..") else resolved)


def encode_path(path: str) -> str:
    """Encode a decoded path again, as a function sees it in its URL."""
    return quote(NO_ESCAPE.sub("%25", path) if "%" in path else path, safe=UNESCAPED)


def parse_query(query: str) -> dict[str, str]:
    """Parse a query: values of one name, in any letter case, are joined with commas.

    Empty values are left out. A name that is repeated is spelled as it was the second time.
    """
    spellings: dict[str, list[str]] = {}
    values: dict[str, list[str]] = {}
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = (decode(each.replace("+", " ")) for each in part.partition("="))
        spellings.setdefault(name.lower(), []).append(name)
        if value:
            values.setdefault(name.lower(), []).append(value)
    return {spellings[name][:2][-1]: ",".join(each) for name, each in values.items()}
