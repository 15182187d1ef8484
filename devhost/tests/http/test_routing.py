import azure.functions as func
import pytest

from devhost.functions.errors import AppError
from devhost.functions.indexing import index
from devhost.http.routing import RouteTable, route_table


def table(prefix: str = "api", **functions: tuple[str, list[str] | None]) -> RouteTable:
    """The routes of functions, each given by its name, its route and its methods."""
    app = func.FunctionApp()
    for name, (route, methods) in functions.items():

        @app.function_name(name)
        @app.route(route, methods=methods)
        def function(req: func.HttpRequest): ...

    return route_table(index(app).http, prefix)


def called(table: RouteTable, method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """The function that a request triggers, and the route parameters that it gets."""
    found = table.find(method, path)
    return found and (found[0].function.name, found[1])


def test_functions_are_tried_in_the_order_of_their_names() -> None:
    """However general the first is. Letter case does not count; `_` follows the letters."""
    routes = table(b_fixed=("o/fixed", None), A_param=("o/{x}", None), ab=("{*rest}", ["POST"]))
    assert [route.function.name for route in routes.routes] == ["ab", "A_param", "b_fixed"]
    assert called(routes, "GET", "/api/o/fixed") == ("A_param", {"x": "fixed"})
    assert called(routes, "POST", "/api/o/fixed") == ("ab", {"rest": "o/fixed"})


def test_a_function_answers_to_its_methods_only() -> None:
    """To all methods if it names none, and to none if its list is empty."""
    routes = table(any=("a", None), none=("b", []), posts=("c", ["post"]))
    assert [called(routes, "FOO", f"/api/{path}") for path in "abc"] == [("any", {}), None, None]
    assert called(routes, "POST", "/api/c") == ("posts", {})
    assert called(routes, "GET", "/api/c") is None


def test_a_second_function_at_a_route_is_in_error() -> None:
    """If they have a method in common; the others run."""
    routes = table(
        n1=("r/{x}", ["GET", "POST"]),
        n2=("R/{x}", ["POST", "PUT"]),
        n3=("r/{x}", ["PUT"]),
        n4=("r/{x}", None),
    )
    reason = "The route specified conflicts with the route defined by function 'n1'."
    assert routes.errors == {"n2": reason, "n4": reason}
    assert called(routes, "PUT", "/api/r/1") == ("n3", {"x": "1"})


def test_a_route_that_begins_like_a_built_in_one_is_in_error() -> None:
    """Unless a prefix precedes it."""
    reason = "The specified route conflicts with one or more built in routes."
    functions = {"a": ("Administrator", None), "r": ("/runtime/x", None), "ok": ("ok", None)}
    assert table("", **functions).errors == {"a": reason, "r": reason}
    assert table("p", a=("admin", None)).errors == {}


@pytest.mark.parametrize(
    ("prefix", "route", "path", "parameters"),
    [
        ("", "/", "/", {}),
        ("", "{*rest}", "/a/b", {"rest": "a/b"}),
        ("t/{tenant}", "gifts", "/T/x/gifts", {"tenant": "x"}),
        ("api", "~/x", "/api/~/x", {}),
        ("api", "", "/api/gift", {}),
    ],
)
def test_a_prefix_is_part_of_the_route(prefix, route, path, parameters) -> None:
    """It may be empty, or have parameters; the name of a function is its default route."""
    assert called(table(prefix, gift=(route, None)), "GET", path) == ("gift", parameters)


@pytest.mark.parametrize(
    ("prefix", "route"), [("api", "/gifts"), ("/p/", "gifts"), ("api", "{id:nosuch}")]
)
def test_a_route_that_the_real_host_dies_of_is_named(prefix, route) -> None:
    """With its function. In Azure no function of the app would run, and no line says why."""
    with pytest.raises(AppError, match=r"^function gift has an invalid route, '.*': "):
        table(prefix, gift=(route, None))
