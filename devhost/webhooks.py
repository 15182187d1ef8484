"""The Durable HTTP management API under /runtime/webhooks/durabletask: status codes and bodies as HttpApiHandler
of the Durable extension gives them, for what the SDK's client calls.

https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from devhost.engine import ENDED, Engine
from devhost.store import Instance

PREFIX = "/runtime/webhooks/durabletask/"
HUB = "taskHub=devhost&connection=Storage"
LONGEST_INSTANCE_ID = 100
FORBIDDEN_IN_ID = set("/\\#?")


@dataclass(frozen=True)
class Call:
    """A request to the management API. `path` is what follows the prefix, still percent-encoded."""

    method: str
    path: str
    origin: str
    query: dict[str, str] = field(default_factory=dict)
    body: str = ""
    is_json: bool = True


@dataclass(frozen=True)
class Reply:
    """An answer: the status, a body in JSON (or none), and headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def handle(engine: Engine, call: Call, now: datetime) -> Reply:
    """Do what the request asks, by the engine. Writes belong into the caller's transaction."""
    parts = [unquote(part) for part in call.path.strip("/").split("/")]
    try:
        match call.method, [parts[0].lower(), *parts[1:]]:
            case "POST", ["orchestrators", name]:
                return _start(engine, call, now, name, None)
            case "POST", ["orchestrators", name, id]:
                return _start(engine, call, now, name, id)
            case "GET", ["instances", id]:
                return _status(engine, call, id)
            case "DELETE", ["instances", id]:
                return _purge(engine, id)
            case "POST", ["instances", id, operation, name] if operation.lower() == "raiseevent":
                return _raise_event(engine, call, now, id, name)
            case "POST", ["instances", id, operation] if operation.lower() == "terminate":
                return _terminate(engine, call, now, id)
            case "GET", ["entities", name, key]:
                return _read_entity(engine, name, key)
            case "POST" | "DELETE", ["entities", name, key]:
                return _signal(engine, call, now, name, key)
    except (ValueError, RecursionError) as error:  # a body that is not JSON, an id that may not be
        return _error(400, str(error))
    return _error(404, f"devhost does not serve {call.method} {PREFIX}{call.path}")


def client_binding(origin: str) -> str:
    """What a durableClient parameter gets: where the SDK's client finds this API, as JSON."""
    base = origin + PREFIX.rstrip("/")
    binding = {
        "taskHubName": "devhost",
        "creationUrls": {
            "createNewInstancePostUri": f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]?",
            "createAndWaitOnNewInstancePostUri": f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
            "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&",
        },
        "managementUrls": _management_urls(origin, "INSTANCEID"),
        "baseUrl": base,
        "requiredQueryStringParameters": "",
        "rpcBaseUrl": f"{base}/",
    }
    return json.dumps(binding)


def _management_urls(origin: str, id: str) -> dict[str, str]:
    instance = f"{origin}{PREFIX}instances/{id}"
    return {
        "id": id,
        "statusQueryGetUri": f"{instance}?{HUB}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{HUB}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{HUB}",
        "purgeHistoryDeleteUri": f"{instance}?{HUB}",
    }


def _start(engine: Engine, call: Call, now: datetime, name: str, id: str | None) -> Reply:
    if name.casefold() not in engine.functions.orchestrators:
        message = f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function."
        return _error(400, "One or more of the arguments submitted is incorrect", ExceptionMessage=message)
    if id is not None:
        _check_instance_id(id)
        existing = engine.store.instance(id)
        if existing is not None and existing.status not in ENDED:
            message = f"An Orchestration instance with the status {existing.status} already exists."
            return _error(500, "Something went wrong while processing your request", ExceptionMessage=message)
    input = None
    if call.body:
        json.loads(call.body)
        input = call.body
    urls = _management_urls(call.origin, engine.start(name, input, now, id))
    return Reply(202, json.dumps(urls), {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})


def _check_instance_id(id: str) -> None:
    if id.startswith("@"):
        raise ValueError("Orchestration instance ids must not start with @.")
    if FORBIDDEN_IN_ID.intersection(id) or any(ord(character) < 32 for character in id):
        raise ValueError("Orchestration instance ids must not contain /, \\, #, ?, or control characters.")
    if len(id) > LONGEST_INSTANCE_ID:
        raise ValueError(f"Instance ID lengths must not exceed {LONGEST_INSTANCE_ID} characters.")


def _status(engine: Engine, call: Call, id: str) -> Reply:
    instance = engine.store.instance(id)
    if instance is None:
        return Reply(404)
    shown = _shown(instance, with_input=_flag(call, "showInput", default=True))
    if _flag(call, "showHistory", default=False):
        shown["historyEvents"] = json.loads(f"[{','.join(engine.store.history(id))}]")
    body = json.dumps(shown)
    if instance.status in ENDED:
        return Reply(200, body)
    location = _management_urls(call.origin, id)["statusQueryGetUri"]
    return Reply(202, body, {"Location": location, "Retry-After": "5"})


def _shown(instance: Instance, with_input: bool) -> dict[str, Any]:
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": instance.status,
        "input": _parsed(instance.input) if with_input else None,
        "customStatus": _parsed(instance.custom_status),
        "output": _parsed(instance.output),
        "createdTime": _to_seconds(instance.created),
        "lastUpdatedTime": _to_seconds(instance.updated),
    }


def _purge(engine: Engine, id: str) -> Reply:
    if engine.store.instance(id) is None:
        return Reply(404)
    engine.store.purge_instance(id)
    return Reply(200, json.dumps({"instancesDeleted": 1}))


def _raise_event(engine: Engine, call: Call, now: datetime, id: str, name: str) -> Reply:
    def send() -> None:
        json.loads(call.body)
        engine.raise_event(id, name, call.body, now)

    if not call.is_json:
        return _error(400, "Only application/json request content is supported")
    return _to_running(engine, id, send)


def _terminate(engine: Engine, call: Call, now: datetime, id: str) -> Reply:
    return _to_running(engine, id, lambda: engine.terminate(id, call.query.get("reason", ""), now))


def _to_running(engine: Engine, id: str, send: Callable[[], None]) -> Reply:
    instance = engine.store.instance(id)
    if instance is None:
        return Reply(404)
    if instance.status in ENDED:
        return Reply(410)
    send()
    return Reply(202)


def _read_entity(engine: Engine, name: str, key: str) -> Reply:
    state = engine.store.entity(_entity_id(name, key))
    return Reply(404) if state is None else Reply(200, state)


def _signal(engine: Engine, call: Call, now: datetime, name: str, key: str) -> Reply:
    input = call.body or None
    if input is not None:
        if call.is_json:
            json.loads(input)
        else:
            input = json.dumps(input)
    if name.casefold() not in engine.functions.entities:
        raise ValueError(f"The function '{name}' doesn't exist, is disabled, or is not an entity function.")
    operation = "delete" if call.method == "DELETE" else call.query.get("op", "")
    engine.signal(_entity_id(name, key), operation, input, now)
    return Reply(202)


def _entity_id(name: str, key: str) -> str:
    if FORBIDDEN_IN_ID.intersection(key) or any(ord(character) < 32 for character in key):
        raise ValueError("Entity keys must not contain /, \\, #, ?, or control characters.")
    return f"@{name.lower()}@{key}"


def _flag(call: Call, name: str, default: bool) -> bool:
    value = call.query.get(name, "").lower()
    return value == "true" if value in ("true", "false") else default


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _to_seconds(at: str) -> str:
    return f"{at[:19]}Z"


def _error(status: int, message: str, **details: str) -> Reply:
    return Reply(status, json.dumps({"Message": message} | details))
