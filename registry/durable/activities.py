"""The delivery of a closed registry to the processing webhook: attempts until it has come to an
end, with back-off.
"""

import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import azure.durable_functions as df

from registry import clock, settings
from registry.clock import from_text, to_text
from registry.domain.problems import HubUnavailable
from registry.domain.registry import Backoff, Registry
from registry.durable.messages import shown
from registry.durable.names import DELIVERY, SEND, list_entity
from registry.durable.orchestrators import Steps
from registry.durable.service import Registries
from registry.durable.stats_reporter import tell_stats
from registry.durable.task_hub import TaskHub

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

ATTEMPTS_A_HISTORY = 50  # attempts after which the orchestration begins a new history


@blueprint.orchestration_trigger(context_name="context", orchestration=DELIVERY)
def delivery_orchestration(context: df.DurableOrchestrationContext) -> Steps:
    """Make attempts at a delivery (see `names.Delivery`) until it is over. The SDK's RetryOptions
    know no back-off.
    """
    order = context.get_input(expected_type=dict)
    backoff, failures = Backoff(*order["backoff"]), order["failures"]
    began: datetime = from_text(order["began"]) if order["began"] else context.current_utc_datetime
    for _ in range(ATTEMPTS_A_HISTORY):
        now = context.current_utc_datetime
        failures += 1
        pause = backoff.pause(failures, now - began)
        attempt = {**order, "sent_at": to_text(now), "pause": pause and pause.total_seconds()}
        with suppress(
            Exception
        ):  # its worker died, or the task hub did not answer: so the delivery goes on
            if (yield context.call_activity(SEND, attempt)):
                return
        yield context.create_timer(
            context.current_utc_datetime + (pause or timedelta(seconds=backoff.longest))
        )
    context.continue_as_new(order | {"began": to_text(began), "failures": failures})


@blueprint.activity_trigger(input_name="attempt", activity=SEND)
@blueprint.durable_client_input(client_name="client")
async def send(attempt: dict, client: df.DurableOrchestrationClient) -> bool:  # type: ignore[type-arg]  # see `settle`
    """Make an attempt (see `names.Delivery`); returns whether the delivery has come to an end,
    which is on record.
    """
    hub, id, number = TaskHub(client, attempt["trace"]), attempt["id"], attempt["number"]
    registry = await _to_deliver(hub, id, number)
    if registry is None:
        return True
    webhook, now, outcome, reason = (
        settings.current().webhook,
        clock.utc_now(),
        "off",
        "there is none",
    )
    if webhook is not None:
        outcome, reason = await webhook.post(
            id, json.dumps(shown(registry, now), ensure_ascii=False), now
        )
    if outcome != "delivered":
        log.warning("registry %s: processing webhook: %s", id[:8], reason)
    hub = TaskHub(client, attempt["trace"])  # the receiver has had its time, now the task hub has
    if outcome == "again" and attempt["pause"] is not None:
        await tell_stats(hub, registry, reports_in=attempt["pause"])
        return False
    came_to = "failed" if outcome == "again" else outcome
    report = partial(hub.signal, list_entity(id), "delivered", number=number, outcome=came_to)
    unknown, before = "What came of the delivery is not on record yet.", registry.revision
    registry = await Registries(hub).until(
        id, report, lambda registry: registry.revision > before, unknown
    )
    with suppress(HubUnavailable):  # then heal tells them
        await tell_stats(hub, registry)
    return True


async def _to_deliver(hub: TaskHub, id: str, number: int) -> Registry | None:
    """The registry whose delivery of this number is under way, or is to begin now; None where
    nothing is to be sent.
    """
    registry = await Registries(hub).read(id)
    if (
        registry
        and registry.sends == number - 1
        and not registry.seconds_until_again(clock.utc_now())
    ):
        asked = replace(
            registry,
            revision=registry.revision + 1,
            processing="pending",
            previous=registry.processing,
        )
        await tell_stats(
            hub, asked
        )  # first: so it is healed, whatever becomes of this and of the message
        ask, unknown = (
            partial(hub.signal, list_entity(id), "send_again", number=number),
            "It is about to be sent.",
        )
        registry = await Registries(hub).until(
            id, ask, lambda registry: registry.sends >= number, unknown
        )
    is_under_way = (
        registry
        and registry.is_closed
        and registry.processing == "pending"
        and registry.sends == number
    )
    return registry if is_under_way else None
