"""App settings, from the environment (as Azure Functions gives them), checked when the app starts."""

import base64
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from urllib.parse import urlsplit

from registry.domain.registry import BACKOFF, Backoff
from registry.durable.webhook import Webhook

SCHEDULE = re.compile(r"[-\w*/,]+( [-\w*/,]+){5}", re.ASCII)
SECRET_BYTES = range(24, 65)
"""The length of a key:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""
PREFIXES = ("REGISTRY_", "PROCESSING_")
"""What the names of all settings begin with."""
ALIKE = 0.8
"""From this likeness on a name is taken for a misspelt one; the common prefix alone makes half of
it.
"""


class SettingsError(Exception):
    """Values are not allowed: a line names each setting, its value unless it is secret, and what is
    allowed.

    The `rules` are these lines without any value, for those who must not see them.
    """

    def __init__(self, lines: Iterable[str], rules: Iterable[str]) -> None:
        super().__init__("\n".join(lines))
        self.rules = tuple(rules)


@dataclass(frozen=True)
class Settings:
    """What an operator can choose. See the README for the meaning of each."""

    open_for: timedelta = timedelta(minutes=5)
    max_items: int = 500
    max_item_length: int = 1024
    auth_level: str = "anonymous"
    webhook: Webhook | None = None
    backoff: Backoff = BACKOFF
    retention: timedelta = timedelta(days=30)  # zero is for ever
    forget_schedule: str = "0 0 3 * * *"


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings; one that is missing or empty has its default. Raises SettingsError."""
    given = _Given(environment)
    settings = _read(given)
    if given.rules:
        unknown = given.unknown_names()  # a setting is missing where its name is misspelt
        raise SettingsError(given.lines + unknown, given.rules + unknown)
    return settings


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """A line for each name that begins like a setting and is none: it is misspelt, or another
    program's.
    """
    given = _Given(environment)
    _read(given)
    return given.unknown_names()


def _read(given: "_Given") -> Settings:
    return Settings(
        open_for=timedelta(seconds=given.number("REGISTRY_OPEN_SECONDS", 300, 1, 86_400)),
        max_items=given.number("REGISTRY_MAX_ITEMS", 500, 1, 1_000),
        max_item_length=given.number("REGISTRY_MAX_ITEM_LENGTH", 1024, 1, 4_096),
        auth_level=given.one_of("REGISTRY_AUTH_LEVEL", "anonymous", "function"),
        webhook=given.webhook(
            "PROCESSING_WEBHOOK_URL", "PROCESSING_WEBHOOK_SECRET", "PROCESSING_TIMEOUT_SECONDS"
        ),
        backoff=Backoff(
            first=given.number("PROCESSING_FIRST_RETRY_SECONDS", 5, 1, 3_600),
            longest=given.number("PROCESSING_LONGEST_RETRY_SECONDS", 3_600, 600, 86_400),
            total=given.number("PROCESSING_RETRY_HOURS", 24, 0, 168) * 3_600,
        ),
        retention=timedelta(days=given.number("REGISTRY_RETENTION_DAYS", 30, 0, 3_650)),
        forget_schedule=given.schedule("REGISTRY_FORGET_SCHEDULE", "0 0 3 * * *"),
    )


class _Given:
    """The environment, the names that were looked up in it, and the mistakes found in their values
    so far.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.names: set[str] = set()
        self.lines: list[str] = []
        self.rules: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        self.names.add(name)
        return " ".join(self._environment.get(name, "").split()) or default

    def unknown_names(self) -> list[str]:
        return [
            f"{name} is not a setting"
            + "".join(f"; {known} may be meant" for known in self._alike(name))
            for name in sorted(set(self._environment) - self.names)
            if name.upper().startswith(PREFIXES)
        ]

    def _alike(self, name: str) -> list[str]:
        return get_close_matches(name.upper(), self.names, n=1, cutoff=ALIKE)

    def check(self, name: str, is_allowed: bool, must: str, value: str | None = None) -> bool:
        """Record a mistake unless the value is allowed; it is shown where it is given."""
        if not is_allowed:
            self.rules.append(f"{name} {must}")
            self.lines.append(
                f"{name} {must}" if value is None else f"{name} is {value!r}, but {must}"
            )
        return is_allowed

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self.text(name, str(default))
        is_number = (
            value.isascii()
            and value.isdigit()
            and len(value) < 10
            and lowest <= int(value) <= highest
        )
        must = f"must be a whole number from {lowest} to {highest}"
        return int(value) if self.check(name, is_number, must, value) else default

    def one_of(self, name: str, *allowed: str) -> str:
        value = self.text(name, allowed[0]).lower()
        self.check(name, value in allowed, f"must be one of: {', '.join(allowed)}", value)
        return value

    def schedule(self, name: str, default: str) -> str:
        value = self.text(name, default)
        is_schedule, must = (
            bool(SCHEDULE.fullmatch(value)),
            "must be an NCRONTAB expression of six fields",
        )
        return value if self.check(name, is_schedule, must, value) else default

    def webhook(self, url_name: str, secret_name: str, timeout_name: str) -> Webhook | None:
        url, secret, timeout = (
            self.text(url_name),
            self.text(secret_name),
            self.number(timeout_name, 10, 1, 60),
        )
        self.check(
            url_name, not url or _is_url(url), "must be a URL that begins with https:// or http://"
        )
        self.check(
            secret_name,
            not secret or _is_secret(secret),
            "must be whsec_ and 24 to 64 random bytes in base64",
        )
        self.check(
            secret_name,
            not url or bool(secret),
            f"is missing: what is sent to {url_name} is signed with it",
        )
        return Webhook(url, secret, timeout) if url else None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        return is_http and text.isprintable() and " " not in text
    except ValueError:  # a port or an IPv6 address that is none
        return False


def _is_secret(text: str) -> bool:
    try:
        return (
            text.startswith("whsec_")
            and len(base64.b64decode(text[6:], validate=True)) in SECRET_BYTES
        )
    except ValueError:  # binascii.Error among them
        return False


@cache
def current() -> Settings:
    """The settings of this process, read once. Raises SettingsError like `read`."""
    return read(os.environ)
