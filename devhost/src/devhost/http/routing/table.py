"""The table of routes: finds the function for a request as the real host does."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from devhost.functions.errors import AppError
from devhost.functions.invocation import FunctionInfo
from devhost.http.routing.templates import Template, TemplateError

BUILT_IN = ("admin", "runtime")
"""A route may not begin with these."""


@dataclass(frozen=True)
class Route:
    """The methods and paths of one HTTP-triggered function."""

    template: str
    methods: tuple[str, ...] | None
    """In upper case; None for any."""
    function: FunctionInfo
    matcher: Template

    def matches(self, method: str, path: str) -> dict[str, str] | None:
        """The route parameters of a request; None if it is not for this function."""
        if self.methods is not None and method not in self.methods:
            return None
        return self.matcher.match(path)

    def conflicts_with(self, other: "Route") -> bool:
        """Whether both have the same path and a method in common."""
        if self.template.lower() != other.template.lower():
            return False
        return (
            self.methods is None
            or other.methods is None
            or bool({*self.methods} & {*other.methods})
        )


@dataclass(frozen=True)
class RouteTable:
    """The routes of an app, in the order in which they are tried."""

    routes: list[Route] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    """Why the host leaves functions out, by their names."""

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Find the route of a request, and its parameters."""
        for route in self.routes:
            if (parameters := route.matches(method, path)) is not None:
                return route, parameters
        return None


def route_table(functions: Iterable[FunctionInfo], prefix: str) -> RouteTable:
    """Make the table for some functions, which are tried in the order of their names.

    Raises AppError for a route with which the real host would not start.
    """
    table = RouteTable()
    for function in sorted(functions, key=lambda each: each.name.upper()):
        route = _route(function, prefix)
        first = next((each for each in table.routes if route.conflicts_with(each)), None)
        if first is not None:
            name = first.function.name
            table.errors[function.name] = (
                f"The route specified conflicts with the route defined by function '{name}'."
            )
        elif route.template.lstrip("/").lower().startswith(BUILT_IN):
            table.errors[function.name] = (
                "The specified route conflicts with one or more built in routes."
            )
        else:
            table.routes.append(route)
    return table


def _route(function: FunctionInfo, prefix: str) -> Route:
    path = function.trigger.get("route") or function.name
    template = f"{prefix}/{path}" if prefix else path
    methods = function.trigger.get("methods")
    try:
        return Route(
            template="/" + template.removeprefix("/"),
            methods=None if methods is None else tuple(str(method).upper() for method in methods),
            function=function,
            matcher=Template(template),
        )
    except TemplateError as error:
        raise AppError(
            f"function {function.name} has an invalid route, '{template}': {error}"
        ) from error
