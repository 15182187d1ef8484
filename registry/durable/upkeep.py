"""What nobody asks for: heal what was left undone, and forget what is old."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from datetime import datetime, timedelta

import azure.durable_functions as df
from azure.functions import TimerRequest

from registry import clock, settings, telemetry
from registry.durable import management
from registry.durable.names import LIFE, delivery_instance, list_entity
from registry.durable.registries import Registries
from registry.durable.taskhub import TaskHub
from registry.model import Standing

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

GRACE_OF_LIFE = timedelta(seconds=15)
GRACE_OF_DELIVERY = timedelta(seconds=30)
"""How late a life or a delivery may be before it is looked after. A registry is to be sent three minutes after its end
at the latest: this, twice the minute between two runs, and the time of an attempt must fit in."""
DELIVERIES_A_RUN = 50
HEALED_AT_ONCE = 20
FORGOTTEN_AT_ONCE = 10


@blueprint.function_name("heal")
@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
@blueprint.durable_client_input(client_name="client")
async def heal(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Settle each registry whose end is past, and start each delivery again that is not heard of, whatever became of
    their orchestrations: a worker that dies in a turn, an operator and a new version of the code can end these.
    """
    now = clock.utc_now()
    standings = (await Registries(TaskHub(client)).stats()).standings.items()
    lives = [(id, each) for id, each in standings if each.phase == "open" and each.due + GRACE_OF_LIFE <= now]
    deliveries = [
        (id, each) for id, each in standings if each.phase == "pending" and each.due + GRACE_OF_DELIVERY <= now
    ]
    deliveries.sort(key=lambda known: known[1].due)

    async def heal_one(id: str, standing: Standing) -> None:
        try:
            await Registries(TaskHub(client)).heal(id, standing)
        except Exception as error:  # whatever is wrong with one registry stops no other
            log.warning("registry %s: not healed yet: %s", id[:8], type(error).__name__)

    late = lives + deliveries[:DELIVERIES_A_RUN]
    await _at_once(HEALED_AT_ONCE, (heal_one(id, standing) for id, standing in late))


@blueprint.function_name("forget")
@blueprint.timer_trigger(arg_name="timer", schedule=settings.current().forget_schedule)
@blueprint.durable_client_input(client_name="client")
async def forget(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Forget the registries that closed longer ago than the retention; what fails is left for the next run."""
    retention = settings.current().retention
    if not retention:
        return
    closed_before = clock.utc_now() - retention
    ended = [each.id async for each in management.ended_before(client, closed_before) if each.name == LIFE]

    async def forget_one(id: str) -> None:
        try:
            await _forget(client, id, closed_before)
        except Exception as error:  # the SDK raises bare Exception for an answer that it does not expect
            log.warning("registry %s: not forgotten yet: %s", id[:8], type(error).__name__)

    await _at_once(FORGOTTEN_AT_ONCE, map(forget_one, ended))


async def _forget(client: df.DurableOrchestrationClient, id: str, closed_before: datetime) -> None:
    """Delete all that is kept of a registry, unless it closed later or is pending.

    The life goes last: by it the next run finds what is left where this is interrupted. An entity is an instance too.
    """
    hub = TaskHub(client)
    registry = await Registries(hub).read(id)
    if registry is not None and (
        registry.closed_at is None or registry.closed_at >= closed_before or registry.processing == "pending"
    ):
        return
    for instance in (df.EntityId.get_scheduler_id(list_entity(id)), delivery_instance(id), id):
        await hub.answer(client.purge_instance_history(instance))
    telemetry.record("purged", id)


async def _at_once(number: int, work: Iterable[Awaitable[None]]) -> None:
    """Do the work, so many pieces at a time."""
    slots = asyncio.Semaphore(number)

    async def in_slot(piece: Awaitable[None]) -> None:
        async with slots:
            await piece

    await asyncio.gather(*map(in_slot, work))
