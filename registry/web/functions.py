"""The HTTP triggers: what a request asks for goes to the Registries, what comes of it goes back as
an answer.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, get_args
from urllib.parse import urljoin

import azure.durable_functions as df
from azure.functions import AuthLevel, Context, HttpMethod, HttpRequest, HttpResponse

from registry import __version__, clock, settings
from registry.domain import problems
from registry.domain.delivery import DeliveryStatus
from registry.domain.moments import to_text
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.domain.registry import Registry, RegistryTerms
from registry.domain.views import RegistryStatusView
from registry.durable.service import RegistryService
from registry.durable.task_hub import TaskHubClient
from registry.telemetry import trace_of
from registry.web import docs, openapi, page
from registry.web.caching import with_etag, with_gzip
from registry.web.requests import registry_id, requested_item, requested_key, wants_plain_text
from registry.web.responses import answer, lines, plain, problem

blueprint = df.Blueprint()

POST, CHANGE, READ = (
    HttpMethod.POST,
    (HttpMethod.GET, HttpMethod.POST),
    (HttpMethod.GET, HttpMethod.HEAD),
)
"""What changes state takes GET too, which the original offers; the host drops the body of an answer
to HEAD.
"""

Trigger = Callable[[HttpRequest, RegistryService], Awaitable[HttpResponse]]


def endpoint(
    route: str, *methods: HttpMethod, auth_level: AuthLevel | None = None
) -> Callable[[Trigger], Any]:
    """Publish a trigger, with the parameters that the host binds, at api/ and a route whose first
    part is its name.
    """

    def publish(trigger: Trigger) -> Any:
        async def answered(
            req: HttpRequest, client: df.DurableOrchestrationClient, context: Context
        ) -> HttpResponse:
            try:
                response = await trigger(
                    req, RegistryService(TaskHubClient(client, trace_of(context)))
                )
            except (ProblemError, OutcomeUnknown) as error:
                response = _failure(error)
            return with_gzip(req, response)

        function = blueprint.durable_client_input(client_name="client")(answered)
        function = blueprint.route(f"api/{route}", methods=methods, auth_level=auth_level)(function)
        return blueprint.function_name(route.partition("/")[0])(function)

    return publish


def _shown(registry: Registry, now: datetime) -> dict[str, Any]:
    return RegistryStatusView.of(registry, now).model_dump(mode="json")


def _failure(error: ProblemError | OutcomeUnknown, **members: str) -> HttpResponse:
    if isinstance(error, ProblemError):
        return problem(error, members)
    return answer(202, members | {"detail": str(error)}, {"Retry-After": "1"})


@endpoint("open", *CHANGE)
async def open_registry(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Open a new registry."""
    id, now, chosen = uuid.uuid4().hex, clock.utc_now(), settings.current()
    terms = RegistryTerms(
        id=id,
        opened_at=now,
        closes_at=now + chosen.open_for,
        max_items=chosen.max_items,
        has_webhook=chosen.webhook is not None,
        backoff=chosen.backoff,
    )
    await service.open(terms)
    here = req.url.partition("?")[0].rstrip("/")
    links = {name: urljoin(here, f"{name}/{id}") for name in ("add", "finish", "peek")}
    headers = {"Location": links["peek"]}
    if wants_plain_text(req):
        return plain(201, id, headers)
    times = {"openedAt": to_text(terms.opened_at), "closesAt": to_text(terms.closes_at)}
    return answer(201, {"id": id, "status": "Open", **times, "links": links}, headers)


@endpoint("add/{id}", *CHANGE)
async def add_item(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Add an item: 200 means that it is in the registry and will be there when it closes."""
    id, item = registry_id(req), requested_item(req, settings.current().max_item_length)
    added = {"id": id, "item": item.text, "itemKey": item.key}
    try:
        return answer(200, added | {"itemsCount": await service.add(id, item)})
    except (OutcomeUnknown, HubUnavailable) as error:
        return _failure(error, **added)  # the caller needs the key to retry


@endpoint("remove/{id}", POST)
async def remove_item(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Take an item back: 200 means that no item with this key is in the registry or will be."""
    id, key = registry_id(req), requested_key(req)
    return answer(200, {"id": id, "itemKey": key, "itemsCount": await service.remove(id, key)})


@endpoint("finish/{id}", *CHANGE)
async def finish_registry(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Close a registry and show it."""
    return answer(200, _shown(await service.finish(registry_id(req)), clock.utc_now()))


@endpoint("process/{id}", POST)
async def process_registry(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Send a closed registry to the processing webhook again."""
    id = registry_id(req)
    if settings.current().webhook is None:
        raise ProblemError(problems.PROCESSING_OFF)
    return answer(202, _shown(await service.redeliver(id), clock.utc_now()))


@endpoint("peek/{id}", *READ)
async def peek_registry(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Show a registry, or just its items."""
    now = clock.utc_now()
    registry = _shown(await service.peek(registry_id(req)), now)
    return with_etag(
        req,
        lines(registry["registry"]["items"]) if wants_plain_text(req) else answer(200, registry),
    )


@endpoint("stats", *READ)
async def global_stats(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Count registries and items."""
    stats = await service.stats()
    counts = {
        "registryCount": stats.counts.total(),
        "itemsCount": stats.items,
        "openCount": stats.counts["open"],
        "closedCount": stats.counts.total() - stats.counts["open"],
        "processing": {outcome: stats.counts[outcome] for outcome in get_args(DeliveryStatus)},
    }
    return with_etag(req, answer(200, counts))


@endpoint("health", *READ, auth_level=AuthLevel.ANONYMOUS)
async def health(req: HttpRequest, service: RegistryService) -> HttpResponse:
    """Say whether the app can work; a probe needs no key."""
    try:
        await service.ping()
    except HubUnavailable as error:
        return _failure(error, version=__version__)
    return answer(200, {"status": "Healthy", "version": __version__})


@blueprint.function_name("describe")
@blueprint.route("api/openapi.json", methods=READ, auth_level=AuthLevel.ANONYMOUS)
async def describe(req: HttpRequest) -> HttpResponse:
    """The API's description of itself."""
    return _document(req, answer(200, openapi.describe(settings.current())))


@blueprint.function_name("docs")
@blueprint.route("api/docs", methods=READ, auth_level=AuthLevel.ANONYMOUS)
async def documentation(req: HttpRequest) -> HttpResponse:
    """The API for people, made from the same description."""
    return _document(req, HttpResponse(docs.document(settings.current()), headers=docs.HEADERS))


async def home(req: HttpRequest) -> HttpResponse:
    """The page for people; where calls need a key, it is opened with ?code=, and passes that on."""
    return _document(
        req, HttpResponse(page.document(settings.current().open_for), headers=page.HEADERS)
    )


@blueprint.function_name("home_module")
@blueprint.route("api/home/{file}", methods=READ, auth_level=AuthLevel.ANONYMOUS)
async def home_module(req: HttpRequest) -> HttpResponse:
    """A module of the page."""
    module = page.MODULES.get(req.route_params["file"])
    return (
        _document(req, HttpResponse(module, headers=page.SCRIPT))
        if module
        else HttpResponse(status_code=404)
    )


def _document(req: HttpRequest, response: HttpResponse) -> HttpResponse:
    return with_gzip(req, with_etag(req, response))


for name, route in (("home", "api/home"), ("home_at_api", "api"), ("home_at_root", "/")):
    blueprint.function_name(name)(
        blueprint.route(route, methods=READ, auth_level=AuthLevel.ANONYMOUS)(home)
    )
