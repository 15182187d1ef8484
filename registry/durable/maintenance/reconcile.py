"""Does what nobody did in time: closes overdue registries, and restarts deliveries that stopped.

It works from the entries in the stats. Each shard and each entry is read alone.
"""

import asyncio
import logging
from collections import Counter
from datetime import datetime, timedelta

import azure.durable_functions as df
from pydantic import ValidationError

from registry import clock, telemetry
from registry.domain.delivery import BackoffPolicy
from registry.domain.registry import LONGEST_OPEN, Registry
from registry.domain.snapshots import Snapshot
from registry.domain.stats import Stats
from registry.durable.list_client import ListClient, terms_of
from registry.durable.maintenance.bulkhead import SKIPPED, for_each, log_skipped
from registry.durable.names import REGISTRY_ORCHESTRATOR, delivery_instance, stats_entities
from registry.durable.stats_reporter import report_snapshot
from registry.durable.task_hub import Instance, TaskHubClient
from registry.durable.webhook.waiting import without_waiting

log = logging.getLogger(__name__)

DONE = "reconciled"
AT_ONCE = 20
SECONDS = 50.0
"""A run begins nothing more after these: the next one is due a minute after it."""

SHARD_SECONDS = 5.0
"""How long one shard that does not answer may keep all others waiting."""

CLOSE_GRACE = timedelta(seconds=15)
DELIVERY_GRACE = timedelta(seconds=30)
"""How late a close or a delivery may be before reconcile sees to it.

There are at most two minutes until it has done so; that makes less than three.
"""
STUCK_AFTER = {"Pending": timedelta(seconds=45), "Running": timedelta(minutes=5)}
"""How late a delivery is whose instance will not go on, by its status: a newer version started it,
or its timer was set by a wrong clock. An attempt waits for its turn, and up to a minute for the
receiver. A suspended instance goes on when it is resumed.
"""


async def reconcile_all(
    client: df.DurableOrchestrationClient, backoff: BackoffPolicy
) -> Counter[str]:
    """Reconcile what is overdue, oldest first. Returns how many were closed, restarted, skipped.

    `backoff` says how far ahead a delivery may be due.
    """
    until = clock.monotonic() + SECONDS
    shards = await asyncio.gather(*(_read_shard(client, each) for each in stats_entities()))
    entries: dict[str, Snapshot] = {}
    unread = 0
    for shard in shards:
        if shard is None:
            unread += 1
            continue
        entries |= shard.snapshots
        unread += len(shard.invalid_entries)
        for entry in shard.invalid_entries:
            what = f"registry {telemetry.short_id(entry.id)}: its snapshot in the stats"
            telemetry.log_invalid(what, entry.error)

    entries = without_waiting(entries)
    now = clock.utc_now()
    overdue = sorted(
        (id for id, entry in entries.items() if _is_overdue(entry, now, backoff)),
        key=lambda id: entries[id].due,
    )
    outcomes = await for_each(
        overdue,
        lambda id: _Entry(TaskHubClient(client, logs=False), id, entries[id]).reconcile(),
        DONE,
        AT_ONCE,
        until,
    )
    return outcomes + Counter({SKIPPED: unread})


async def _read_shard(client: df.DurableOrchestrationClient, shard: df.EntityId) -> Stats | None:
    """A shard of the stats, or None where it cannot be read."""
    what = f"{shard.name} {shard.key}"
    try:
        hub = TaskHubClient(client, seconds=SHARD_SECONDS, logs=False)
        state = await hub.read(shard)
        return Stats.from_state(state) if state else Stats()
    except ValidationError as error:
        telemetry.log_invalid(f"{what}: its stored state", error)
    except Exception as error:
        log_skipped(what, DONE, error)
    return None


def _is_overdue(entry: Snapshot, now: datetime, backoff: BackoffPolicy) -> bool:
    """Whether a registry or its delivery should have been heard of."""
    if entry.status == "open":
        return entry.due <= now - CLOSE_GRACE or entry.due > now + LONGEST_OPEN
    if entry.status == "pending":
        return entry.due <= now - DELIVERY_GRACE or _is_too_far_ahead(entry, now, backoff)
    return False


def _is_too_far_ahead(entry: Snapshot, now: datetime, backoff: BackoffPolicy) -> bool:
    """Whether a delivery is due later than after its longest delay: a clock was wrong."""
    return entry.due > now + timedelta(seconds=backoff.longest) + DELIVERY_GRACE


def _is_same(known: Snapshot, new: Snapshot) -> bool:
    """Whether two snapshots count alike. A delivery alone knows when it reports again."""
    if new.status == "open" and new.due != known.due:
        return False
    return (new.revision, new.items, new.status) == (known.revision, known.items, known.status)


class _Entry:
    """An entry of the stats that is overdue."""

    def __init__(self, hub: TaskHubClient, id: str, snapshot: Snapshot) -> None:
        self._hub = hub
        self._lists = ListClient(hub)
        self._id = id
        self._snapshot = snapshot

    async def reconcile(self) -> str:
        """Do for the registry what nobody did in time. Returns the outcome."""
        registry = await self._lists.read(self._id) or await self._unopened()
        if registry is None:
            await self._count_as_gone()
            return "closed"

        if not registry.is_closed and clock.utc_now() >= registry.terms.closes_at:
            registry = await self._lists.close_and_wait(registry.terms, "timeout")

        has_stopped = await self._has_delivery_stopped(registry)
        await self._correct(registry, has_stopped)
        if has_stopped:  # From now on the delivery itself reports.
            number = registry.delivery.number + self._is_requested(registry)
            await self._lists.start_delivery(registry, number)

        if registry.is_closed and self._snapshot.status == "open":
            return "closed"
        return "restarted" if has_stopped else "in order"

    async def _unopened(self) -> Registry | None:
        """The registry by the input of its orchestration, or None where nothing is left of it.

        One that was closed once is not made again.
        """
        if self._snapshot.status != "open":
            return None
        instance = await self._hub.instance(self._id)
        if instance is None or instance.name != REGISTRY_ORCHESTRATOR:
            return None
        if instance.status == "Completed":
            return None

        terms = terms_of(instance)
        return Registry.new(terms) if terms else None

    async def _has_delivery_stopped(self, registry: Registry) -> bool:
        """Whether a delivery is to be made that no instance makes. One that is stuck is ended."""
        if not registry.is_awaiting_delivery and not self._is_requested(registry):
            return False

        instance = await self._hub.instance(delivery_instance(self._id))
        if instance is None or instance.has_ended:
            return True
        if not self._is_stuck(instance, registry):
            return False

        await self._hub.ensure_terminated(instance.id, "it is overdue, and does not go on")
        return True

    def _is_requested(self, registry: Registry) -> bool:
        """Whether another delivery was requested of which the list has not heard."""
        return (
            registry.is_closed
            and not registry.delivery.is_pending
            and self._snapshot.status == "pending"
            and self._snapshot.revision == registry.revision + 1
        )

    def _is_stuck(self, instance: Instance, registry: Registry) -> bool:
        """Whether an instance that has not ended will not go on."""
        if instance.status not in STUCK_AFTER:
            return False

        known, now = self._snapshot, clock.utc_now()
        due = known.due if known.status == "pending" else registry.closed_at
        if due is not None and due <= now - STUCK_AFTER[instance.status]:
            return True
        return _is_too_far_ahead(known, now, registry.terms.backoff)

    async def _correct(self, registry: Registry, has_stopped: bool) -> None:
        """Report the registry where the entry differs from it, or its delivery begins anew."""
        known, new = self._snapshot, Snapshot.of(registry, clock.utc_now())
        is_in_order = not has_stopped and _is_same(known, new)
        if is_in_order or self._is_requested(registry):  # The latter reports when it begins.
            return

        if new.revision < known.revision:
            log.warning(
                "registry %s: its list is behind the stats (revision %s, not %s): counted as %s",
                telemetry.short_id(self._id),
                new.revision,
                known.revision,
                new.status,
            )
        await report_snapshot(self._hub, self._id, new, replaces=known.revision)

    async def _count_as_gone(self) -> None:
        """Count a registry of which nothing is left as completed."""
        known, now = self._snapshot, clock.utc_now()
        status = known.previous_status or "off"
        gone = known.model_copy(
            update={
                "revision": known.revision + 1,
                "status": status,
                "due": now,
                "closed_at": now,
            }
        )
        shown = telemetry.short_id(self._id)
        log.warning("registry %s: nothing is left of it: counted as %s", shown, status)
        await report_snapshot(self._hub, self._id, gone, replaces=known.revision)
