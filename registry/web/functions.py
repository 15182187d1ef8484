"""The calls of the API: a function for each, with what OpenAPI says of it.

To add a call, write its request (requests.py), its answer (responses.py), an example
(examples.py), and a function here.
"""

import uuid

from registry import __version__, clock, settings
from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.domain.registry import Item, RegistryTerms
from registry.durable.service import RegistryService
from registry.web import examples
from registry.web.endpoints import CHANGE, POST, READ, Answer, ApiBlueprint
from registry.web.requests import (
    AddRequest,
    OpenRequest,
    RegistryRequest,
    RemoveRequest,
    Request,
)
from registry.web.responses import (
    Added,
    Body,
    Counts,
    Health,
    Links,
    Opened,
    Problem,
    Removed,
    Shown,
    Unconfirmed,
)

blueprint = ApiBlueprint()


@blueprint.endpoint(
    "open",
    CHANGE,
    OpenRequest,
    Answer(201, "The registry is open.", examples.OPENED, to_text=lambda opened: opened.id),
)
async def open_registry(request: OpenRequest, service: RegistryService) -> Opened:
    """Open a registry.

    It closes by itself when its time is up, unless somebody finishes it before.
    """
    chosen = settings.current()
    now = clock.utc_now()
    terms = RegistryTerms(
        id=uuid.uuid4().hex,
        opened_at=now,
        closes_at=now + chosen.open_for,
        max_items=chosen.max_items,
        has_webhook=chosen.webhook is not None,
        backoff=chosen.backoff,
    )
    await service.open(terms)

    return Opened(
        id=terms.id,
        opened_at=terms.opened_at,
        closes_at=terms.closes_at,
        links=Links.of(request.url, terms.id),
    )


@blueprint.endpoint(
    "add/{id}",
    CHANGE,
    AddRequest,
    Answer(200, "The item is in the registry, and will be there when it closes.", examples.ADDED),
    Answer(
        202,
        "The outcome is not known yet. Repeat with the itemKey as Idempotency-Key.",
        examples.UNCONFIRMED,
    ),
    problems=(
        problems.REGISTRY_CLOSED,
        problems.REGISTRY_FULL,
        problems.ITEM_REMOVED,
        problems.KEY_REUSED,
    ),
)
async def add_to_registry(request: AddRequest, service: RegistryService) -> Body:
    """Add an item to a registry.

    It is in the registry once the answer is 200, and will be there when it closes. Repeat what was
    not answered with 200 or 4xx, with the same Idempotency-Key: it is one item then.
    """
    item = Item(request.idempotency_key, request.item)
    sent = {"id": request.id, "item": item.text, "item_key": item.key}
    try:
        items_count = await service.add(request.id, item)
    except OutcomeUnknown as outcome:
        return Unconfirmed.of(outcome, **sent)
    except HubUnavailable as error:
        return Problem.of(error, **sent)  # the caller needs the key to retry

    return Added(**sent, items_count=items_count)


@blueprint.endpoint(
    "remove/{id}",
    POST,
    RemoveRequest,
    Answer(200, "No item with this key is in the registry or will be.", examples.REMOVED),
    Answer(202, "The outcome is not known yet. Repeat.", examples.REMOVAL_UNKNOWN),
    problems=(problems.REGISTRY_CLOSED, problems.REGISTRY_FULL),
)
async def remove_from_registry(request: RemoveRequest, service: RegistryService) -> Removed:
    """Take an item back, by the key of its add.

    After 200 no item with this key is in the registry or will be, also where its add is still on
    its way.
    """
    items_count = await service.remove(request.id, request.item_key)
    return Removed(id=request.id, item_key=request.item_key, items_count=items_count)


@blueprint.endpoint(
    "finish/{id}",
    CHANGE,
    RegistryRequest,
    Answer(200, "The registry is closed.", examples.CLOSED),
    Answer(202, "The outcome is not known yet. Repeat.", examples.CLOSE_UNKNOWN),
)
async def finish_registry(request: RegistryRequest, service: RegistryService) -> Shown:
    """Close a registry and show it.

    It never changes again. Twice is as good as once.
    """
    closed = await service.finish(request.id)
    return Shown.of(closed, clock.utc_now())


@blueprint.endpoint(
    "process/{id}",
    POST,
    RegistryRequest,
    Answer(202, "It is being sent again: peek shows what comes of it.", examples.CLOSED),
    Answer(202, "It is about to be sent again.", examples.DELIVERY_UNKNOWN),
    problems=(
        problems.REGISTRY_OPEN,
        problems.PROCESSING_OFF,
        problems.SENT_JUST_NOW,
    ),
)
async def process_registry(request: RegistryRequest, service: RegistryService) -> Shown:
    """Send a closed registry to the processing webhook again, once a minute at most."""
    if settings.current().webhook is None:
        raise ProblemError(problems.PROCESSING_OFF)

    registry = await service.redeliver(request.id)
    return Shown.of(registry, clock.utc_now())


@blueprint.endpoint(
    "peek/{id}",
    READ,
    RegistryRequest,
    Answer(200, "The registry.", examples.OPEN, to_text=Shown.to_lines),
    has_etag=True,
)
async def peek_at_registry(request: RegistryRequest, service: RegistryService) -> Shown:
    """Show a registry with its items in order.

    In plain text just the items, one a line, where a line break within one is a space.
    """
    now = clock.utc_now()
    registry = await service.peek(request.id)
    return Shown.of(registry, now)


@blueprint.endpoint(
    "stats",
    READ,
    Request,
    Answer(200, "The counts.", examples.COUNTS),
    tag="host",
    has_etag=True,
)
async def get_stats(request: Request, service: RegistryService) -> Counts:
    """Count registries and items.

    The counts may lag behind a registry while it is open: usually by up to a second, and until it
    closes if the process that counted an item was killed. Once it has closed, its items are exact.
    """
    return Counts.of(await service.stats())


@blueprint.endpoint(
    "health",
    READ,
    Request,
    Answer(200, "The app can work.", examples.HEALTH),
    tag="host",
    is_public=True,
)
async def get_health(request: Request, service: RegistryService) -> Body:
    """Say whether the app can work: the task hub answers. It needs no key."""
    try:
        await service.ping()
    except HubUnavailable as error:
        return Problem.of(error, version=__version__)

    return Health(version=__version__)
