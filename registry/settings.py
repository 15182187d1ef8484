"""App settings, from the environment, where Azure Functions puts them. See docs/settings.md."""

import base64
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from registry.domain.delivery import BackoffPolicy
from registry.durable.webhook.client import Webhook

PREFIXES = ("REGISTRY_", "PROCESSING_")
"""The names of all settings begin with one of these."""
SECRET_BYTES = range(24, 65)
"""The length of a key, by the Standard Webhooks specification:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""


class SettingsError(Exception):
    """Settings are not allowed.

    The message has a line for each: its name, its value unless that is secret, and what is allowed.
    `rules` are the same without values, for people who must not see them.
    """

    def __init__(self, lines: Iterable[str], rules: Iterable[str]) -> None:
        super().__init__("\n".join(lines))
        self.rules = tuple(rules)


def _to_number(text: object) -> object:
    """The number that ASCII digits make; anything else is left to be refused."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return text


def _to_lower(text: str) -> str:
    """Not `str.lower`: pydantic reads signatures, and that of a builtin takes 20 ms."""
    return text.lower()


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return False

    return is_http and text.isprintable() and " " not in text


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:  # binascii.Error among them
        return False

    return text.startswith("whsec_") and len(key) in SECRET_BYTES


def _check_url(text: str) -> str:
    if text and not _is_url(text):
        raise ValueError("must be a URL that begins with https:// or http://")
    return text


Number = Annotated[int, BeforeValidator(_to_number)]
Url = Annotated[str, AfterValidator(_check_url)]


class Settings(BaseModel):
    """What an operator can choose. A setting that is missing or empty has its default."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        validate_by_name=True,
        loc_by_alias=False,
        hide_input_in_errors=True,
    )

    open_seconds: Number = Field(default=300, ge=1, le=86_400, alias="REGISTRY_OPEN_SECONDS")
    max_items: Number = Field(default=500, ge=1, le=1_000, alias="REGISTRY_MAX_ITEMS")
    max_item_length: Number = Field(default=1024, ge=1, le=4_096, alias="REGISTRY_MAX_ITEM_LENGTH")
    auth_level: Annotated[Literal["anonymous", "function"], BeforeValidator(_to_lower)] = Field(
        default="anonymous", alias="REGISTRY_AUTH_LEVEL"
    )
    retention_days: Number = Field(default=30, ge=0, le=3_650, alias="REGISTRY_RETENTION_DAYS")
    """0 is for ever."""

    webhook_url: Url = Field(default="", alias="PROCESSING_WEBHOOK_URL", repr=False)
    webhook_secret: str = Field(
        default="", alias="PROCESSING_WEBHOOK_SECRET", repr=False, validate_default=True
    )
    webhook_seconds: Number = Field(default=10, ge=1, le=60, alias="PROCESSING_TIMEOUT_SECONDS")
    first_retry_seconds: Number = Field(
        default=5, ge=1, le=3_600, alias="PROCESSING_FIRST_RETRY_SECONDS"
    )
    longest_retry_seconds: Number = Field(
        default=3_600, ge=600, le=86_400, alias="PROCESSING_LONGEST_RETRY_SECONDS"
    )
    retry_hours: Number = Field(default=24, ge=0, le=168, alias="PROCESSING_RETRY_HOURS")

    @field_validator("webhook_secret")
    @classmethod
    def _check_secret(cls, secret: str, info: ValidationInfo) -> str:
        if secret and not _is_secret(secret):
            raise ValueError("must be whsec_ and 24 to 64 random bytes in base64")
        if info.data.get("webhook_url") and not secret:
            raise ValueError("is missing: what is sent to PROCESSING_WEBHOOK_URL is signed with it")
        return secret

    @property
    def open_for(self) -> timedelta:
        """How long a registry is open unless somebody finishes it."""
        return timedelta(seconds=self.open_seconds)

    @property
    def retention(self) -> timedelta:
        """How long a closed registry is kept; zero is for ever."""
        return timedelta(days=self.retention_days)

    @property
    def webhook(self) -> Webhook | None:
        """Where closed registries are delivered, if anywhere."""
        if not self.webhook_url:
            return None
        return Webhook(self.webhook_url, self.webhook_secret, self.webhook_seconds)

    @property
    def backoff(self) -> BackoffPolicy:
        """When a failed delivery is tried again."""
        return BackoffPolicy(
            first=self.first_retry_seconds,
            longest=self.longest_retry_seconds,
            total=self.retry_hours * 3_600,
        )


FIELDS = Settings.model_fields
NAMES = [str(field.alias) for field in FIELDS.values()]


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingsError."""
    given = {name: " ".join(environment.get(name, "").split()) for name in NAMES}
    try:
        return Settings.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        raise _explained(error, given, unknown_names(environment)) from error


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """A line for each name that begins like a setting and is none."""
    return [
        f"{name} is not a setting"
        for name in sorted(set(environment).difference(NAMES))
        if name.upper().startswith(PREFIXES)
    ]


@cache
def current() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    return read(os.environ)


def _explained(
    error: ValidationError, given: Mapping[str, str], unknown: list[str]
) -> SettingsError:
    """What is wrong, in words. Unknown names are in it: one may be a setting, misspelt."""
    lines, rules = [], []
    for each in error.errors():
        field = FIELDS[str(each["loc"][0])]
        name, rule = str(field.alias), _rule(field, each["msg"])
        rules.append(f"{name} {rule}")
        # Only what is no secret is shown.
        lines.append(f"{name} is {given[name]!r}, but {rule}" if field.repr else f"{name} {rule}")

    return SettingsError(lines + unknown, rules + unknown)


def _rule(field: FieldInfo, message: str) -> str:
    """What is allowed."""
    limits: dict[str, Any] = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("ge", "le")
        if hasattr(limit, name)
    }
    if limits:
        return "must be a whole number from {ge} to {le}".format(**limits)
    if choices := get_args(field.annotation):
        return f"must be one of: {', '.join(choices)}"
    return message.removeprefix("Value error, ")
