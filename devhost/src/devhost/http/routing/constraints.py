"""Route constraints of ASP.NET, which check the value of a parameter.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

Check = Callable[[str], bool]

INTEGER = re.compile(r"[ \t-\r]*(?P<sign>[+-]?)0*(?P<digits>[0-9]{1,19})[ \t-\r]*")
NUMBER = re.compile(
    r"\s*[+-]?(?=[0-9,]*\.?[0-9])[0-9,]*(\.[0-9]*)?(?P<exponent>[eE][+-]?[0-9]+)?\s*", re.ASCII
)
HEX = "[0-9A-Fa-f]"
HYPHENED = f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"
GUID = re.compile(rf"\s*({HEX}{{32}}|{HYPHENED}|\{{{HYPHENED}\}}|\({HYPHENED}\))\s*", re.ASCII)
FILE = re.compile(r"(.*/)?[^/]*\.+[^/.][^/]*", re.DOTALL)
DATES = (
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d %B %Y",
    "%B %d, %Y",
    "%H:%M",
    "%H:%M:%S",
)
"""The common forms of .NET's invariant culture; ISO 8601 is read besides."""


def make_check(name: str, arguments: str | None) -> Check:
    """The check of a constraint. Raises ValueError where ASP.NET does not know it, or not so."""
    if arguments is None and name in PLAIN:
        return PLAIN[name]
    if arguments is not None and name in WITH_ARGUMENTS:
        return WITH_ARGUMENTS[name](*_split(name, arguments))
    with_arguments = "" if arguments is None else " with arguments"
    raise ValueError(f"there is no constraint '{name}'{with_arguments}")


def _split(name: str, arguments: str) -> list[str]:
    given = [arguments] if name == "regex" else arguments.split(",")
    if len(given) not in ARGUMENTS[name]:
        raise ValueError(f"the constraint '{name}' does not take ({arguments})")
    return given


def _integer(value: str, bits: int) -> int | None:
    """Read a signed integer of so many bits, as .NET does; None if it is none."""
    found = INTEGER.fullmatch(value)
    if found is None:
        return None
    number = int(found["sign"] + found["digits"])
    return number if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1) else None


def _is_integer(bits: int) -> Check:
    return lambda value: _integer(value, bits) is not None


def _is_number(value: str) -> bool:
    return NUMBER.fullmatch(value) is not None


def _is_decimal(value: str) -> bool:
    found = NUMBER.fullmatch(value)
    return found is not None and found["exponent"] is None


def _is_moment(value: str) -> bool:
    with suppress(ValueError):
        datetime.fromisoformat(value)
        return True
    for form in DATES:
        with suppress(ValueError):
            datetime.strptime(value, form)  # noqa: DTZ007  # only its form counts
            return True
    return False


def _matches(pattern: str) -> Check:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression: {error}") from error
    return lambda value: compiled.search(value) is not None


def _between(least: str | None, most: str | None) -> Check:
    low, high = (None if each is None else int(each) for each in (least, most))

    def check(value: str) -> bool:
        number = _integer(value, 64)
        return (
            number is not None
            and (low is None or low <= number)
            and (high is None or number <= high)
        )

    return check


def _length(least: str, most: str | None) -> Check:
    low, high = int(least), None if most is None else int(most)
    return lambda value: low <= len(value) and (high is None or len(value) <= high)


PLAIN: dict[str, Check] = {
    "int": _is_integer(32),
    "long": _is_integer(64),
    "bool": lambda value: value.strip().lower() in ("true", "false"),
    "alpha": lambda value: re.fullmatch("[A-Za-z]*", value) is not None,
    "guid": lambda value: GUID.fullmatch(value) is not None,
    "float": _is_number,
    "double": _is_number,
    "decimal": _is_decimal,
    "datetime": _is_moment,
    "required": lambda value: value != "",
    "file": lambda value: FILE.fullmatch(value) is not None,
    "nonfile": lambda value: FILE.fullmatch(value) is None,
}
WITH_ARGUMENTS: dict[str, Callable[..., Check]] = {
    "min": lambda least: _between(least, None),
    "max": lambda most: _between(None, most),
    "range": _between,
    "length": lambda least, most=None: _length(least, most or least),
    "minlength": lambda least: _length(least, None),
    "maxlength": lambda most: _length("0", most),
    "regex": _matches,
}
ARGUMENTS = {
    name: (2,) if name == "range" else (1, 2) if name == "length" else (1,)
    for name in WITH_ARGUMENTS
}
"""How many arguments each takes."""
