"""Examples of what the API answers, for its description."""

from datetime import UTC, datetime, timedelta
from typing import Any

from registry import __version__
from registry.domain.moments import to_text
from registry.domain.registry import MAX_BYTES
from registry.domain.views import RegistryView
from registry.durable import list_client, service
from registry.settings import Settings
from registry.web import responses

ID = "8e3b2f1c5d7a4b069f21c3d4e5f60718"
ITEM = "Commodore 64"
KEY = "c04d1a93e5b24f6f8d70a2b1c3e4f506"
OPENED_AT = datetime(2026, 12, 24, 18, tzinfo=UTC)
CLOSES_AT = OPENED_AT + timedelta(minutes=5)
CLOSED_AT = OPENED_AT + timedelta(seconds=30)

OPENED = responses.Opened(
    id=ID,
    opened_at=OPENED_AT,
    closes_at=CLOSES_AT,
    links=responses.Links.of("http://127.0.0.1:7071/api/open", ID),
)
ADDED = responses.Added(id=ID, item=ITEM, item_key=KEY, items_count=1)
UNCONFIRMED = responses.Unconfirmed(
    id=ID,
    item=ITEM,
    item_key=KEY,
    detail=service.ADD_UNKNOWN,
)
REMOVAL_UNKNOWN = responses.Unknown(detail=service.REMOVAL_UNKNOWN)
CLOSE_UNKNOWN = responses.Unknown(detail=list_client.CLOSE_UNKNOWN)
DELIVERY_UNKNOWN = responses.Unknown(detail=service.DELIVERY_UNKNOWN)
REMOVED = responses.Removed(id=ID, item_key=KEY, items_count=0)

OPEN_REGISTRY = RegistryView(
    id=ID,
    items=[ITEM, "Zork Trilogy"],
    opened_at=OPENED_AT,
    closes_at=CLOSES_AT,
    closed_at=None,
    closed_by=None,
    processing="pending",
)
CLOSED_REGISTRY = OPEN_REGISTRY.model_copy(update={"closed_at": CLOSED_AT, "closed_by": "user"})
OPEN = responses.Shown(status="Open", registry=OPEN_REGISTRY)
CLOSED = responses.Shown(status="Closed", registry=CLOSED_REGISTRY)

COUNTS = responses.Counts(
    registry_count=2,
    items_count=3,
    open_count=1,
    closed_count=1,
    processing=responses.DeliveryCounts(off=0, pending=0, delivered=1, failed=0),
)
HEALTH = responses.Health(version=__version__)


def values_of_details(settings: Settings) -> dict[str, Any]:
    """Examples of what stands in the details of problems."""
    return {
        "name": "Idempotency-Key",
        "closed_at": to_text(CLOSED_AT),
        "closes_at": to_text(CLOSES_AT),
        "max_items": settings.max_items,
        "max_kib": MAX_BYTES // 1024,
        "max_length": settings.max_item_length,
        "settings": "REGISTRY_MAX_ITEMS must be a whole number from 1 to 1000",
    }
