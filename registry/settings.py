"""App settings, from the environment (as Azure Functions gives them), checked when the app starts."""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

from registry.model import BACKOFF, Backoff
from registry.webhook import Webhook

SCHEDULE = re.compile(r"[-\w*/,]+( [-\w*/,]+){5}", re.ASCII)
SECRET_BYTES = range(24, 65)
"""The length of a key: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""


class SettingsError(Exception):
    """Values are not allowed: a line names each setting, its value unless it is secret, and what is allowed."""


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
    settings = Settings(
        open_for=timedelta(seconds=given.number("REGISTRY_OPEN_SECONDS", 300, 1, 86_400)),
        max_items=given.number("REGISTRY_MAX_ITEMS", 500, 1, 1_000),
        max_item_length=given.number("REGISTRY_MAX_ITEM_LENGTH", 1024, 1, 4_096),
        auth_level=given.one_of("REGISTRY_AUTH_LEVEL", "anonymous", "function"),
        webhook=given.webhook("PROCESSING_WEBHOOK_URL", "PROCESSING_WEBHOOK_SECRET", "PROCESSING_TIMEOUT_SECONDS"),
        backoff=Backoff(
            first=given.number("PROCESSING_FIRST_RETRY_SECONDS", 5, 1, 3_600),
            longest=given.number("PROCESSING_LONGEST_RETRY_SECONDS", 3_600, 600, 86_400),
            total=given.number("PROCESSING_RETRY_HOURS", 24, 0, 168) * 3_600,
        ),
        retention=timedelta(days=given.number("REGISTRY_RETENTION_DAYS", 30, 0, 3_650)),
        forget_schedule=given.schedule("REGISTRY_FORGET_SCHEDULE", "0 0 3 * * *"),
    )
    if given.mistakes:
        raise SettingsError("\n".join(given.mistakes))
    return settings


class _Given:
    """The environment, and the mistakes found in it so far."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.mistakes: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return " ".join(self._environment.get(name, "").split()) or default

    def check(self, name: str, is_allowed: bool, must: str) -> bool:
        self.mistakes += [] if is_allowed else [f"{name} {must}"]
        return is_allowed

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self.text(name, str(default))
        is_number = value.isascii() and value.isdigit() and len(value) < 10 and lowest <= int(value) <= highest
        must = f"is {value!r}, but must be a whole number from {lowest} to {highest}"
        return int(value) if self.check(name, is_number, must) else default

    def one_of(self, name: str, *allowed: str) -> str:
        value = self.text(name, allowed[0]).lower()
        self.check(name, value in allowed, f"is {value!r}, but must be one of: {', '.join(allowed)}")
        return value

    def schedule(self, name: str, default: str) -> str:
        value = self.text(name, default)
        must = f"is {value!r}, but must be an NCRONTAB expression of six fields"
        return value if self.check(name, bool(SCHEDULE.fullmatch(value)), must) else default

    def webhook(self, url_name: str, secret_name: str, timeout_name: str) -> Webhook | None:
        url, secret, timeout = self.text(url_name), self.text(secret_name), self.number(timeout_name, 10, 1, 60)
        self.check(url_name, not url or _is_url(url), "must be a URL that begins with https:// or http://")
        self.check(secret_name, not secret or _is_secret(secret), "must be whsec_ and 24 to 64 random bytes in base64")
        self.check(secret_name, not url or bool(secret), f"is missing: what is sent to {url_name} is signed with it")
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
        return text.startswith("whsec_") and len(base64.b64decode(text[6:], validate=True)) in SECRET_BYTES
    except ValueError:  # binascii.Error among them
        return False


@cache
def current() -> Settings:
    """The settings of this process, read once. Raises SettingsError like `read`."""
    return read(os.environ)
