"""The Durable HTTP management API under /runtime/webhooks/durabletask: URLs, status codes and
bodies as HttpApiHandler of the Durable extension has them.

https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
"""

import asyncio
import math
from datetime import datetime
from urllib.parse import unquote

from devhost.engine.client import DurableClient, Unsendable
from devhost.host import Host
from devhost.management import entities, instances, lists
from devhost.management.calls import Call, Handler, Reply, error, storage_error
from devhost.management.lists import CONTINUATION
from devhost.management.urls import PREFIX, client_binding
from devhost.replay.lenient_json import InvalidJson

__all__ = [
    "CONTINUATION",
    "PREFIX",
    "Call",
    "Management",
    "Reply",
    "client_binding",
    "handle",
    "patience",
]

SHORTEST_INTERVAL = 0.05
"""Seconds between two looks at an instance, whatever a request asks for."""


class Management:
    """The management API of a host's task hub."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def answer(self, call: Call) -> Reply:
        """Do what a request asks, and answer it. Raises StoreError."""
        if call.method == "GET":
            return self._host.look(lambda client, now: handle(client, call, now))
        reply = await self._host.submit(lambda client, now: handle(client, call, now))
        wait = patience(call)
        if reply.awaited is None or wait is None:
            return reply
        if wait[1] > wait[0]:
            return error(
                400, f"Total timeout {wait[0]:g} should be bigger than retry timeout {wait[1]:g}"
            )
        return await self._end_of(reply.awaited, call, *wait) or reply

    async def _end_of(self, id: str, call: Call, seconds: float, interval: float) -> Reply | None:
        """The reply once an instance has ended, or None if that takes too long."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds
        while (
            reply := await self._host.submit(lambda client, now: instances.ended(client, call, id))
        ) is None:
            remaining = give_up - loop.time()
            if remaining <= 0:
                break
            await asyncio.sleep(min(max(interval, SHORTEST_INTERVAL), remaining))
        return reply


def patience(call: Call) -> tuple[float, float] | None:
    """For how many seconds a request wants to wait for the end of what it starts, looking how
    often; or not at all.
    """
    try:
        wanted = float(call.query["timeout"]), float(call.query["pollingInterval"])
    except (KeyError, ValueError):
        return None
    return wanted if all(map(math.isfinite, wanted)) and wanted[0] > 0 else None


def handle(client: DurableClient, call: Call, now: datetime) -> Reply:
    """Do what a request asks. Writes belong in the transaction of the caller."""
    parts = [unquote(part).replace("+", " ") for part in call.path.strip("/").split("/")]
    parts[0] = parts[0].lower()
    if any("/" in part for part in parts):
        return Reply(404)
    try:
        return _route(client, call, now, parts)
    except InvalidJson as invalid:
        return error(
            400, "Invalid JSON content", str(invalid), "Newtonsoft.Json.JsonReaderException"
        )
    except Unsendable:
        return storage_error()


def _route(client: DurableClient, call: Call, now: datetime, parts: list[str]) -> Reply:
    match call.method, parts:
        case "POST", ["orchestrators", name, *ids] if len(ids) < 2:
            return instances.start(client, call, now, name, ids[0] if ids else None)
        case method, ["instances"] if method in INSTANCES:
            return INSTANCES[method](client, call, now, "")
        case method, ["instances", id] if method in INSTANCE:
            return INSTANCE[method](client, call, now, id)
        case "POST", ["instances", id, operation] if operation.lower() in instances.OPERATIONS:
            return instances.OPERATIONS[operation.lower()](client, call, now, id)
        case "POST", ["instances", id, operation, name] if operation.lower() == "raiseevent":
            return instances.raise_event(client, call, id, name)
        case "GET", ["entities", *names] if len(names) < 2:
            return lists.entities(client, call, names[0] if names else "")
        case "GET", ["entities", name, key]:
            return entities.read_state(client, name, key)
        case "POST" | "DELETE", ["entities", name, key]:
            return entities.signal(client, call, name, key)
    return Reply(404)


INSTANCES: dict[str, Handler] = {"GET": lists.instances, "DELETE": lists.purge}
INSTANCE: dict[str, Handler] = {"GET": instances.status, "DELETE": instances.purge}
