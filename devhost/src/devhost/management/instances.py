"""The management API of one instance: it is started, shown, told and purged. An entity is shown as
an instance too.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from devhost.engine.client import DurableClient
from devhost.management.calls import Call, Handler, Reply, error, invalid_operation, storage_error
from devhost.management.histories import shown_history
from devhost.management.urls import instance_url, management_urls
from devhost.replay.json_text import written
from devhost.replay.lenient_json import read
from devhost.storage.rows import ENDED, Instance, is_entity

LONGEST_ID = 512
"""Characters; a key of Azure Storage has at most 1 KiB."""
ALREADY_EXISTS = "DurableTask.Core.Exceptions.OrchestrationAlreadyExistsException"


def start(client: DurableClient, call: Call, now: datetime, name: str, id: str | None) -> Reply:
    """Start an instance, of whatever orchestrator: one that does not exist fails."""
    input = read(call.body) if call.body else None
    if reason := _in_use(client, id):
        return error(409, reason)
    return _create(client, call, now, name, input, id)


def _in_use(client: DurableClient, id: str | None) -> str | None:
    """Why an instance cannot be started under this id, or None where it can."""
    existing = client.store.instance(id) if id else None
    if existing is None or existing.status in ENDED:
        return None
    return f"An Orchestration instance with the status {existing.status} already exists."


def _create(
    client: DurableClient, call: Call, now: datetime, name: str, input: str | None, id: str | None
) -> Reply:
    if id is not None and len(id) > LONGEST_ID:
        return storage_error()
    if id is not None and is_entity(id):
        return error(
            400, "One or more of the arguments submitted is incorrect"
        )  # it would be an entity's
    id = client.start(name, input, now, id, call.query.get("version", ""))
    urls = management_urls(call.origin, client.config.hub_name, id)
    headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
    shown = {name: url for name, url in urls.items() if name != "rewindPostUri"}
    return Reply(202, written(shown), headers, awaited=id)


def ended(client: DurableClient, call: Call, id: str) -> Reply | None:
    """What a request that waited for the end of an instance is answered; None while there is no
    end.
    """
    instance = client.store.instance(id)
    if instance is None or instance.status not in ENDED:
        return None
    if instance.status == "Completed":
        return Reply(200, instance.output or "null")
    return _shown_status(client, call, instance)


def status(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    """The status of an instance, of which a client asks until it has ended."""
    instance = find(client, id)
    return Reply(404) if instance is None else _shown_status(client, call, instance)


def find(client: DurableClient, id: str) -> Instance | None:
    """An instance, or an entity as one."""
    return client.store.entity_instance(id) if is_entity(id) else client.store.instance(id)


def _shown_status(client: DurableClient, call: Call, instance: Instance) -> Reply:
    with_input = call.flag("showInput", default=True)
    shown = shown_instance(instance, with_input)
    if call.flag("showHistory") and instance.status != "Pending":
        chunks = client.store.history(instance.id)
        shown["historyEvents"] = shown_history(chunks, with_input, call.flag("showHistoryOutput"))
    body = written(shown)
    if instance.status in ENDED:
        failed = instance.status == "Failed" and call.flag("returnInternalServerErrorOnFailure")
        return Reply(500 if failed else 200, body)
    return Reply(
        202, body, {"Location": instance_url(call.origin, instance.id), "Retry-After": "5"}
    )


def shown_instance(instance: Instance, with_input: bool) -> dict[str, Any]:
    """What a status or a list shows of an instance."""
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


def purge(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    """Delete an instance that has ended, or an entity."""
    instance = find(client, id)
    if instance is None:
        return Reply(404)
    if not is_entity(id) and instance.status not in ENDED:
        text = "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID"
        return Reply(412, written(f"{text} {id} has status {instance.status}"))
    client.store.purge(id)
    client.store.reclaim_space()
    return Reply(200, written({"instancesDeleted": 1}))


def raise_event(client: DurableClient, call: Call, id: str, name: str) -> Reply:
    """Raise an event for an instance that has not ended."""
    if not call.is_json:
        return error(400, "Only application/json request content is supported")
    data = read(call.body)

    def send(instance: Instance) -> None:
        client.raise_event(id, name, data)

    return _tell(client, id, send)


def _tell(client: DurableClient, id: str, send: Callable[[Instance], Reply | None]) -> Reply:
    """Tell an instance something unless it has ended; an entity takes nothing of the kind."""
    instance = find(client, id)
    if instance is None:
        return Reply(404)
    if instance.status in ENDED:
        return Reply(410)
    refusal = None if is_entity(id) else send(instance)
    return refusal or Reply(202)


def _terminate(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    def send(instance: Instance) -> None:
        client.terminate(id, call.query.get("reason"))

    return _tell(client, id, send)


def _suspend(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    def send(instance: Instance) -> Reply | None:
        if instance.status == "Suspended":
            return _cannot("suspend", instance)
        client.suspend(id, call.query.get("reason"))
        return None

    return _tell(client, id, send)


def _resume(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    def send(instance: Instance) -> Reply | None:
        if instance.status != "Suspended":
            return _cannot("resume", instance)
        client.resume(id, call.query.get("reason"))
        return None

    return _tell(client, id, send)


def _cannot(what: str, instance: Instance) -> Reply:
    return invalid_operation(
        f"Cannot {what} the orchestration instance {instance.id} because instance is in the {instance.status} state."
    )


def _rewind(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    instance = find(client, id)
    if instance is None:
        return Reply(404, written(f'No orchestration with instance ID "${id}" found.'))
    if instance.status != "Failed":
        text = 'but only orchestrations in the "Failed" state can be rewound.'
        return Reply(412, written(f"This orchestration has status {instance.status}, {text}"))
    client.rewind(id, call.query.get("reason", ""), now)
    return Reply(202)


def _restart(client: DurableClient, call: Call, now: datetime, id: str) -> Reply:
    instance = find(client, id)
    if instance is None:
        missing = f"No instance with ID '{id}' was found. (Parameter 'instanceId')"
        text = "InstanceId does not match a valid orchestration instance."
        return error(400, text, missing, "System.ArgumentException")
    if call.flag("restartWithNewInstanceId", default=True):
        return _create(client, call, now, instance.name, instance.input, None)
    if reason := _in_use(client, id):
        return error(
            409,
            "A non-terminal instance with this instance ID already exists.",
            reason,
            ALREADY_EXISTS,
        )
    return _create(client, call, now, instance.name, instance.input, id)


OPERATIONS: dict[str, Handler] = {
    "terminate": _terminate,
    "suspend": _suspend,
    "resume": _resume,
    "rewind": _rewind,
    "restart": _restart,
}
"""What can be done to one instance, by the last part of its path."""
