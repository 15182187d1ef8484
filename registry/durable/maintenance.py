"""Maintenance: closes overdue registries, restarts lost deliveries, and deletes old registries."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

import azure.durable_functions as df
from azure.functions import TimerRequest

from registry import clock, settings, telemetry
from registry.domain.registry import Registry, RegistryTerms
from registry.domain.stats import InvalidEntry, Snapshot
from registry.durable.list_client import ListClient, terms_of
from registry.durable.names import REGISTRY_ORCHESTRATOR, delivery_instance, list_entity
from registry.durable.service import RegistryService
from registry.durable.stats_reporter import report, report_snapshot
from registry.durable.task_hub import TaskHubClient, ended_before

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

CLOSE_GRACE = timedelta(seconds=15)
DELIVERY_GRACE = timedelta(seconds=30)
"""How late a close or a delivery may be before reconcile sees to it.

There are at most two minutes until it has done so; that makes less than three.
"""
DELIVERIES_PER_RUN = 50
RECONCILED_AT_ONCE = 20
PURGED_AT_ONCE = 10


@blueprint.function_name("reconcile")
@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
@blueprint.durable_client_input(client_name="client")
async def reconcile(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Close registries that are overdue, and restart deliveries that report no more."""
    stats = await RegistryService(TaskHubClient(client)).stats()
    snapshots = dict(stats.snapshots)
    _log_invalid(stats.invalid_entries)

    await _for_each(
        _overdue(snapshots, clock.utc_now()),
        RECONCILED_AT_ONCE,
        "reconciled",
        lambda id: _reconcile(TaskHubClient(client), id, snapshots[id]),
    )


@blueprint.function_name("purge_expired")
@blueprint.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
@blueprint.durable_client_input(client_name="client")
async def purge_expired(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Delete registries that closed longer ago than the retention."""
    retention = settings.current().retention
    if not retention:
        return

    before = clock.utc_now() - retention
    ended = [
        each.id async for each in ended_before(client, before) if each.name == REGISTRY_ORCHESTRATOR
    ]
    await _for_each(
        ended,
        PURGED_AT_ONCE,
        "purged",
        lambda id: _purge(TaskHubClient(client), id, before),
    )


def _log_invalid(entries: list[InvalidEntry]) -> None:
    """Log which registries are not seen to, because their snapshots cannot be read."""
    for entry in entries:
        telemetry.log_invalid(f"registry {entry.id[:8]}: its snapshot in the stats", entry.error)


def _overdue(snapshots: dict[str, Snapshot], now: datetime) -> list[str]:
    """The ids of registries and deliveries that should have been heard of, oldest first."""
    by_due = sorted(snapshots, key=lambda id: snapshots[id].due)

    def overdue(status: str, grace: timedelta) -> list[str]:
        return [
            id
            for id in by_due
            if snapshots[id].status == status and snapshots[id].due <= now - grace
        ]

    deliveries = overdue("pending", DELIVERY_GRACE)
    return overdue("open", CLOSE_GRACE) + deliveries[:DELIVERIES_PER_RUN]


async def _reconcile(hub: TaskHubClient, id: str, snapshot: Snapshot) -> None:
    """Do for one registry what nobody did in time."""
    lists = ListClient(hub)
    registry = await lists.read(id)
    terms = await _terms(hub, id, snapshot, registry)

    if terms is None:
        await _count_as_purged(hub, id, snapshot)
    elif clock.utc_now() < terms.closes_at and not (registry and registry.is_closed):
        await report(hub, registry or Registry.new(terms))
    elif registry and snapshot.status == "pending" and registry.revision < snapshot.revision:
        # Another delivery was requested, but the list has not heard of it.
        await lists.start_delivery(registry, registry.delivery.number + 1)
    else:
        await RegistryService(hub).close_registry(terms, "timeout")


async def _terms(
    hub: TaskHubClient, id: str, snapshot: Snapshot, registry: Registry | None
) -> RegistryTerms | None:
    """The terms of a registry, or None where nothing is left of it."""
    if registry is not None:
        return registry.terms
    if snapshot.status == "pending":
        return None

    instance = await hub.instance(id)
    if instance is None or instance.status == "Completed":
        return None
    return terms_of(instance)


async def _count_as_purged(hub: TaskHubClient, id: str, snapshot: Snapshot) -> None:
    """Count a registry of which nothing is left as completed."""
    now = clock.utc_now()
    gone = snapshot.model_copy(
        update={
            "revision": snapshot.revision + 1,
            "status": snapshot.previous_status or "off",
            "due": now,
            "closed_at": now,
        }
    )
    await report_snapshot(hub, id, gone)


async def _purge(hub: TaskHubClient, id: str, before: datetime) -> None:
    """Delete a registry, unless it closed later or its delivery is pending.

    Its orchestration goes last: a run that was interrupted finds the registry by that.
    """
    registry = await ListClient(hub).read(id)
    if registry is not None:
        is_young = registry.closed_at is None or registry.closed_at >= before
        if is_young or registry.delivery.is_pending:
            return

    list_instance = df.EntityId.get_scheduler_id(list_entity(id))
    for instance in (list_instance, delivery_instance(id), id):
        await hub.purge(instance)
    telemetry.record("purged", id)


async def _for_each(
    ids: Iterable[str], at_once: int, done: str, work: Callable[[str], Awaitable[None]]
) -> None:
    """Do the work for each id, so many at a time. What fails is left for the next run."""
    slots = asyncio.Semaphore(at_once)

    async def one(id: str) -> None:
        async with slots:
            try:
                await work(id)
            except Exception as error:
                log.warning("registry %s: not %s yet: %s", id[:8], done, type(error).__name__)

    await asyncio.gather(*map(one, ids))
