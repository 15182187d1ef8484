"""What nobody asks for: heal what was left undone, and forget what is old."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

import azure.durable_functions as df
from azure.functions import TimerRequest

from registry import clock, settings, telemetry
from registry.durable import management
from registry.durable.names import LIFE, delivery_instance, list_entity
from registry.durable.service import Registries
from registry.durable.task_hub import TaskHub

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

LIFE_GRACE, DELIVERY_GRACE = timedelta(seconds=15), timedelta(seconds=30)
"""How late they may be before they are looked after: with two minutes between runs, that fits into
three minutes.
"""
DELIVERIES_A_RUN, HEALED_AT_ONCE, FORGOTTEN_AT_ONCE = 50, 20, 10


@blueprint.function_name("heal")
@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
@blueprint.durable_client_input(client_name="client")
async def heal(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Settle what is past its end, and start deliveries again that are not heard of, whatever ended
    their instances.
    """
    standings, now = (await Registries(TaskHub(client)).stats()).standings, clock.utc_now()
    lives = [
        id
        for id, each in standings.items()
        if each.phase == "open" and each.due <= now - LIFE_GRACE
    ]
    sent = [
        id
        for id, each in standings.items()
        if each.phase == "pending" and each.due <= now - DELIVERY_GRACE
    ]
    late = lives + sorted(sent, key=lambda id: standings[id].due)[:DELIVERIES_A_RUN]
    await _each(
        late,
        HEALED_AT_ONCE,
        "healed",
        lambda id: Registries(TaskHub(client)).heal(id, standings[id]),
    )


@blueprint.function_name("forget")
@blueprint.timer_trigger(arg_name="timer", schedule=settings.current().forget_schedule)
@blueprint.durable_client_input(client_name="client")
async def forget(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Forget the registries that closed longer ago than the retention."""
    if retention := settings.current().retention:
        before = clock.utc_now() - retention
        ended = [
            each.id async for each in management.ended_before(client, before) if each.name == LIFE
        ]
        await _each(ended, FORGOTTEN_AT_ONCE, "forgotten", lambda id: _forget(client, id, before))


async def _forget(client: df.DurableOrchestrationClient, id: str, before: datetime) -> None:
    """Delete what is kept of a registry, unless it closed later or is pending; its life, by which
    it is found, last.
    """
    hub = TaskHub(client)
    registry = await Registries(hub).read(id)
    if registry and (
        not registry.closed_at or registry.closed_at >= before or registry.processing == "pending"
    ):
        return
    for instance in (df.EntityId.get_scheduler_id(list_entity(id)), delivery_instance(id), id):
        await hub.answer(client.purge_instance_history(instance))
    telemetry.record("purged", id)


async def _each(
    ids: Iterable[str], at_once: int, done: str, work: Callable[[str], Awaitable[None]]
) -> None:
    """Do the work for each id, so many at a time. What fails is left for the next run, and stops no
    other.
    """
    slots = asyncio.Semaphore(at_once)

    async def one(id: str) -> None:
        async with slots:
            try:
                await work(id)
            except Exception as error:
                log.warning("registry %s: not %s yet: %s", id[:8], done, type(error).__name__)

    await asyncio.gather(*map(one, ids))
