"""Reports snapshots to the stats, at most one a second for each registry.

When a worker ends, asyncio cancels its tasks, and what waits is reported then. What is lost with a
process that is killed is made good when the registry closes.
"""

import asyncio
import logging
from datetime import timedelta

from registry import clock, telemetry
from registry.domain.problems import HubUnavailable
from registry.domain.registry import Registry
from registry.domain.snapshots import Snapshot
from registry.durable.messages import RecordSnapshot
from registry.durable.names import stats_entity
from registry.durable.task_hub import TaskHubClient

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two reports of a registry."""


async def report(hub: TaskHubClient, registry: Registry, next_report_in: float = 0) -> None:
    """Report a registry that was read, until the task hub has accepted it.

    While its delivery is pending, that reports again in so many seconds.
    """
    next_report_at = clock.utc_now() + timedelta(seconds=next_report_in)
    await report_snapshot(hub, registry.terms.id, Snapshot.of(registry, next_report_at))


async def report_snapshot(
    hub: TaskHubClient, id: str, snapshot: Snapshot, replaces: int | None = None
) -> None:
    """Report a snapshot, until the task hub has accepted it. Raises HubUnavailable.

    It takes the place of a known one with the revision `replaces`, even if that is later.
    """
    message = hub.message(RecordSnapshot, id=id, snapshot=snapshot, replaces=replaces)
    await hub.ensure_signalled(stats_entity(id), message)


class StatsReporter:
    """Reports in the background: a first change at once, the last of a burst at its end."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[TaskHubClient, Registry] | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}  # The event loop itself keeps no task.

    def report_soon(self, hub: TaskHubClient, registry: Registry) -> None:
        """Have a registry reported that was read."""
        id = registry.terms.id
        if id not in self._latest:
            self._tasks[id] = asyncio.create_task(self._report_changes(id))

        waiting = self._latest.get(id)
        if waiting is None or waiting[1].revision <= registry.revision:
            self._latest[id] = hub, registry

    async def _report_changes(self, id: str) -> None:
        """Report the latest change, until there is none for the length of an interval.

        One that is waiting is reported at once when this is cancelled: the process is about to end.
        """
        try:
            while self._latest[id]:
                await self._report_latest(id)
                await clock.sleep(INTERVAL)
        except asyncio.CancelledError:
            await self._report_latest(id)
            raise
        finally:
            del self._latest[id], self._tasks[id]

    async def _report_latest(self, id: str) -> None:
        latest = self._latest[id]
        if latest is None:
            return

        hub, registry = latest
        try:
            await report(hub.renewed(), registry)
        except HubUnavailable:
            shown = telemetry.short_id(id)
            log.warning("registry %s: a change was not reported to the stats", shown)
        if self._latest[id] is latest:
            self._latest[id] = None


reporter = StatsReporter()
"""That of this process."""
