"""The API's description of itself, as OpenAPI 3.1: limits are those of the settings, problems those
of `errors`.

https://spec.openapis.org/oas/v3.1.1.html
"""

from collections.abc import Mapping
from typing import Any, get_args

from registry import __version__
from registry.domain import problems
from registry.domain.delivery import DeliveryStatus
from registry.domain.problems import PROBLEM_TYPES, ProblemType
from registry.domain.registry import MAX_BYTES
from registry.settings import Settings
from registry.web import page
from registry.web.caching import REVALIDATE, VARY
from registry.web.requests import FORM, IDEMPOTENCY_KEY, NOT_BLANK, REGISTRY_ID
from registry.web.responses import problem_body

Node = dict[str, Any]

PROCESSING = get_args(DeliveryStatus)

ID = "8e3b2f1c5d7a4b069f21c3d4e5f60718"
KEY = "c04d1a93e5b24f6f8d70a2b1c3e4f506"
GIFT = "Commodore 64"
OPENED_AT, CLOSES_AT, CLOSED_AT = (
    f"2026-12-24T18:{moment}.000Z" for moment in ("00:00", "05:00", "00:30")
)


TAGS = {
    "registries": "A registry, from its open until it is sent for processing.",
    "host": "What holds for all registries, and what is said of this API.",
}
CALLS = {
    "/open": "Opens a new registry. It closes by itself when its time is up, unless somebody finishes it before.",
    "/add/{id}": "Adds an item to a registry. It is in the registry once the answer is 200, and will be there when it "
    "closes. Repeat what was not answered with 200 or 4xx, with the same Idempotency-Key: it is one item then.",
    "/remove/{id}": "Takes an item back, by the key of its add. After 200 no item with this key is in the registry or "
    "will be, also where its add is still on its way.",
    "/finish/{id}": "Closes a registry and shows it. It never changes again. Twice is as good as once.",
    "/process/{id}": "Sends a closed registry to the processing webhook again, once a minute at most.",
    "/peek/{id}": "Shows a registry with its items in order; in plain text just the items, one a line, where a line "
    "break within one is a space.",
    "/stats": "Counts registries and items. The counts are up to a second old while registries are open.",
    "/health": "Says whether the app can work: the task hub answers. It needs no key.",
    "/openapi.json": "This description.",
    "/docs": "This description, for people.",
    "/home": "The page on which people open a registry, add gifts and finish it. It is at / and /api too.",
}
"""What each call does, by its path."""


def describe(settings: Settings) -> Node:
    """The OpenAPI document of an app with these settings."""
    document: Node = {
        "openapi": "3.1.0",
        "info": {
            "title": "Holiday Registry",
            "version": __version__,
            "contact": {"name": "The operator of this host"},
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "A gift registry that lives "
            f"{settings.open_for.total_seconds():.0f} seconds: open one, add gifts, peek, finish it. If nobody "
            "finishes it, it closes by itself. Then it is sent for processing. "
            "What takes GET only takes HEAD too. Answers of a kilobyte and more are in gzip for those who accept that.",
        },
        "servers": [{"url": "/api"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": [],
        "paths": _paths(settings),
        "components": {
            "schemas": _schemas(settings),
            "parameters": _parameters(settings),
            "headers": _headers(),
            "examples": {
                kind.name: {
                    "summary": kind.title,
                    "description": kind.advice,
                    "value": problem_body(kind, detail),
                }
                for kind, detail in _problems(settings).items()
            },
        },
    }
    if settings.auth_level == "function":
        document["security"] = [{"keyInHeader": []}, {"keyInQuery": []}]
        document["components"]["securitySchemes"] = {
            "keyInHeader": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
            "keyInQuery": {"type": "apiKey", "in": "query", "name": "code"},
        }
    return document


def _problems(settings: Settings) -> dict[ProblemType, str]:
    """Every type of problem, with an example of its detail."""
    values = {
        "name": "Idempotency-Key",
        "closed_at": CLOSED_AT,
        "closes_at": CLOSES_AT,
        "max_items": settings.max_items,
        "max_kib": MAX_BYTES // 1024,
        "max_length": settings.max_item_length,
        "settings": "REGISTRY_MAX_ITEMS must be a whole number from 1 to 1000",
    }
    return {type: type.detail.format(**values) for type in PROBLEM_TYPES}


def _paths(settings: Settings) -> Node:
    registry = [_ref("parameters/id")]
    item = [_ref("parameters/item"), _ref("parameters/idempotencyKey")]
    required = _parameters(settings)["item"] | {
        "required": True
    }  # a GET has no body that could hold it
    hub = problems.HUB_UNAVAILABLE
    unknown = problems.UNKNOWN_REGISTRY
    opened = _json("The registry is open.", "Opened", _opened(), headers=["Location"])
    opened["content"]["text/plain"] = {"schema": _ref("schemas/Id"), "example": ID}
    add = {
        "200": _json(
            "The item is in the registry, and will be there when it closes.", "Added", _added()
        ),
        "202": _unknown(
            "Repeat with the itemKey as Idempotency-Key.", "Unconfirmed", _unconfirmed()
        ),
        **_refused(
            problems.INVALID_ITEM,
            problems.INVALID_KEY,
            unknown,
            problems.REGISTRY_CLOSED,
            problems.REGISTRY_FULL,
            problems.ITEM_REMOVED,
            problems.ITEM_TOO_LONG,
            problems.KEY_REUSED,
            hub,
        ),
    }
    finish = {
        "200": _json("The registry is closed.", "Shown", _shown(closed=True)),
        "202": _unknown("Repeat.", "Unknown", {"detail": "The registry is being closed."}),
        **_refused(unknown, hub),
    }
    removed = {"id": ID, "itemKey": KEY, "itemsCount": 0}
    remove = {
        "200": _json("No item with this key is in the registry or will be.", "Removed", removed),
        "202": _unknown("Repeat.", "Unknown", {"detail": "The item is being removed."}),
        **_refused(
            problems.INVALID_KEY, unknown, problems.REGISTRY_CLOSED, problems.REGISTRY_FULL, hub
        ),
    }
    process = {
        "202": _json(
            "It is being sent again: peek shows what comes of it.", "Processed", _shown(closed=True)
        ),
        **_refused(
            unknown, problems.REGISTRY_OPEN, problems.PROCESSING_OFF, problems.SENT_JUST_NOW, hub
        ),
    }
    process["202"]["headers"]["Retry-After"] = _headers()["Retry-After"] | {"required": False}
    paths = {
        "/open": _change("Open a registry", [], {"201": opened, **_refused(hub)}, "openRegistry"),
        "/add/{id}": _change(
            "Add an item to a registry", registry + item, add, "addToRegistry", _item_body()
        ),
        "/remove/{id}": {
            "post": _operation(
                "Take an item back",
                [*registry, _ref("parameters/itemKey")],
                remove,
                "removeFromRegistry",
                _key_body(),
            )
        },
        "/finish/{id}": _change("Close a registry", registry, finish, "finishRegistry"),
        "/process/{id}": {
            "post": _operation("Send a closed registry again", registry, process, "processRegistry")
        },
        "/peek/{id}": _kept(
            _show("Show a registry", registry, "Shown", _shown(), "peekAtRegistry", unknown, hub)
        ),
        "/stats": _kept(
            _show("Count registries and items", [], "Stats", _stats(), "getStats", hub)
        ),
        "/health": _show("Say whether the app can work", [], "Health", _health(), "getHealth", hub),
        "/openapi.json": _kept(
            _show("Describe this API", [], "Description", {"openapi": "3.1.0"}, "getDescription")
        ),
        "/docs": _kept(
            {
                "get": _operation(
                    "The API for people", [], {"200": _html("The documentation.", {})}, "getDocs"
                )
            }
        ),
        "/home": _kept(
            {
                "get": _operation(
                    "The page for people", [], {"200": _html("The page.", page.HEADERS)}, "getHome"
                )
            }
        ),
    }
    items = {"schema": {"type": "string"}, "example": f"{GIFT}\nZork Trilogy\n"}
    paths["/peek/{id}"]["get"]["responses"]["200"]["content"]["text/plain"] = items
    paths["/add/{id}"]["get"]["parameters"] = [
        *registry,
        required,
        _ref("parameters/idempotencyKey"),
    ]
    for path, operations in paths.items():
        for operation in operations.values():
            if path in ("/health", "/openapi.json", "/docs", "/home"):
                operation["security"] = []
            elif settings.auth_level == "function":
                operation["responses"]["401"] = {
                    "description": "The function key is missing or wrong."
                }
            unready = [problems.HUB_UNAVAILABLE] if "503" in operation["responses"] else []
            operation["responses"] |= _refused(*unready, problems.MISCONFIGURED)
            operation["description"] = CALLS[path]
            operation["tags"] = ["registries" if "Registry" in operation["operationId"] else "host"]
            if not any(status.startswith("4") for status in operation["responses"]):
                operation["responses"]["4XX"] = {
                    "description": "The host cannot read the request. There is no body."
                }
    return paths


def _operation(
    summary: str, parameters: list[Node], responses: Node, name: str, body: Node | None = None
) -> Node:
    operation = {
        "summary": summary,
        "operationId": name,
        "parameters": parameters,
        "responses": responses,
    }
    return operation | ({"requestBody": body} if body else {})


def _change(
    summary: str, parameters: list[Node], responses: Node, name: str, body: Node | None = None
) -> Node:
    """What changes state takes POST, and GET as the original does."""
    return {
        "post": _operation(summary, parameters, responses, name, body),
        "get": _operation(
            f"{summary} (POST is recommended)", parameters, responses, f"{name}ByGet"
        ),
    }


def _show(
    summary: str, parameters: list[Node], schema: str, example: Any, name: str, *kinds: ProblemType
) -> Node:
    responses = {"200": _json(f"{summary}.", schema, example), **_refused(*kinds)}
    return {"get": _operation(summary, parameters, responses, name)}


def _kept(path: Node) -> Node:
    """What the client may keep, and asks for again by its ETag."""
    operation = path["get"]
    operation["parameters"] = [*operation["parameters"], _ref("parameters/ifNoneMatch")]
    shown = operation["responses"]["200"]["headers"]
    shown |= {
        "Cache-Control": _ref("headers/Revalidate"),
        "ETag": _ref("headers/ETag"),
        "Vary": _ref("headers/Vary"),
    }
    operation["responses"]["304"] = {
        "description": "It is as the client has it.",
        "headers": dict(shown),
    }
    return path


def _html(description: str, promised: Mapping[str, str]) -> Node:
    headers = {
        name: {"required": True, "schema": {"const": value}}
        for name, value in promised.items()
        if name != "Content-Type"
    }
    media = {"schema": {"type": "string"}, "example": "<!doctype html>…"}
    return {"description": description, "headers": headers, "content": {"text/html": media}}


def _json(description: str, schema: str, example: Any, headers: list[str] | None = None) -> Node:
    media = {"schema": _ref(f"schemas/{schema}"), "example": example}
    names = ["Cache-Control", *(headers or [])]
    shown = {name: _ref(f"headers/{name}") for name in names}
    return {"description": description, "headers": shown, "content": {"application/json": media}}


def _unknown(what_to_do: str, schema: str, example: Any) -> Node:
    return _json(
        f"The outcome is not known yet. {what_to_do}", schema, example, headers=["Retry-After"]
    )


def _refused(*kinds: ProblemType) -> Node:
    """The answers for kinds of problems: one for each status."""
    answers: Node = {}
    for kind in kinds:
        same = [each for each in kinds if each.status == kind.status]
        headers = {"Cache-Control": _ref("headers/Cache-Control")}
        if kind in (problems.HUB_UNAVAILABLE, problems.MISCONFIGURED, problems.SENT_JUST_NOW):
            headers["Retry-After"] = _ref("headers/Retry-After")
        answers[str(kind.status)] = {
            "description": " or ".join(each.title for each in same) + ".",
            "headers": headers,
            "content": {
                "application/problem+json": {
                    "schema": _ref("schemas/Problem"),
                    "examples": {each.name: _ref(f"examples/{each.name}") for each in same},
                }
            },
        }
    return answers


def _item_body() -> Node:
    return {
        "description": "The item, unless it is in the query.",
        "content": {
            "application/json": {
                "schema": _ref("schemas/NewItem"),
                "example": {"item": GIFT},
            },
            FORM: {"schema": _ref("schemas/NewItemForm"), "example": {"item": GIFT}},
            "text/plain": {"schema": _ref("schemas/Item"), "example": GIFT},
        },
    }


def _key_body() -> Node:
    return {
        "description": "The key, unless it is in the query.",
        "content": {
            "application/json": {
                "schema": _ref("schemas/ItemToRemove"),
                "example": {"itemKey": KEY},
            },
            FORM: {"schema": _ref("schemas/ItemToRemoveForm"), "example": {"itemKey": KEY}},
        },
    }


def _parameters(settings: Settings) -> Node:
    return {
        "id": {
            "name": "id",
            "in": "path",
            "required": True,
            "schema": _ref("schemas/Id"),
            "example": ID,
        },
        "item": {
            "name": "item",
            "in": "query",
            "description": "The item; it wins over the body.",
            "schema": _ref("schemas/Item"),
            "example": GIFT,
        },
        "itemKey": {
            "name": "itemKey",
            "in": "query",
            "description": "The itemKey of the add; it wins over the body.",
            "schema": _ref("schemas/Key"),
            "example": KEY,
        },
        "ifNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of what the client has.",
            "schema": {"type": "string"},
            "example": 'W/"4bf92f3577b34da6a3ce929d0e0e4736"',
        },
        "idempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Adds with the same key and item are one item. Made at random where it is missing.",
            "schema": _ref("schemas/Key"),
            "example": KEY,
        },
    }


def _headers() -> Node:
    return {
        "Cache-Control": {"required": True, "schema": {"const": "no-store"}},
        "Revalidate": {
            "required": True,
            "description": "Ask again each time.",
            "schema": {"const": REVALIDATE},
        },
        "ETag": {
            "required": True,
            "description": "For If-None-Match.",
            "schema": {"type": "string"},
        },
        "Vary": {"required": True, "schema": {"const": VARY}},
        "Location": {
            "required": True,
            "description": "Where to peek at it.",
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "required": True,
            "description": "Seconds.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
    }


def _schemas(settings: Settings) -> Node:
    moment = {"type": "string", "format": "date-time", "description": "RFC 3339, in UTC."}
    count = {"type": "integer", "minimum": 0}
    text = {"type": "string"}
    url = {"type": "string", "format": "uri"}
    processing = {"enum": list(PROCESSING)}
    items = f"In order. A registry that is opened now takes {settings.max_items} at most."
    sent = {"id": _ref("schemas/Id"), "item": text, "itemKey": _ref("schemas/Key")}
    return {
        "Id": {
            "type": "string",
            "pattern": f"^{REGISTRY_ID.pattern}$",
            "description": "Who knows it may use it.",
        },
        "Item": {
            "type": "string",
            "minLength": 1,
            "maxLength": settings.max_item_length,
            "pattern": NOT_BLANK.pattern,
        },
        "Key": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
        "NewItem": _object({"item": _ref("schemas/Item")}),
        "NewItemForm": _object(
            {"item": _ref("schemas/Item")}
        ),  # of its own: generators make one class of one schema
        "ItemToRemove": _object({"itemKey": _ref("schemas/Key")}),
        "ItemToRemoveForm": _object({"itemKey": _ref("schemas/Key")}),
        "Registry": _object(
            {
                "id": _ref("schemas/Id"),
                "items": {"type": "array", "items": text, "description": items},
                "openedAt": moment,
                "closesAt": moment,
                "closedAt": {"anyOf": [moment, {"type": "null"}]},
                "closedBy": {"enum": ["user", "timeout", None]},
                "processing": processing,
            }
        ),
        "Shown": _object(
            {
                "status": {"enum": ["Open", "Closing", "Closed"]},
                "registry": _ref("schemas/Registry"),
            }
        ),
        "Processed": {"anyOf": [_ref("schemas/Shown"), _ref("schemas/Unknown")]},
        "Opened": _object(
            {
                "id": _ref("schemas/Id"),
                "status": {"const": "Open"},
                "openedAt": moment,
                "closesAt": moment,
                "links": _object({"add": url, "finish": url, "peek": url}),
            }
        ),
        "Added": _object(sent | {"itemsCount": count}),
        "Removed": _object(
            {"id": _ref("schemas/Id"), "itemKey": _ref("schemas/Key"), "itemsCount": count}
        ),
        "Unconfirmed": _object(sent | {"detail": text}),
        "Unknown": _object({"detail": text}),
        "Stats": _object(
            {
                "registryCount": count,
                "itemsCount": count,
                "openCount": count,
                "closedCount": count,
                "processing": _object(dict.fromkeys(PROCESSING, count)),
            }
        ),
        "Health": _object({"status": {"const": "Healthy"}, "version": text}),
        "Description": {"type": "object", "required": ["openapi"], "properties": {"openapi": text}},
        "Problem": {
            "type": "object",
            "description": "RFC 9457. The detail ends with what to do next. Where the task hub is unavailable there is "
            "also what the retry of an add needs, or the version of the app; so it is where settings are not allowed.",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"enum": [kind.uri for kind in _problems(settings)]},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                **sent,
                "version": text,
            },
        },
    }


def _object(properties: Node) -> Node:
    """An object with just these properties."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _ref(name: str) -> Node:
    return {"$ref": f"#/components/{name}"}


def _opened() -> Node:
    links = {name: f"http://127.0.0.1:7071/api/{name}/{ID}" for name in ("add", "finish", "peek")}
    return {
        "id": ID,
        "status": "Open",
        "openedAt": OPENED_AT,
        "closesAt": CLOSES_AT,
        "links": links,
    }


def _added() -> Node:
    return {"id": ID, "item": GIFT, "itemKey": KEY, "itemsCount": 1}


def _unconfirmed() -> Node:
    return {
        "id": ID,
        "item": GIFT,
        "itemKey": KEY,
        "detail": "The item was sent, but is not yet known to be in.",
    }


def _shown(closed: bool = False) -> Node:
    registry = {
        "id": ID,
        "items": [GIFT, "Zork Trilogy"],
        "openedAt": OPENED_AT,
        "closesAt": CLOSES_AT,
        "closedAt": CLOSED_AT if closed else None,
        "closedBy": "user" if closed else None,
        "processing": "pending",
    }
    return {"status": "Closed" if closed else "Open", "registry": registry}


def _stats() -> Node:
    processing = {"off": 0, "pending": 0, "delivered": 1, "failed": 0}
    return {
        "registryCount": 2,
        "itemsCount": 3,
        "openCount": 1,
        "closedCount": 1,
        "processing": processing,
    }


def _health() -> Node:
    return {"status": "Healthy", "version": __version__}
