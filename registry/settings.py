"""App settings, from the environment (as Azure Functions gives them), checked when the app starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Literal, get_args

AuthLevel = Literal["anonymous", "function"]


class SettingsError(Exception):
    """One or more app settings have a value that is not allowed; one line for each."""


@dataclass(frozen=True)
class Settings:
    """What an operator can choose. See the README for the meaning of each."""

    open_for: timedelta = timedelta(minutes=5)
    max_items: int = 500
    max_item_length: int = 1024
    auth_level: AuthLevel = "anonymous"


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings; one that is missing or empty has its default.

    Raises SettingsError, with a line for each mistake that names the setting, its value and what is allowed.
    """
    mistakes: list[str] = []

    def number(name: str, default: int, lowest: int, highest: int) -> int:
        value = environment.get(name, "").strip() or str(default)
        if value.isascii() and value.isdigit() and len(value) < 10 and lowest <= int(value) <= highest:
            return int(value)
        mistakes.append(f"{name} is {value!r}, but must be a whole number from {lowest} to {highest}")
        return default

    def auth_level(name: str) -> AuthLevel:
        value = environment.get(name, "").strip().lower() or "anonymous"
        for allowed in get_args(AuthLevel):
            if value == allowed:
                return allowed  # type: ignore[no-any-return]  # get_args is not typed
        mistakes.append(f"{name} is {value!r}, but must be one of: {', '.join(get_args(AuthLevel))}")
        return "anonymous"

    settings = Settings(
        open_for=timedelta(seconds=number("REGISTRY_OPEN_SECONDS", 300, 1, 86_400)),
        max_items=number("REGISTRY_MAX_ITEMS", 500, 1, 2_000),
        max_item_length=number("REGISTRY_MAX_ITEM_LENGTH", 1024, 1, 4_096),
        auth_level=auth_level("REGISTRY_AUTH_LEVEL"),
    )
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return settings


@cache
def current() -> Settings:
    """The settings of this process, read once. Raises SettingsError like `read`."""
    return read(os.environ)
