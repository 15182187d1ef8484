"""A registry as people and the receiver of deliveries see it."""

from datetime import datetime
from typing import Any

from registry.clock import to_text
from registry.model import Registry


def shown(registry: Registry, now: datetime) -> dict[str, Any]:
    """What `peek` answers. A registry whose time was up at `now`, but whose close is not on record, is Closing."""
    birth = registry.birth
    status = "Closed" if registry.is_closed else "Closing" if now >= birth.closes_at else "Open"
    members = {
        "id": birth.id,
        "items": list(registry.items.values()),
        "openedAt": to_text(birth.opened_at),
        "closesAt": to_text(birth.closes_at),
        "closedAt": registry.closed_at and to_text(registry.closed_at),
        "closedBy": registry.closed_by,
        "processing": registry.processing,
    }
    return {"status": status, "registry": members}
