"""The Durable HTTP management API under /runtime/webhooks/durabletask: URLs, status codes and bodies as HttpApiHandler
of the Durable extension has them.

https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
"""

import asyncio
import base64
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import quote, unquote

from devhost.engine import DEFAULT_HUB, Engine
from devhost.host import Host
from devhost.protocol import OrchestrationError, timestamp
from devhost.server.histories import shown_history
from devhost.store import Instance, Query, RuntimeStatus
from devhost.turns import check_instance_id, has_forbidden, in_use
from devhost.work import ENDED, unknown_function

PREFIX = "/runtime/webhooks/durabletask/"
PAGE = 100
"""Instances or entities that a list shows at once, if the request names no other number."""
CONTINUATION = "x-ms-continuation-token"
SHORTEST_INTERVAL = 0.05
"""Seconds between two looks at an instance, whatever a request asks for."""


@dataclass(frozen=True)
class Call:
    """A request to the management API. `path` is what follows the prefix, still percent-encoded."""

    method: str
    path: str
    origin: str
    query: dict[str, str] = field(default_factory=dict)
    body: str = ""
    is_json: bool = True
    continuation: str = ""
    """The token with which an earlier list ended."""


@dataclass(frozen=True)
class Reply:
    """An answer: the status, a body in JSON (or none), and headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    awaited: str | None = None
    """The instance that was started: a request with `patience` waits for its end, of which `ended` has the reply."""


Handler = Callable[[Engine, Call, datetime, str], Reply]


class Management:
    """The management API of a host's task hub."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def answer(self, call: Call) -> Reply:
        """Do what a request asks, and answer it. Raises StoreError."""
        if call.method == "GET":
            return self._host.look(lambda engine, now: handle(engine, call, now))
        reply = await self._host.submit(lambda engine, now: handle(engine, call, now))
        wait = patience(call)
        if reply.awaited is None or wait is None:
            return reply
        return await self._end_of(reply.awaited, call, *wait) or reply

    async def _end_of(self, id: str, call: Call, seconds: float, interval: float) -> Reply | None:
        """The reply once an instance has ended, or None if that takes too long."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds
        while (reply := await self._host.submit(lambda engine, now: ended(engine, call, id))) is None:
            remaining = give_up - loop.time()
            if remaining <= 0:
                break
            await asyncio.sleep(min(max(interval, SHORTEST_INTERVAL), remaining))
        return reply


def handle(engine: Engine, call: Call, now: datetime) -> Reply:
    """Do what the request asks, by the engine. Writes belong into the caller's transaction."""
    parts = [unquote(part) for part in call.path.strip("/").split("/")]
    parts[0] = parts[0].lower()
    try:
        match call.method, parts:
            case "POST", ["orchestrators", name, *ids] if len(ids) < 2:
                return _start(engine, call, now, name, ids[0] if ids else None)
            case method, ["instances"] if method in INSTANCES:
                return INSTANCES[method](engine, call, now, "")
            case method, ["instances", id] if method in INSTANCE:
                return INSTANCE[method](engine, call, now, id)
            case "POST", ["instances", id, operation] if operation.lower() in OPERATIONS:
                return OPERATIONS[operation.lower()](engine, call, now, id)
            case "POST", ["instances", id, operation, name] if operation.lower() == "raiseevent":
                return _raise_event(engine, call, now, id, name)
            case "GET", ["entities", *names] if len(names) < 2:
                return _list_entities(engine, call, names[0] if names else "")
            case "GET", ["entities", name, key]:
                return _read_entity(engine, name, key)
            case "POST" | "DELETE", ["entities", name, key]:
                return _signal(engine, call, now, name, key)
    except (ValueError, RecursionError, OrchestrationError) as error:  # a body that is not JSON, an id that may not be
        return _error(400, "One or more of the arguments submitted is incorrect", ExceptionMessage=str(error))
    return Reply(404)


def client_binding(origin: str, hub: str = DEFAULT_HUB) -> str:
    """What a durableClient parameter gets: where the SDK's client finds this API, as JSON."""
    base = origin + PREFIX.rstrip("/")
    binding = {
        "taskHubName": hub,
        "creationUrls": {
            "createNewInstancePostUri": f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]?",
            "createAndWaitOnNewInstancePostUri": f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
            "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&",
        },
        "managementUrls": _management_urls(origin, hub, "INSTANCEID"),
        "baseUrl": base,
        "requiredQueryStringParameters": "",
        "rpcBaseUrl": f"{base}/",
    }
    return json.dumps(binding)


def _management_urls(origin: str, hub: str, id: str) -> dict[str, str]:
    parameters = f"taskHub={hub}&connection=Storage"
    instance = f"{origin}{PREFIX}instances/{quote(id, safe='')}"
    return {
        "id": id,
        "statusQueryGetUri": f"{instance}?{parameters}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{parameters}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{parameters}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&{parameters}",
        "purgeHistoryDeleteUri": f"{instance}?{parameters}",
        "restartPostUri": f"{instance}/restart?{parameters}",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&{parameters}",
        "resumePostUri": f"{instance}/resume?reason={{text}}&{parameters}",
    }


def _start(engine: Engine, call: Call, now: datetime, name: str, id: str | None) -> Reply:
    if call.body:
        json.loads(call.body)
    return _create(engine, call, now, name, call.body or None, id)


def _create(engine: Engine, call: Call, now: datetime, name: str, input: str | None, id: str | None) -> Reply:
    if name.casefold() not in engine.functions.orchestrators:
        raise unknown_function(name, "orchestrator")
    if id is not None:
        check_instance_id(id)
        if reason := in_use(engine.store, id):
            return _error(500, "Something went wrong while processing your request", ExceptionMessage=reason)
    id = engine.start(name, input, now, id, call.query.get("version", ""))
    return _check_status(engine, call, id)


def patience(call: Call) -> tuple[float, float] | None:
    """For how many seconds a request wants to wait for the end of what it starts, looking how often; or not at all."""
    try:
        wanted = float(call.query["timeout"]), float(call.query["pollingInterval"])
    except (KeyError, ValueError):
        return None
    return wanted if all(map(math.isfinite, wanted)) else None


def _check_status(engine: Engine, call: Call, id: str) -> Reply:
    """Where to look after an instance."""
    urls = _management_urls(call.origin, engine.hub, id)
    headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
    shown = {name: url for name, url in urls.items() if name != "rewindPostUri"}
    return Reply(202, json.dumps(shown), headers, awaited=id)


def ended(engine: Engine, call: Call, id: str) -> Reply | None:
    """What a request that waited for the end of an instance is answered; None while there is no end."""
    instance = engine.store.instance(id)
    if instance is None or instance.status not in ENDED:
        return None
    if instance.status == "Completed":
        return Reply(200, instance.output or "null")
    return _status(engine, call, id)


def _status(engine: Engine, call: Call, id: str) -> Reply:
    instance = engine.store.instance(id)
    if instance is None:
        return Reply(404)
    with_input = _flag(call, "showInput", default=True)
    shown = _shown(instance, with_input)
    if _flag(call, "showHistory") and instance.status != "Pending":
        shown["historyEvents"] = shown_history(engine.store.history(id), with_input, _flag(call, "showHistoryOutput"))
    body = json.dumps(shown)
    if instance.status in ENDED:
        failed = instance.status == "Failed" and _flag(call, "returnInternalServerErrorOnFailure")
        return Reply(500 if failed else 200, body)
    location = _management_urls(call.origin, engine.hub, id)["statusQueryGetUri"]
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


def _list_instances(engine: Engine, call: Call, now: datetime, _: str) -> Reply:
    found = engine.store.instances(_query(call, prefix=call.query.get("instanceIdPrefix", "")))
    with_input = _flag(call, "showInput", default=True)
    return _page(call, [(each.id, _shown(each, with_input)) for each in found])


def _list_entities(engine: Engine, call: Call, name: str) -> Reply:
    found = engine.store.entities(_query(call, prefix=f"@{name.lower()}@" if name else "@"))
    listed: list[tuple[str, dict[str, Any]]] = []
    for entity in found:
        _, name, key = entity.id.split("@", 2)
        shown: dict[str, Any] = {"entityId": {"name": name, "key": key}, "lastOperationTime": entity.updated}
        if _flag(call, "fetchState"):
            shown["state"] = json.loads(entity.state)
        listed.append((entity.id, shown))
    return _page(call, listed)


def _query(call: Call, prefix: str) -> Query:
    """What the filters of a list ask for, and one more, which tells whether there are more."""
    statuses = tuple(
        status
        for status in get_args(RuntimeStatus)
        if status in [each.strip() for each in call.query.get("runtimeStatus", "").split(",")]
    )
    query = Query(
        prefix=prefix,
        created_from=_moment(call, "createdTimeFrom") or _moment(call, "lastOperationTimeFrom") or "",
        created_to=_moment(call, "createdTimeTo") or _moment(call, "lastOperationTimeTo") or "~",
        statuses=statuses,
        limit=_page_size(call) + 1,
    )
    return replace(query, after=_after(call))


def _after(call: Call) -> str:
    """The id that ended the page before; its token has a space at the end, so that there is one for none as well."""
    return base64.urlsafe_b64decode(call.continuation.encode()).decode()[:-1]


def _page_size(call: Call) -> int:
    top = call.query.get("top", "")
    return int(top) if top.isdecimal() and int(top) <= 1000 else PAGE


def _page(call: Call, found: list[tuple[str, dict[str, Any]]]) -> Reply:
    page = found[: _page_size(call)]
    if len(page) == len(found):
        return Reply(200, json.dumps([shown for _, shown in page]))
    last = page[-1][0] if page else _after(call)
    token = base64.urlsafe_b64encode(f"{last} ".encode()).decode()
    return Reply(200, json.dumps([shown for _, shown in page]), {CONTINUATION: token})


def _purge(engine: Engine, call: Call, now: datetime, id: str) -> Reply:
    if engine.store.instance(id) is None and engine.store.entity(id) is None:
        return Reply(404)
    engine.store.purge_instance(id)
    engine.store.save_entity(id, None, timestamp(now))
    engine.store.reclaim_space()
    return Reply(200, json.dumps({"instancesDeleted": 1}))


def _purge_by_filter(engine: Engine, call: Call, now: datetime, _: str) -> Reply:
    """Purge the instances that match; those that have not ended never do."""
    if _moment(call, "createdTimeFrom") is None:
        return Reply(400, json.dumps("Please provide value for 'createdTimeFrom' parameter."))
    query = _query(call, prefix="")
    statuses = tuple(status for status in query.statuses or tuple(ENDED) if status in ENDED)
    query = replace(query, statuses=statuses, limit=PAGE)
    deleted = 0
    while statuses and (page := engine.store.instances(query)):
        for instance in page:
            engine.store.purge_instance(instance.id)
        deleted += len(page)
    engine.store.reclaim_space()
    return Reply(200, json.dumps({"instancesDeleted": deleted})) if deleted else Reply(404)


def _raise_event(engine: Engine, call: Call, now: datetime, id: str, name: str) -> Reply:
    def send() -> None:
        json.loads(call.body)
        engine.raise_event(id, name, call.body)

    if not call.is_json:
        return _error(400, "Only application/json request content is supported")
    return _to_running(engine, id, send)


def _with_reason(operation: Callable[[Engine, str, str], None]) -> Handler:
    """A handler for an operation on an instance that has not ended, which takes a reason."""

    def handler(engine: Engine, call: Call, now: datetime, id: str) -> Reply:
        return _to_running(engine, id, lambda: operation(engine, id, call.query.get("reason", "")))

    return handler


def _to_running(engine: Engine, id: str, send: Callable[[], None]) -> Reply:
    instance = engine.store.instance(id)
    if instance is None:
        return Reply(404)
    if instance.status in ENDED:
        return Reply(410)
    send()
    return Reply(202)


def _rewind(engine: Engine, call: Call, now: datetime, id: str) -> Reply:
    instance = engine.store.instance(id)
    if instance is None:
        return Reply(404)
    if instance.status in ("Completed", "Terminated"):
        return Reply(410)
    if instance.status != "Failed":
        raise ValueError("The rewind operation is only supported on failed orchestration instances.")
    engine.rewind(id, call.query.get("reason", ""), now)
    return Reply(202)


def _restart(engine: Engine, call: Call, now: datetime, id: str) -> Reply:
    instance = engine.store.instance(id)
    if instance is None:
        return _error(400, "InstanceId does not match a valid orchestration instance.")
    new = _flag(call, "restartWithNewInstanceId", default=True)
    return _create(engine, call, now, instance.name, instance.input, None if new else id)


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
        raise unknown_function(name, "entity")
    operation = "delete" if call.method == "DELETE" else call.query.get("op", "")
    engine.signal(_entity_id(name, key), operation, input)
    return Reply(202)


def _entity_id(name: str, key: str) -> str:
    if has_forbidden(key):
        raise ValueError("Entity keys must not contain /, \\, #, ?, or control characters.")
    return f"@{name.lower()}@{key}"


def _flag(call: Call, name: str, default: bool = False) -> bool:
    value = call.query.get(name, "").lower()
    return value == "true" if value in ("true", "false") else default


def _moment(call: Call, name: str) -> str | None:
    """A moment in the query as the store has it; like the real API, one that is none counts as missing."""
    try:
        moment = datetime.fromisoformat(call.query[name])
    except (KeyError, ValueError):
        return None
    return timestamp(moment.astimezone(UTC) if moment.tzinfo else moment)


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _to_seconds(at: str) -> str:
    return f"{at[:19]}Z"


def _error(status: int, message: str, **details: str) -> Reply:
    return Reply(status, json.dumps({"Message": message} | details))


INSTANCES: dict[str, Handler] = {"GET": _list_instances, "DELETE": _purge_by_filter}
INSTANCE: dict[str, Handler] = {"GET": lambda engine, call, now, id: _status(engine, call, id), "DELETE": _purge}
OPERATIONS: dict[str, Handler] = {
    "terminate": _with_reason(Engine.terminate),
    "suspend": _with_reason(Engine.suspend),
    "resume": _with_reason(Engine.resume),
    "rewind": _rewind,
    "restart": _restart,
}
