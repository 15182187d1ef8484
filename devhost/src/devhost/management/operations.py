"""Operations on one instance: raise an event, terminate, suspend, resume, rewind, restart."""

from collections.abc import Callable
from datetime import datetime

from devhost.engine.client import DurableClient
from devhost.management.instances import create, find, why_in_use
from devhost.management.messages import (
    Handler,
    ManagementRequest,
    ManagementResponse,
    error,
    invalid_operation,
)
from devhost.replay.json_text import written
from devhost.replay.lenient_json import read
from devhost.storage.rows import ENDED, Instance, is_entity

ALREADY_EXISTS = "DurableTask.Core.Exceptions.OrchestrationAlreadyExistsException"


def raise_event(
    client: DurableClient, request: ManagementRequest, id: str, name: str
) -> ManagementResponse:
    """Raise an event for an instance that has not ended."""
    if not request.is_json:
        return error(400, "Only application/json request content is supported")
    data = read(request.body)

    def send(instance: Instance) -> None:
        client.raise_event(id, name, data)

    return _send_unless_ended(client, id, send)


def _send_unless_ended(
    client: DurableClient, id: str, send: Callable[[Instance], ManagementResponse | None]
) -> ManagementResponse:
    """Send a message to an instance that has not ended; an entity ignores it.

    `send` returns a response where it refuses to.
    """
    instance = find(client, id)
    if instance is None:
        return ManagementResponse(404)
    if instance.status in ENDED:
        return ManagementResponse(410)

    refusal = None if is_entity(id) else send(instance)
    return refusal or ManagementResponse(202)


def _terminate(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    def send(instance: Instance) -> None:
        client.terminate(id, request.query.get("reason"))

    return _send_unless_ended(client, id, send)


def _suspend(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    def send(instance: Instance) -> ManagementResponse | None:
        if instance.status == "Suspended":
            return _cannot("suspend", instance)
        client.suspend(id, request.query.get("reason"))
        return None

    return _send_unless_ended(client, id, send)


def _resume(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    def send(instance: Instance) -> ManagementResponse | None:
        if instance.status != "Suspended":
            return _cannot("resume", instance)
        client.resume(id, request.query.get("reason"))
        return None

    return _send_unless_ended(client, id, send)


def _cannot(operation: str, instance: Instance) -> ManagementResponse:
    return invalid_operation(
        f"Cannot {operation} the orchestration instance {instance.id} "
        f"because instance is in the {instance.status} state."
    )


def _rewind(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    instance = find(client, id)
    if instance is None:
        message = f'No orchestration with instance ID "${id}" found.'  # the real host has this $
        return ManagementResponse(404, written(message))
    if instance.status != "Failed":
        message = (
            f"This orchestration has status {instance.status}, "
            'but only orchestrations in the "Failed" state can be rewound.'
        )
        return ManagementResponse(412, written(message))

    client.rewind(id, request.query.get("reason", ""), now)
    return ManagementResponse(202)


def _restart(
    client: DurableClient, request: ManagementRequest, now: datetime, id: str
) -> ManagementResponse:
    instance = find(client, id)
    if instance is None:
        message = "InstanceId does not match a valid orchestration instance."
        exception = f"No instance with ID '{id}' was found. (Parameter 'instanceId')"
        return error(400, message, exception, "System.ArgumentException")

    if request.flag("restartWithNewInstanceId", default=True):
        return create(client, request, now, instance.name, instance.input, None)

    if reason := why_in_use(client, id):
        message = "A non-terminal instance with this instance ID already exists."
        return error(409, message, reason, ALREADY_EXISTS)
    return create(client, request, now, instance.name, instance.input, id)


OPERATIONS: dict[str, Handler] = {
    "terminate": _terminate,
    "suspend": _suspend,
    "resume": _resume,
    "rewind": _rewind,
    "restart": _restart,
}
"""By the last part of their path."""
