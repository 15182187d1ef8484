"""The options of host.json and of app settings, as .NET's configuration merges them.

Each value is a text; its path is that of the member, in any letter case.
https://learn.microsoft.com/dotnet/core/extensions/configuration
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

SECTION = "AzureFunctionsJobHost__"
"""App settings with this prefix override members of host.json."""
SPAN = re.compile(
    r"(?P<sign>-?)((?P<whole>\d{1,8})|((?P<days>\d{1,8})\.)?"
    r"(?P<hours>[01]?\d|2[0-3]):(?P<minutes>[0-5]?\d)(:(?P<seconds>[0-5]?\d(\.\d{1,7})?))?)"
)
"""A time span, as .NET's TimeSpan.Parse reads it: a bare number counts days."""
UNITS = {"whole": 86_400, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
"""Seconds, by the names of the groups of SPAN."""
Choice = TypeVar("Choice", bound=str)


class OptionError(ValueError):
    """The host does not start with this option; one line."""


class Options:
    """The options by their paths, such as `extensions:http:routePrefix`."""

    def __init__(self, document: Any, environment: Mapping[str, str]) -> None:
        self._values: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._used: set[str] = set()
        for path, value in _leaves(document, ""):
            self._set(path, value)
        for name, value in environment.items():
            if name.casefold().startswith(SECTION.casefold()):
                self._set(name[len(SECTION) :].replace("__", ":"), value)

    def _set(self, path: str, value: str) -> None:
        self._values[path.casefold()] = value
        self._paths[path.casefold()] = path

    def text(self, path: str, default: str) -> str:
        self._used.add(path.casefold())
        return self._values.get(path.casefold(), default)

    def number(self, path: str, default: int) -> int:
        text = self.text(path, str(default))
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", text):
            raise _unconvertible(path, text, "System.Int32")
        return int(text)

    def flag(self, path: str, default: bool) -> bool:
        text = self.text(path, str(default)).strip().casefold()
        if text not in ("true", "false"):
            raise _unconvertible(path, text, "System.Boolean")
        return text == "true"

    def seconds(self, path: str, default: float) -> float:
        """A time span like 00:05:00, in seconds."""
        self._used.add(path.casefold())
        text = self._values.get(path.casefold())
        return default if text is None else _seconds(path, text)

    def choice(self, path: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        """One of several names, in any letter case."""
        text = self.text(path, default)
        for each in choices:
            if text.casefold() == each.casefold():
                return each
        raise OptionError(
            f"host.json: {_shown(path)} is {text!r}, but must be one of {', '.join(choices)}"
        )

    def members(self, path: str) -> dict[str, str]:
        """The members of an object; those of an array have numbers for names."""
        prefix = f"{path.casefold()}:"
        found = [each for each in self._values if each.startswith(prefix)]
        self._used.update(found)
        return {self._paths[each][len(prefix) :]: self._values[each] for each in found}

    def unused(self) -> list[str]:
        """The paths of options that nobody asked for; a section that is unused counts once."""
        return sorted({self._shortest(path) for path in self._values if path not in self._used})

    def _shortest(self, path: str) -> str:
        names = self._paths[path].split(":")
        for end in range(1, len(names)):
            above = ":".join([*names[:end], ""]).casefold()
            if not any(each.startswith(above) for each in self._used):
                return ".".join(names[:end])
        return ".".join(names)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each value without members, and its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, member in items:
            yield from _leaves(member, f"{path}:{name}" if path else str(name))
    else:
        yield path, "" if value is None else str(value)


def _shown(path: str) -> str:
    return path.replace(":", ".")


def _seconds(path: str, text: str) -> float:
    span = SPAN.fullmatch(text.strip())
    if span is None:
        raise OptionError(
            f"host.json: {_shown(path)} is {text!r}, but must be a time span like 00:05:00"
        )

    amounts = {
        name: float(amount or 0) for name, amount in span.groupdict().items() if name in UNITS
    }
    total = sum(amount * UNITS[name] for name, amount in amounts.items())
    return -total if span["sign"] else total


def _unconvertible(path: str, text: str, kind: str) -> OptionError:
    """The error in the words of the real host."""
    where = f"AzureFunctionsJobHost:{path}"
    return OptionError(
        f"host.json: Failed to convert configuration value '{text}' at '{where}' to type '{kind}'."
    )
