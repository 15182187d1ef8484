"""Routing: which function answers a request, as the real host finds it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from devhost.functions.invocation import FunctionInfo
from devhost.functions.loading import AppError
from devhost.http.routing.templates import Template, TemplateError

BUILT_IN = ("admin", "runtime")
"""How no route may begin."""


@dataclass(frozen=True)
class Route:
    """Where an HTTP-triggered function is found."""

    template: str
    methods: tuple[str, ...] | None
    """In upper case; None for all that there are."""
    function: FunctionInfo
    matcher: Template

    def matches(self, method: str, path: str) -> dict[str, str] | None:
        """The route parameters of a request to the function; None where it is not to that."""
        if self.methods is not None and method not in self.methods:
            return None
        return self.matcher.match(path)

    def conflicts_with(self, other: "Route") -> bool:
        """Whether one of them could never be reached by a method of its own."""
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
    """By the names of functions that the host leaves out: why."""

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request, with its parameters."""
        for route in self.routes:
            if (parameters := route.matches(method, path)) is not None:
                return route, parameters
        return None


def route_table(functions: Iterable[FunctionInfo], prefix: str) -> RouteTable:
    """The routes of the functions, tried in the order of their names.

    Raises AppError where the real host would not run.
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
            f"function {function.name} has a route that is none, '{template}': {error}"
        ) from error
