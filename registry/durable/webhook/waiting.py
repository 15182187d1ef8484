"""Deliveries that wait for a setting: a start without the webhook's URL ends none of them."""

import logging

from registry import settings
from registry.domain.snapshots import Snapshot

log = logging.getLogger(__name__)


def without_waiting(snapshots: dict[str, Snapshot]) -> dict[str, Snapshot]:
    """The snapshots without those of deliveries that can only wait.

    These are the pending ones, where there is no webhook. One line in the log says how many.
    """
    if settings.current().webhook is not None:
        return snapshots

    others = {id: each for id, each in snapshots.items() if each.status != "pending"}
    if waiting := len(snapshots) - len(others):
        log.warning("event=waiting deliveries=%d setting=PROCESSING_WEBHOOK_URL", waiting)
    return others
