"""The API's description of itself, in OpenAPI: https://spec.openapis.org/oas/v3.1.1.html.

It is made from the operations (endpoints.py), their models, the settings and the problem types.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import chain

from azure.functions import HttpMethod

from registry import __version__
from registry.domain.problems import (
    MISCONFIGURED,
    PROBLEM_TYPES,
    ProblemError,
    ProblemType,
)
from registry.settings import Settings
from registry.web import examples
from registry.web.caching import REVALIDATE, VARY
from registry.web.endpoints import Answer, Operation, Page, Tag
from registry.web.responses import NO_STORE, Body, Problem
from registry.web.schemas import Node, Schemas, ref

VERSION = "3.1.0"
TAGS: dict[Tag, str] = {
    "registries": "A registry, from its open until it is sent for processing.",
    "host": "What holds for all registries, and what is said of this API.",
}
HEADERS: dict[str, Node] = {
    "Cache-Control": {"schema": {"const": NO_STORE}},
    "ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}},
    "Location": {"description": "Where to peek at it.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "Revalidate": {"description": "Ask again each time.", "schema": {"const": REVALIDATE}},
    "Vary": {"schema": {"const": VARY}},
}
SECURITY_SCHEMES: Node = {
    "keyInHeader": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
    "keyInQuery": {"type": "apiKey", "in": "query", "name": "code"},
}
IF_NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of what the client has.",
    "schema": {"type": "string", "examples": ['W/"4bf92f3577b34da6a3ce929d0e0e4736"']},
}


def describe(operations: Sequence[Operation], settings: Settings) -> Node:
    """The OpenAPI document of an app with these settings."""
    schemas = _schemas(operations, settings)
    keys = SECURITY_SCHEMES if settings.auth_level == "function" else {}
    return {
        "openapi": VERSION,
        "info": _info(settings),
        "servers": [{"url": "/api"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{name: []} for name in keys],
        "paths": {f"/{each.route}": _path(each, schemas, settings) for each in operations},
        "components": {
            "schemas": schemas.definitions,
            "headers": {name: {"required": True, **header} for name, header in HEADERS.items()},
            "examples": {each.name: _problem_example(each, settings) for each in PROBLEM_TYPES},
            **({"securitySchemes": keys} if keys else {}),
        },
    }


def _schemas(operations: Sequence[Operation], settings: Settings) -> Schemas:
    requests = [each.request for each in operations]
    examples = [answer.example for each in operations for answer in each.answers]
    bodies = [type(each) for each in examples if isinstance(each, Body)]
    return Schemas(requests, [*bodies, Problem], settings)


def _info(settings: Settings) -> Node:
    return {
        "title": "Holiday Registry",
        "version": __version__,
        "contact": {"name": "The operator of this host"},
        "license": {"name": "MIT", "identifier": "MIT"},
        "description": f"A gift registry that is open for {settings.open_seconds} seconds: open "
        "one, add gifts, peek, finish it. If nobody finishes it, it closes by itself. Then it is "
        f"sent for processing. It takes {settings.max_items} items at most. What takes GET only "
        "takes HEAD too. Answers of a kilobyte and more are in gzip for those who accept that.",
    }


def _problem_example(type: ProblemType, settings: Settings) -> Node:
    error = ProblemError(type, **examples.values_of_details(settings))
    return {
        "summary": type.title,
        "description": type.advice,
        "value": Problem.of(error).to_json(),
    }


def _path(operation: Operation, schemas: Schemas, settings: Settings) -> Node:
    """The operation by each of its methods; the recommended one comes first."""
    path = {}
    if HttpMethod.POST in operation.methods:
        path["post"] = _operation(operation, schemas, settings)
        path["post"]["parameters"] = schemas.parameters(operation.request, with_body=True)
        if body := schemas.request_body(operation.request):
            path["post"]["requestBody"] = body

    if HttpMethod.GET in operation.methods:
        path["get"] = _operation(operation, schemas, settings)
        if HttpMethod.POST in operation.methods:
            path["get"]["operationId"] += "ByGet"
            path["get"]["summary"] += " (POST is recommended)"
    return path


def _operation(operation: Operation, schemas: Schemas, settings: Settings) -> Node:
    """What an operation is by GET."""
    description = " ".join(operation.description.split())
    parameters = schemas.parameters(operation.request)
    node: Node = {
        "summary": operation.description.partition("\n")[0].rstrip("."),
        "operationId": operation.id,
        "description": description,
        "tags": [operation.tag],
        "parameters": [*parameters, IF_NONE_MATCH] if operation.has_etag else parameters,
        "responses": _responses(operation, settings),
    }
    return node | {"security": []} if operation.is_public else node


def _responses(operation: Operation, settings: Settings) -> Node:
    """The responses of an operation, by status."""
    responses: Node = {
        str(status): _answer([each for each in operation.answers if each.status == status])
        for status in dict.fromkeys(each.status for each in operation.answers)
    }
    if operation.has_etag:
        headers = responses["200"]["headers"]
        headers |= {name: ref("headers", name) for name in ("ETag", "Vary")}
        headers["Cache-Control"] = ref("headers", "Revalidate")
        responses["304"] = {"description": "It is as the client has it.", "headers": headers}

    responses |= _problems({*operation.problems, MISCONFIGURED})
    if settings.auth_level == "function" and not operation.is_public:
        responses["401"] = {"description": "The function key is missing or wrong."}
    if not any(status.startswith("4") for status in responses):
        refused = "The host cannot read the request. There is no body."
        responses["4XX"] = {"description": refused}
    return responses


def _answer(answers: Sequence[Answer]) -> Node:
    """The answers of one status."""
    first = answers[0]
    description = " ".join(each.description for each in answers)
    if isinstance(first.example, Page):
        return {"description": description, **_page(first.example)}

    bodies = [each.example for each in answers if isinstance(each.example, Body)]
    content = {"application/json": _media(bodies)}
    if first.to_text is not None:
        text = first.to_text(first.example)
        content["text/plain"] = {"schema": {"type": "string"}, "example": text}
    return {"description": description, "headers": _headers(bodies), "content": content}


def _page(page: Page) -> Node:
    """The headers and the content of a page."""
    headers = {
        name: {"required": True, "schema": {"const": value}}
        for name, value in page.headers.items()
        if name != "Content-Type"
    }
    media = {"schema": {"type": "string"}, "example": "<!doctype html>…"}
    return {"headers": headers, "content": {"text/html": media}}


def _headers(bodies: Sequence[Body]) -> Node:
    """The headers that go with any of these bodies; those that go with all are required."""
    headers = {"Cache-Control": ref("headers", "Cache-Control")}
    names = [each.headers().keys() for each in bodies]
    for name in chain.from_iterable(names):
        is_required = all(name in each for each in names)
        headers[name] = ref("headers", name) if is_required else HEADERS[name]
    return headers


def _media(bodies: Sequence[Body]) -> Node:
    """Any of these bodies; the first is shown."""
    schemas = [ref("schemas", type(each).__name__) for each in bodies]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"schema": schema, "example": bodies[0].to_json()}


def _problems(types: AbstractSet[ProblemType]) -> Node:
    """The responses for problems: one for each status."""
    in_order = [each for each in PROBLEM_TYPES if each in types]
    return {
        str(status): _problem(status, [each for each in in_order if each.status == status])
        for status in dict.fromkeys(each.status for each in in_order)
    }


def _problem(status: int, types: Sequence[ProblemType]) -> Node:
    """The response for problems of one status."""
    headers = {"Cache-Control": ref("headers", "Cache-Control")}
    if status in (429, 503):
        headers["Retry-After"] = ref("headers", "Retry-After")
    media = {
        "schema": ref("schemas", "Problem"),
        "examples": {each.name: ref("examples", each.name) for each in types},
    }
    return {
        "description": " or ".join(each.title for each in types) + ".",
        "headers": headers,
        "content": {"application/problem+json": media},
    }
