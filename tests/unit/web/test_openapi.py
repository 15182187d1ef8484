import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from registry.domain.problems import PROBLEM_TYPES
from registry.settings import Settings
from registry.web.pages import describe
from tests.unit.web.conftest import FUNCTIONS, get

PUBLIC = {"/health", "/openapi.json", "/docs", "/home"}


def nodes(node: Any, name: str) -> Iterator[Any]:
    """Everything in the document that has this name."""
    if isinstance(node, list):
        for child in node:
            yield from nodes(child, name)
    if isinstance(node, dict):
        for key, child in node.items():
            if key == name:
                yield child
            yield from nodes(child, name)


def test_it_is_openapi_without_a_mistake() -> None:
    errors = list(OpenAPIV31SpecValidator(describe(Settings())).iter_errors())
    assert errors == []


def test_it_is_served_as_json() -> None:
    response = get("describe")
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.get_body()) == describe(Settings())


def test_every_route_is_described_and_no_other() -> None:
    """HEAD goes with GET, and the page has two more addresses."""
    document = describe(Settings())
    (server,) = document["servers"]
    described = {
        (server["url"] + path, method)
        for path, methods in document["paths"].items()
        for method in methods
    }
    triggers = {
        name: function.get_trigger()
        for name, function in FUNCTIONS.items()
        if name not in ("home_at_api", "home_at_root", "home_module")
    }
    served = {
        (f"/{trigger.route}", method.value.lower())
        for trigger in triggers.values()
        for method in trigger.methods
        if method.value != "HEAD"
    }
    assert described == served


def test_every_problem_is_explained_by_an_example() -> None:
    components = describe(Settings())["components"]
    uris = [each.uri for each in PROBLEM_TYPES]
    assert components["schemas"]["Problem"]["properties"]["type"]["enum"] == uris
    assert set(components["examples"]) == {each.name for each in PROBLEM_TYPES}
    for type in PROBLEM_TYPES:
        example = components["examples"][type.name]
        assert example["value"]["type"] == type.uri
        assert example["value"]["detail"].endswith(type.advice)
        assert not re.search(r"{\w+}", example["value"]["detail"])


def test_a_call_has_the_problems_of_its_request_and_its_own() -> None:
    add = describe(Settings())["paths"]["/add/{id}"]["post"]
    names = {name for each in nodes(add["responses"], "examples") for name in each}
    assert names == {
        "invalid-item",
        "item-too-long",
        "invalid-key",
        "unknown-registry",
        "registry-closed",
        "registry-full",
        "gift-removed",
        "key-reused",
        "hub-unavailable",
        "misconfigured",
    }


def test_every_call_may_find_the_app_misconfigured() -> None:
    """Those that need the task hub may not find that either."""
    for path, methods in describe(Settings())["paths"].items():
        for operation in methods.values():
            examples = {
                name for each in nodes(operation["responses"]["503"], "examples") for name in each
            }
            needs_hub = path not in PUBLIC - {"/health"}
            assert examples == {"misconfigured", *(["hub-unavailable"] if needs_hub else [])}


def test_limits_are_those_of_the_settings() -> None:
    document = describe(Settings(max_item_length=7, max_items=9, open_seconds=60))
    components = document["components"]
    assert components["schemas"]["ItemText"]["maxLength"] == 7
    assert "open for 60 seconds" in document["info"]["description"]
    assert "takes 9 items at most" in document["info"]["description"]
    too_long, full = (
        components["examples"][name]["value"]["detail"]
        for name in ("item-too-long", "registry-full")
    )
    assert "at most 7 characters" in too_long
    assert "at most 9 items, and 64 KiB" in full


def test_a_body_may_take_the_place_of_the_query() -> None:
    """But for GET, which has none."""
    add = describe(Settings())["paths"]["/add/{id}"]
    required = {
        method: [each["name"] for each in operation["parameters"] if each.get("required")]
        for method, operation in add.items()
    }
    assert required == {"post": ["id"], "get": ["id", "item"]}
    assert "requestBody" not in add["get"]
    assert set(add["post"]["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
    }


def test_what_is_sent_with_some_answers_only_is_optional() -> None:
    """A registry that is sent again, and an outcome that is not known yet, are both 202."""
    accepted = describe(Settings())["paths"]["/process/{id}"]["post"]["responses"]["202"]
    assert [each["$ref"].rpartition("/")[2] for each in next(nodes(accepted, "anyOf"))] == [
        "Shown",
        "Unknown",
    ]
    assert "required" not in accepted["headers"]["Retry-After"]


def test_every_body_and_parameter_has_an_example_that_its_schema_allows() -> None:
    document = describe(Settings())
    components = document["components"]
    media = [each for body in nodes(document, "content") for each in body.values()]
    examples = [(each["schema"], each["example"]) for each in media if "example" in each]
    problem = {"$ref": "#/components/schemas/Problem"}
    examples += [(problem, each["value"]) for each in components["examples"].values()]

    for parameter in chain.from_iterable(nodes(document, "parameters")):
        schema = parameter["schema"]
        named = components["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
        examples += [(schema, named["examples"][0])]

    assert len(examples) > 30
    for schema, example in examples:
        OAS31Validator({**schema, "components": components}).validate(example)


@pytest.mark.parametrize("level", ["anonymous", "function"])
def test_keys_are_wanted_where_the_settings_say_so(level) -> None:
    """But not for probes, the page and the description."""
    document = describe(Settings(auth_level=level))
    has_keys = level == "function"
    assert bool(document["security"]) is has_keys
    assert ("securitySchemes" in document["components"]) is has_keys

    operations = {
        path: operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
    }
    assert {path for path, each in operations.items() if each.get("security") == []} == PUBLIC
    refused = {path for path, each in operations.items() if "401" in each["responses"]}
    assert refused == (set(operations) - PUBLIC if has_keys else set())


def test_all_references_lead_somewhere() -> None:
    document = describe(Settings())
    for group, name in re.findall(r'"#/components/(\w+)/([\w-]+)"', json.dumps(document)):
        assert name in document["components"][group]
