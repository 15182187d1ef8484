"""Routing: which function answers a request."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from devhost.invocation import FunctionInfo
from devhost.loading import AppError

HTTP_METHODS = ("GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS")
"""What a function answers to whose trigger names no methods."""
CONSTRAINTS = {
    "int": r"-?\d{1,10}",
    "long": r"-?\d{1,19}",
    "bool": r"(?i:true|false)",
    "alpha": r"[A-Za-z]*",
    "guid": r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
"""Route constraints of ASP.NET that devhost knows."""
ENCODED_SLASH = re.compile("%2F", re.IGNORECASE)
"""Stays encoded, as in ASP.NET: it separates no segments."""
PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(:(?P<constraint>[^?}]+))?(?P<optional>\?)?\}")


@dataclass(frozen=True)
class Route:
    """Where an HTTP-triggered function is found."""

    template: str
    methods: tuple[str, ...]
    function: FunctionInfo
    pattern: re.Pattern[str]

    @property
    def precedence(self) -> tuple[bool, ...]:
        """Sorts literal segments before parameters."""
        return tuple("{" in segment for segment in self.template.split("/"))


def routes(functions: Iterable[FunctionInfo], prefix: str) -> list[Route]:
    """The routes of the functions, in the order in which they are tried. Raises AppError for what is not supported."""
    return sorted((_route(each, prefix) for each in functions), key=lambda route: route.precedence)


def _route(function: FunctionInfo, prefix: str) -> Route:
    path = function.trigger.get("route") or function.name
    template = "/".join(part.strip("/") for part in (prefix, path) if part.strip("/"))
    methods = tuple(str(method) for method in function.trigger.get("methods") or HTTP_METHODS)
    return Route(f"/{template}", methods, function, _pattern(function.name, template))


def _pattern(function: str, template: str) -> re.Pattern[str]:
    """A pattern for the path, of which only the literal parts match in any letter case."""
    pattern = ""
    for segment in template.split("/"):
        parameter = PARAMETER.fullmatch(segment)
        if parameter is None:
            if "{" in segment or "}" in segment:
                raise AppError(f"function {function} has a route that devhost does not support: {template}")
            pattern += f"/(?i:{re.escape(segment)})"
            continue
        constraint = parameter["constraint"]
        if constraint is not None and constraint not in CONSTRAINTS:
            raise AppError(f"function {function} has a route constraint that devhost does not support: {constraint}")
        value = ".*" if parameter["rest"] else CONSTRAINTS.get(constraint or "", "[^/]+")
        named = f"/(?P<{parameter['name']}>{value})"
        pattern += f"(?:{named})?" if parameter["optional"] or parameter["rest"] else named
    try:
        return re.compile(pattern + "/?")
    except re.error as error:
        raise AppError(f"function {function} has a route that devhost does not support: {template}") from error
