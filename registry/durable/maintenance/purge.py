"""Deletes registries that closed longer ago than the retention, and closes what nobody closed."""

from collections import Counter
from collections.abc import Awaitable
from datetime import datetime

import azure.durable_functions as df

from registry import clock
from registry.durable.list_client import ListClient
from registry.durable.maintenance.bulkhead import SKIPPED, for_each, log_skipped
from registry.durable.names import REGISTRY_ORCHESTRATOR, delivery_instance, list_entity
from registry.durable.service import RegistryService
from registry.durable.task_hub import TaskHubClient, ended_before

DONE = "purged"
AT_ONCE = 10
SECONDS = 240.0
"""A run begins nothing more after these: the host ends it after 300."""


async def purge_before(client: df.DurableOrchestrationClient, moment: datetime) -> Counter[str]:
    """Delete what closed before a moment. Returns how many registries, and how many failed.

    Where the query fails, what it has found until then is deleted.
    """
    until = clock.monotonic() + SECONDS
    ended: list[str] = []
    unread = 0
    try:
        async for each in ended_before(client, moment):
            if each.name == REGISTRY_ORCHESTRATOR:
                ended.append(each.id)
    except Exception as error:
        unread = 1
        log_skipped("other registries", DONE, error)

    def purge(id: str) -> Awaitable[str]:
        return _purge(TaskHubClient(client, logs=False), id, moment)

    outcomes = await for_each(ended, purge, DONE, AT_ONCE, until)
    return outcomes + Counter({SKIPPED: unread})


async def _purge(hub: TaskHubClient, id: str, before: datetime) -> str:
    """Delete a registry, unless it closed later or its delivery is pending.

    Its orchestration goes last: a run that was interrupted finds the registry by that.
    """
    registry = await ListClient(hub).read(id)
    if registry is not None:
        if registry.closed_at is None:
            await RegistryService(hub).close_registry(registry.terms, "timeout")
            return "closed"
        if registry.closed_at >= before or registry.delivery.is_pending:
            return "kept"

    list_instance = df.EntityId.get_scheduler_id(list_entity(id))
    for instance in (list_instance, delivery_instance(id), id):
        await hub.purge(instance)
    return "registries"
