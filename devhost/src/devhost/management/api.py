"""The Durable management API under /runtime/webhooks/durabletask.

Paths, status codes and bodies are those of HttpApiHandler in the Durable extension:

https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
"""

import asyncio
import math
from datetime import datetime
from urllib.parse import unquote

from devhost.engine.client import DurableClient, Unsendable
from devhost.host import Host
from devhost.management import entities, instances, lists, operations
from devhost.management.messages import (
    Handler,
    ManagementRequest,
    ManagementResponse,
    error,
    storage_error,
)
from devhost.replay.lenient_json import InvalidJson

SHORTEST_INTERVAL = 0.05
"""Seconds between two reads of an instance's status, even if a request asks for less."""


class ManagementApi:
    """The management API of a host's task hub."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def answer(self, request: ManagementRequest) -> ManagementResponse:
        """Answer a request. Raises StoreError."""
        if request.method == "GET":
            return self._host.look(lambda client, now: handle(client, request, now))
        response = await self._host.submit(lambda client, now: handle(client, request, now))

        wait = _wait_of(request)
        if response.awaited is None or wait is None:
            return response

        timeout, interval = wait
        if interval > timeout:
            return error(
                400, f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g}"
            )
        return await self._wait_for_end(response.awaited, request, timeout, interval) or response

    async def _wait_for_end(
        self, id: str, request: ManagementRequest, seconds: float, interval: float
    ) -> ManagementResponse | None:
        """The response once an instance has ended; None if that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            response = await self._host.submit(
                lambda client, now: instances.ended(client, request, id)
            )
            remaining = deadline - loop.time()
            if response is not None or remaining <= 0:
                return response
            await asyncio.sleep(min(max(interval, SHORTEST_INTERVAL), remaining))


def _wait_of(request: ManagementRequest) -> tuple[float, float] | None:
    """How long a start wants to wait for the instance's end, and its polling interval, in seconds.

    None if it does not wait.
    """
    try:
        wanted = float(request.query["timeout"]), float(request.query["pollingInterval"])
    except (KeyError, ValueError):
        return None
    return wanted if all(map(math.isfinite, wanted)) and wanted[0] > 0 else None


def handle(client: DurableClient, request: ManagementRequest, now: datetime) -> ManagementResponse:
    """Answer a request, within the caller's transaction."""
    parts = [unquote(part).replace("+", " ") for part in request.path.strip("/").split("/")]
    parts[0] = parts[0].lower()
    if any("/" in part for part in parts):
        return ManagementResponse(404)
    try:
        return _route(client, request, now, parts)
    except InvalidJson as invalid:
        return error(
            400, "Invalid JSON content", str(invalid), "Newtonsoft.Json.JsonReaderException"
        )
    except Unsendable:
        return storage_error()


def _route(
    client: DurableClient, request: ManagementRequest, now: datetime, parts: list[str]
) -> ManagementResponse:
    match request.method, parts:
        case "POST", ["orchestrators", name, *ids] if len(ids) < 2:
            return instances.start(client, request, now, name, ids[0] if ids else None)
        case method, ["instances"] if method in INSTANCES:
            return INSTANCES[method](client, request, now, "")
        case method, ["instances", id] if method in INSTANCE:
            return INSTANCE[method](client, request, now, id)
        case "POST", ["instances", id, operation] if operation.lower() in operations.OPERATIONS:
            return operations.OPERATIONS[operation.lower()](client, request, now, id)
        case "POST", ["instances", id, operation, name] if operation.lower() == "raiseevent":
            return operations.raise_event(client, request, id, name)
        case "GET", ["entities", *names] if len(names) < 2:
            return lists.entities(client, request, names[0] if names else "")
        case "GET", ["entities", name, key]:
            return entities.read_state(client, name, key)
        case "POST" | "DELETE", ["entities", name, key]:
            return entities.signal(client, request, name, key)
    return ManagementResponse(404)


INSTANCES: dict[str, Handler] = {"GET": lists.instances, "DELETE": lists.purge}
INSTANCE: dict[str, Handler] = {"GET": instances.status, "DELETE": instances.purge}
