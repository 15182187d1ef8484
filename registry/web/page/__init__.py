"""The page for people: one document with its style, and the ES modules that it loads from beside
it.
"""

import base64
import hashlib
from datetime import timedelta
from importlib.resources import files

_HOME = files("registry.web") / "page"
_FRAME, _STYLE = ((_HOME / name).read_text("utf-8") for name in ("index.html", "style.css"))
MODULES = {
    each.name: each.read_text("utf-8") for each in _HOME.iterdir() if each.name.endswith(".js")
}
"""The texts of the ES modules, by the names of their files."""


def hash_of(text: str) -> str:
    """A source expression of CSP: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    f"style-src {hash_of(_STYLE)}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page calls its own host only, runs no script but its own, makes no markup of text, and is
shown in no frame.

Its modules are the only scripts of the host, as `nosniff` keeps answers of the API from being any.
"""
SCRIPT = {"Content-Type": "text/javascript; charset=utf-8", "X-Content-Type-Options": "nosniff"}


def document(lifetime: timedelta) -> str:
    """The page of an app whose registries live for so long."""
    return _FRAME.replace("{lifetime}", _in_words(lifetime)).replace(
        "<style></style>", f"<style>{_STYLE}</style>"
    )


def _in_words(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    number, unit = (seconds + 60 * minutes, "second") if seconds else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
