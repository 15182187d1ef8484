"""The HTTP triggers: what a request asks for goes to the Hub, what comes of it goes back as an answer."""

import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

import azure.durable_functions as df
from azure.functions import AuthLevel, Context, HttpMethod, HttpRequest, HttpResponse

from registry import __version__, clock, openapi, page, problems, settings
from registry.http import answer, plain, problem, registry_id, requested_item, shown, wants_plain_text
from registry.hub import (
    Hub,
    HubUnavailable,
    KeyReused,
    OutcomeUnknown,
    RegistryClosed,
    RegistryError,
    RegistryFull,
    RegistryOpen,
    UnknownRegistry,
)
from registry.model import Processing, Registry
from registry.problems import Problem
from registry.telemetry import trace_of
from registry.times import to_text

blueprint = df.Blueprint()

CHANGES = [HttpMethod.GET, HttpMethod.POST]
"""Methods of the routes that change state: POST is recommended, GET is what the original offers."""
KINDS = {
    UnknownRegistry: problems.UNKNOWN_REGISTRY,
    RegistryOpen: problems.REGISTRY_OPEN,
    RegistryClosed: problems.REGISTRY_CLOSED,
    RegistryFull: problems.REGISTRY_FULL,
    KeyReused: problems.KEY_REUSED,
    HubUnavailable: problems.HUB_UNAVAILABLE,
}
RETRY = {"Retry-After": "1"}

Trigger = Callable[[HttpRequest, Hub], Awaitable[HttpResponse]]


def answering(trigger: Trigger) -> Callable[..., Awaitable[HttpResponse]]:
    """Make a trigger of what a request does with the Hub: errors become answers, and the Hub knows the caller's trace.

    The host looks for bindings in the parameters, so these are those of the trigger, and not of what it wraps.
    """

    async def answered(req: HttpRequest, client: df.DurableOrchestrationClient, context: Context) -> HttpResponse:
        try:
            return await trigger(req, Hub(client, trace_of(context)))
        except Problem as error:
            return problem(error.kind, error.detail)
        except RegistryError as error:
            return _refusal(error)

    answered.__doc__ = trigger.__doc__
    return answered


def _refusal(error: RegistryError, **members: Any) -> HttpResponse:
    if isinstance(error, OutcomeUnknown):
        return answer(HTTPStatus.ACCEPTED, members | {"detail": str(error)}, RETRY)
    headers = RETRY if isinstance(error, HubUnavailable) else {}
    return problem(KINDS[type(error)], str(error), headers, **members)


@blueprint.function_name("open")
@blueprint.route("open", methods=CHANGES)
@blueprint.durable_client_input(client_name="client")
@answering
async def open_registry(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Open a new registry."""
    id = uuid.uuid4().hex
    now, chosen = clock.utc_now(), settings.current()
    processing: Processing = "pending" if chosen.webhook else "off"
    registry = Registry(now, now + chosen.open_for, chosen.max_items, processing=processing)
    await hub.open(id, registry, chosen.backoff)

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
async def add_item(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Add an item: 200 means that it is in the registry and will be there when it closes."""
    id = registry_id(req)
    item = requested_item(req, settings.current().max_item_length)
    added = {"id": id, "item": item.text, "itemKey": item.key}
    try:
        count = await hub.add(id, item)
    except (OutcomeUnknown, HubUnavailable) as error:
        return _refusal(error, **added)  # the caller needs the key to retry
    return answer(HTTPStatus.OK, added | {"itemsCount": count})


@blueprint.function_name("finish")
@blueprint.route("finish/{id}", methods=CHANGES)
@blueprint.durable_client_input(client_name="client")
@answering
async def finish_registry(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Close a registry and show it."""
    id = registry_id(req)
    return answer(HTTPStatus.OK, shown(id, await hub.finish(id)))


@blueprint.function_name("process")
@blueprint.route("process/{id}", methods=[HttpMethod.POST])
@blueprint.durable_client_input(client_name="client")
@answering
async def process_registry(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Send a closed registry to the processing webhook again."""
    id, chosen = registry_id(req), settings.current()
    if chosen.webhook is None:
        raise Problem(problems.PROCESSING_OFF, "Nothing is sent for processing here.")
    return answer(HTTPStatus.ACCEPTED, shown(id, await hub.process(id, chosen.backoff)))


@blueprint.function_name("peek")
@blueprint.route("peek/{id}", methods=[HttpMethod.GET])
@blueprint.durable_client_input(client_name="client")
@answering
async def peek_registry(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Show a registry."""
    id = registry_id(req)
    return answer(HTTPStatus.OK, shown(id, await hub.peek(id)))


@blueprint.function_name("stats")
@blueprint.route("stats", methods=[HttpMethod.GET])
@blueprint.durable_client_input(client_name="client")
@answering
async def global_stats(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Count registries and items."""
    stats = await hub.stats()
    counts = {
        "registryCount": stats.registries,
        "itemsCount": stats.closed_items + sum(stats.open.values()),
        "openCount": len(stats.open),
        "closedCount": stats.registries - len(stats.open),
        "processing": {
            "off": stats.processing["off"],
            "pending": len(stats.pending),
            "delivered": stats.processing["delivered"],
            "failed": stats.processing["failed"],
        },
    }
    return answer(HTTPStatus.OK, counts)


@blueprint.function_name("health")
@blueprint.route("health", methods=[HttpMethod.GET], auth_level=AuthLevel.ANONYMOUS)
@blueprint.durable_client_input(client_name="client")
@answering
async def health(req: HttpRequest, hub: Hub) -> HttpResponse:
    """Say whether the app can work; a probe needs no key."""
    try:
        await hub.ping()
    except HubUnavailable as error:
        return _refusal(error, version=__version__)
    return answer(HTTPStatus.OK, {"status": "Healthy", "version": __version__})


@blueprint.function_name("describe")
@blueprint.route("openapi.json", methods=[HttpMethod.GET], auth_level=AuthLevel.ANONYMOUS)
async def describe(req: HttpRequest) -> HttpResponse:
    """The API's description of itself."""
    return answer(HTTPStatus.OK, openapi.describe(settings.current()))


@blueprint.function_name("home")
@blueprint.route("home", methods=[HttpMethod.GET], auth_level=AuthLevel.ANONYMOUS)
async def home(req: HttpRequest) -> HttpResponse:
    """The page for people; where calls need a key, it is opened with ?code=, and passes that on."""
    return HttpResponse(page.document(settings.current().open_for), headers=page.HEADERS)
