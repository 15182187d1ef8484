"""The HTTP triggers: what a request asks for goes to the Hub, what comes of it goes back as an answer."""

import functools
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

import azure.durable_functions as df
from azure.functions import HttpMethod, HttpRequest, HttpResponse

from registry import clock, settings
from registry.http import Problem, answer, plain, problem, registry_id, requested_item, wants_plain_text
from registry.hub import (
    Hub,
    HubUnavailable,
    KeyReused,
    OutcomeUnknown,
    RegistryClosed,
    RegistryError,
    RegistryFull,
    UnknownRegistry,
)
from registry.model import Registry
from registry.times import to_text

blueprint = df.Blueprint()

CHANGES = [HttpMethod.GET, HttpMethod.POST]
"""Methods of the routes that change state: POST is recommended, GET is what the original offers."""
STATUS = {
    UnknownRegistry: HTTPStatus.NOT_FOUND,
    RegistryClosed: HTTPStatus.CONFLICT,
    RegistryFull: HTTPStatus.CONFLICT,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    HubUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
RETRY = {"Retry-After": "1"}

Trigger = Callable[[HttpRequest, df.DurableOrchestrationClient], Awaitable[HttpResponse]]


def answering(trigger: Trigger) -> Trigger:
    """Turn what a trigger raises into its answer."""

    @functools.wraps(trigger)
    async def answered(req: HttpRequest, client: df.DurableOrchestrationClient) -> HttpResponse:
        try:
            return await trigger(req, client)
        except Problem as error:
            return problem(error.status, error.detail)
        except RegistryError as error:
            return _refusal(error)

    return answered


def _refusal(error: RegistryError, **members: Any) -> HttpResponse:
    if isinstance(error, OutcomeUnknown):
        return answer(HTTPStatus.ACCEPTED, members | {"detail": str(error)}, RETRY)
    headers = RETRY if isinstance(error, HubUnavailable) else {}
    return problem(STATUS[type(error)], str(error), headers, **members)


@blueprint.function_name("open")
@blueprint.route("open", methods=CHANGES)
@blueprint.durable_client_input(client_name="client")
@answering
async def open_registry(req: HttpRequest, client: df.DurableOrchestrationClient) -> HttpResponse:
    """Open a new registry."""
    id = uuid.uuid4().hex
    now, chosen = clock.utc_now(), settings.current()
    registry = Registry(now, now + chosen.open_for, chosen.max_items)
    await Hub(client).open(id, registry)

    here = req.url.partition("?")[0].rstrip("/")
    links = {name: urljoin(here, f"{name}/{id}") for name in ("add", "finish", "peek")}
    headers = {"Location": links["peek"]}
    if wants_plain_text(req):
        return plain(HTTPStatus.CREATED, id, headers)
    opened = {
        "id": id,
        "status": "Open",
        "openedAt": to_text(registry.opened_at),
        "closesAt": to_text(registry.closes_at),
        "links": links,
    }
    return answer(HTTPStatus.CREATED, opened, headers)


@blueprint.function_name("add")
@blueprint.route("add/{id}", methods=CHANGES)
@blueprint.durable_client_input(client_name="client")
@answering
async def add_item(req: HttpRequest, client: df.DurableOrchestrationClient) -> HttpResponse:
    """Add an item: 200 means that it is in the registry and will be there when it closes."""
    id = registry_id(req)
    item = requested_item(req, settings.current().max_item_length)
    added = {"id": id, "item": item.text, "itemKey": item.key}
    try:
        count = await Hub(client).add(id, item)
    except (OutcomeUnknown, HubUnavailable) as error:
        return _refusal(error, **added)  # the caller needs the key to retry
    return answer(HTTPStatus.OK, added | {"itemsCount": count})


@blueprint.function_name("finish")
@blueprint.route("finish/{id}", methods=CHANGES)
@blueprint.durable_client_input(client_name="client")
@answering
async def finish_registry(req: HttpRequest, client: df.DurableOrchestrationClient) -> HttpResponse:
    """Close a registry and show it."""
    id = registry_id(req)
    return answer(HTTPStatus.OK, _shown(id, await Hub(client).finish(id)))


@blueprint.function_name("peek")
@blueprint.route("peek/{id}", methods=[HttpMethod.GET])
@blueprint.durable_client_input(client_name="client")
@answering
async def peek_registry(req: HttpRequest, client: df.DurableOrchestrationClient) -> HttpResponse:
    """Show a registry."""
    id = registry_id(req)
    return answer(HTTPStatus.OK, _shown(id, await Hub(client).peek(id)))


@blueprint.function_name("stats")
@blueprint.route("stats", methods=[HttpMethod.GET])
@blueprint.durable_client_input(client_name="client")
@answering
async def global_stats(req: HttpRequest, client: df.DurableOrchestrationClient) -> HttpResponse:
    """Count registries and items."""
    stats = await Hub(client).stats()
    counts = {
        "registryCount": stats.registries,
        "itemsCount": stats.closed_items + sum(stats.open.values()),
        "openCount": len(stats.open),
        "closedCount": stats.registries - len(stats.open),
    }
    return answer(HTTPStatus.OK, counts)


def _shown(id: str, registry: Registry) -> dict[str, Any]:
    shown = {
        "id": id,
        "items": [item.text for item in registry.items],
        "openedAt": to_text(registry.opened_at),
        "closesAt": to_text(registry.closes_at),
        "closedAt": registry.closed_at and to_text(registry.closed_at),
        "closedBy": registry.closed_by,
    }
    return {"status": "Closed" if registry.is_closed else "Open", "registry": shown}
