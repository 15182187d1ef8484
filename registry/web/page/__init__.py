"""The page for people: one document with its style, and the ES modules that it loads."""

import base64
import hashlib
from datetime import timedelta
from importlib.resources import files

_FOLDER = files("registry.web") / "page"
_FRAME = (_FOLDER / "index.html").read_text("utf-8")
_STYLE = (_FOLDER / "style.css").read_text("utf-8")
MODULES = {
    each.name: each.read_text("utf-8") for each in _FOLDER.iterdir() if each.name.endswith(".js")
}
"""The texts of the ES modules, by the names of their files."""


def hash_of(text: str) -> str:
    """A source expression of CSP: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    f"style-src {hash_of(_STYLE)}",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(_POLICY),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page calls its own host only, runs its own scripts only, makes no markup of text, and is
shown in no frame.

`nosniff` keeps answers of the API from being scripts.
"""
SCRIPT = {"Content-Type": "text/javascript; charset=utf-8", "X-Content-Type-Options": "nosniff"}


def document(open_for: timedelta) -> str:
    """The page of an app whose registries are open for so long."""
    frame = _FRAME.replace("{open_for}", _in_words(open_for))
    return frame.replace("<style></style>", f"<style>{_STYLE}</style>")


def _in_words(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    number, unit = (seconds + 60 * minutes, "second") if seconds else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
