"""The page for people: one document, put together from the files in `home`, so that it comes with one request."""

import base64
import hashlib
from datetime import timedelta
from importlib.resources import files

_HOME = files("registry.web") / "home"
_FRAME, _STYLE, _SCRIPT = ((_HOME / name).read_text("utf-8") for name in ("index.html", "style.css", "script.js"))


def hash_of(text: str) -> str:
    """A source expression of CSP: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": f"default-src 'none'; script-src {hash_of(_SCRIPT)}; style-src {hash_of(_STYLE)}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page calls this host only, runs no script but its own, makes no markup of text, and is shown in no frame."""


def document(lifetime: timedelta) -> str:
    """The page of an app whose registries live for so long."""
    return (
        _FRAME.replace("{lifetime}", _in_words(lifetime))
        .replace("<style></style>", f"<style>{_STYLE}</style>")
        .replace("<script></script>", f"<script>{_SCRIPT}</script>")
    )


def _in_words(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    number, unit = (seconds + 60 * minutes, "second") if seconds else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
