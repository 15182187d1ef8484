"""One instance in the management API: starts, shows and purges it. An entity is an instance too."""

import json
from datetime import datetime
from typing import Any

from devhost.engine.client import DurableClient
from devhost.management.histories import shown_history
from devhost.management.messages import (
    ManagementRequest,
    ManagementResponse,
    error,
    storage_error,
)
from devhost.management.urls import instance_url, management_urls
from devhost.replay.json_text import written
from devhost.replay.lenient_json import read
from devhost.storage.rows import ENDED, Instance, is_entity

LONGEST_ID = 512
"""Characters; a key of Azure Storage has at most 1 KiB."""


def start(
    client: DurableClient, request: ManagementRequest, now: datetime, name: str, id: str | None
) -> ManagementResponse:
    """Start an instance. That of an orchestrator that does not exist is started, and fails."""
    input = read(request.body) if request.body else None
    if reason := why_in_use(client, id):
        return error(409, reason)
    return create(client, request, now, name, input, id)


def why_in_use(client: DurableClient, id: str | None) -> str | None:
    """Why no instance can be started under this id, or None if one can."""
    existing = client.store.instance(id) if id else None
    if existing is None or existing.status in ENDED:
        return None
    return f"An Orchestration instance with the status {existing.status} already exists."


def create(
    client: DurableClient,
    request: ManagementRequest,
    now: datetime,
    name: str,
    input: str | None,
    id: str | None,
) -> ManagementResponse:
    """Start an instance; without an id it gets a new one."""
    if id is not None and len(id) > LONGEST_ID:
        return storage_error()
    if id is not None and is_entity(id):
        return error(400, "One or more of the arguments submitted is incorrect")

    id = client.start(name, input, now, id, request.query.get("version", ""))

    urls = management_urls(request.origin, client.config.hub_name, id)
    headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
    del urls["rewindPostUri"]  # the real host leaves it out here
    return ManagementResponse(202, written(urls), headers, awaited=id)


def ended(client: DurableClient, request: ManagementRequest, id: str) -> ManagementResponse | None:
    """The response to a request that waits for the end of an instance; None until it has ended."""
    instance = client.store.instance(id)
    if instance is None or instance.status not in ENDED:
        return None
    if instance.status == "Completed":
        return ManagementResponse(200, instance.output or "null")
    return _shown_status(client, request, instance)


def status(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    """Show the status of an instance: 202 until it has ended."""
    instance = find(client, id)
    return ManagementResponse(404) if instance is None else _shown_status(client, request, instance)


def find(client: DurableClient, id: str) -> Instance | None:
    """The instance, or the entity, with this id."""
    return client.store.entity_instance(id) if is_entity(id) else client.store.instance(id)


def _shown_status(
    client: DurableClient, request: ManagementRequest, instance: Instance
) -> ManagementResponse:
    with_input = request.flag("showInput", default=True)
    shown = shown_instance(instance, with_input)
    if request.flag("showHistory") and instance.status != "Pending":
        pages = client.store.history(instance.id)
        with_output = request.flag("showHistoryOutput")
        shown["historyEvents"] = shown_history(pages, with_input, with_output)

    body = written(shown)
    if instance.status not in ENDED:
        headers = {"Location": instance_url(request.origin, instance.id), "Retry-After": "5"}
        return ManagementResponse(202, body, headers)

    is_failure = instance.status == "Failed" and request.flag("returnInternalServerErrorOnFailure")
    return ManagementResponse(500 if is_failure else 200, body)


def shown_instance(instance: Instance, with_input: bool) -> dict[str, Any]:
    """An instance as a status or a list shows it."""
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


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _to_seconds(at: str) -> str:
    return f"{at[:19]}Z"


def purge(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    """Delete an instance that has ended, or an entity."""
    instance = find(client, id)
    if instance is None:
        return ManagementResponse(404)
    if not is_entity(id) and instance.status not in ENDED:
        message = (
            "Only orchestrations in a terminal state can be purged, "
            f"but the orchestration with instance ID {id} has status {instance.status}"
        )
        return ManagementResponse(412, written(message))

    client.store.purge(id)
    client.store.reclaim_space()
    return ManagementResponse(200, written({"instancesDeleted": 1}))
