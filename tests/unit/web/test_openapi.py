import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from azure.functions import HttpRequest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from registry.domain.problems import KINDS
from registry.settings import Settings
from registry.web import functions as api
from registry.web.openapi import describe
from tests.support.registry_host import registry_app


def test_the_description_is_openapi() -> None:
    """Version 3.1, without a mistake."""
    errors = list(OpenAPIV31SpecValidator(describe(Settings())).iter_errors())
    assert errors == []


def test_it_is_served() -> None:
    """As JSON, for everybody."""
    describe_ = api.describe._function.get_user_function()
    response = asyncio.run(describe_(HttpRequest("GET", "http://x/api/openapi.json", body=b"")))
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.get_body())["openapi"] == "3.1.0"


def test_every_route_is_described_and_no_other() -> None:
    """With its methods, but that HEAD goes with GET; the page has two more addresses."""
    document = describe(Settings())
    (server,) = document["servers"]
    described = {
        (server["url"] + path, method)
        for path, methods in document["paths"].items()
        for method in methods
    }
    served = {
        (f"/{each.trigger['route']}", str(method).lower())
        for each in registry_app().http
        for method in each.trigger["methods"]
        if each.name not in ("home_at_api", "home_at_root", "home_module") and str(method) != "HEAD"
    }
    assert described == served


def test_every_problem_is_explained() -> None:
    """Each kind that there is, by an example; test_docs has its anchor."""
    document = describe(Settings())
    components = document["components"]
    assert set(components["examples"]) == {kind.name for kind in KINDS}
    assert components["schemas"]["Problem"]["properties"]["type"]["enum"] == [
        kind.uri for kind in KINDS
    ]
    for kind in KINDS:
        at = components["examples"][kind.name]
        assert kind.uri == f"/api/docs#{kind.name}"
        assert at["value"]["type"] == kind.uri
        assert at["value"]["detail"].endswith(kind.advice)
        assert kind.advice in at["description"]


def test_every_call_may_find_the_app_misconfigured() -> None:
    """Those that need the task hub may not find that either."""
    examples = {
        path: {
            name
            for each in nodes(methods, "503")
            for name in nodes(each, "examples")
            for name in name
        }
        for path, methods in describe(Settings())["paths"].items()
    }
    assert {path for path, each in examples.items() if each == {"misconfigured"}} == {
        "/openapi.json",
        "/docs",
        "/home",
    }
    assert {frozenset(each) for each in examples.values()} == {
        frozenset({"misconfigured"}),
        frozenset({"misconfigured", "hub-unavailable"}),
    }


def test_limits_are_those_of_the_settings() -> None:
    """Not those of the defaults."""
    components = describe(Settings(max_item_length=7, max_items=9))["components"]
    assert components["schemas"]["Item"]["maxLength"] == 7
    assert (
        "takes 9 at most" in components["schemas"]["Registry"]["properties"]["items"]["description"]
    )
    assert "at most 7 characters" in components["examples"]["item-too-long"]["value"]["detail"]
    assert (
        "at most 9 items, and 64 KiB" in components["examples"]["registry-full"]["value"]["detail"]
    )


def test_every_body_and_parameter_has_an_example_that_its_schema_allows() -> None:
    """And so has every kind of problem."""
    document = describe(Settings())
    components = document["components"]
    media = [each for body in nodes(document, "content") for each in body.values()]
    examples = [
        (each["schema"], each["example"])
        for each in (*media, *components["parameters"].values())
        if "examples" not in each
    ]
    examples += [
        ({"$ref": "#/components/schemas/Problem"}, each["value"])
        for each in components["examples"].values()
    ]
    assert len(examples) > 30
    for schema, example in examples:
        OAS31Validator({**schema, "components": components}).validate(example)


def nodes(node: Any, name: str) -> Iterator[Any]:
    """Everything in the document that has this name."""
    for key, child in (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    ):
        if key == name:
            yield child
        yield from nodes(child, name)


@pytest.mark.parametrize("level", ["anonymous", "function"])
def test_keys_are_wanted_where_the_settings_say_so(level) -> None:
    """But not for probes, the page and the description."""
    document = describe(Settings(auth_level=level))
    assert (
        bool(document["security"])
        is ("securitySchemes" in document["components"])
        is (level == "function")
    )
    free = {
        path
        for path, methods in document["paths"].items()
        if methods.get("get", {}).get("security") == []
    }
    assert free == {"/health", "/openapi.json", "/docs", "/home"}
    refused = {
        path
        for path, each in document["paths"].items()
        for operation in each.values()
        if "401" in operation["responses"]
    }
    assert refused == (set(document["paths"]) - free if level == "function" else set())


def test_all_references_lead_somewhere() -> None:
    """Within the document."""
    document = describe(Settings())
    for group, name in re.findall(r'"#/components/(\w+)/([\w-]+)"', json.dumps(document)):
        assert name in document["components"][group]
