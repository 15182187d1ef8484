"""Activities: what orchestrators have done with I/O. Each may run any number of times."""

import json
import logging
from contextlib import suppress

import azure.durable_functions as df

from registry import clock, settings, telemetry
from registry.domain.delivery import DeliveryStatus
from registry.domain.problems import HubUnavailable
from registry.domain.registry import Registry
from registry.domain.views import RegistryStatusView
from registry.durable import names
from registry.durable.list_client import ListClient
from registry.durable.messages import (
    AttemptDelivery,
    CloseRegistry,
    RecordDelivery,
    RequestDelivery,
)
from registry.durable.service import RegistryService
from registry.durable.stats_reporter import report
from registry.durable.task_hub import TaskHubClient
from registry.durable.webhook.client import AttemptResult, Webhook

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

# mypy: disable-error-code="type-arg"
# The worker takes only plain classes as annotations of inputs and results: no dict[str, Any].


@blueprint.activity_trigger(input_name="message", activity=names.CLOSE_REGISTRY)
@blueprint.durable_client_input(client_name="client")
async def close_registry(message: dict, client: df.DurableOrchestrationClient) -> dict:
    """Close a registry, start its delivery and count it.

    The result is for people who look at the instance.
    """
    close = CloseRegistry.from_input(message)
    service = RegistryService(TaskHubClient(client, close.trace))

    registry = await service.close_registry(close.terms, close.by)

    return {"closedBy": registry.closed_by, "itemsCount": len(registry.items)}


@blueprint.activity_trigger(input_name="message", activity=names.ATTEMPT_DELIVERY)
@blueprint.durable_client_input(client_name="client")
async def attempt_delivery(message: dict, client: df.DurableOrchestrationClient) -> bool:
    """Make one attempt at a delivery. Returns whether there is no more to attempt.

    Without a webhook the delivery stays pending: once there is one, reconcile starts it again.
    """
    attempt = AttemptDelivery.from_input(message)
    hub = TaskHubClient(client, attempt.trace)
    registry = await _to_deliver(hub, attempt)
    if registry is None:
        return True

    webhook = settings.current().webhook
    if webhook is None:
        await report(hub, registry)
        return True

    result = await _post(webhook, registry)
    hub = hub.renewed()  # The receiver has had its time, now the task hub has.
    if result == "stopped":  # It was not made, so it was not the last one either.
        await report(hub, registry, next_report_in=attempt.delay or attempt.backoff.longest)
        return False
    if result == "retry" and attempt.delay is not None:
        await report(hub, registry, next_report_in=attempt.delay)
        return False

    await _record(hub, registry, "failed" if result == "retry" else result)
    return True


async def _to_deliver(hub: TaskHubClient, attempt: AttemptDelivery) -> Registry | None:
    """The registry whose delivery of this number is pending, or None where there is none.

    The delivery begins now if it was requested only a moment ago.
    """
    registry = await ListClient(hub).read(attempt.id)
    if registry is not None and attempt.number == registry.delivery.number + 1:
        registry = await _begin(hub, registry, attempt.number)

    if registry is None or not registry.is_awaiting_delivery:
        return None
    return registry if registry.delivery.number == attempt.number else None


async def _begin(hub: TaskHubClient, registry: Registry, number: int) -> Registry:
    """Begin another delivery.

    The stats hear of it first: then reconcile restarts it, whatever becomes of this attempt.
    """
    now = clock.utc_now()
    requested = registry.model_copy(deep=True)
    requested.request_delivery(number, now)
    if requested.revision == registry.revision:  # It is refused.
        return registry

    await report(hub, requested)
    lists, id = ListClient(hub), registry.terms.id
    return await lists.send_until(
        id,
        lambda: lists.signal(id, RequestDelivery, number=number),
        lambda read: read.delivery.number >= number,
        "It is about to be sent.",
    )


async def _post(webhook: Webhook, registry: Registry) -> AttemptResult:
    """Post the registry to the webhook."""
    id, now = registry.terms.id, clock.utc_now()
    body = RegistryStatusView.of(registry, now).model_dump(mode="json")
    result, reason = await webhook.post(id, json.dumps(body, ensure_ascii=False), now)

    if result != "delivered":
        log.warning("registry %s: processing webhook: %s", telemetry.short_id(id), reason)
    return result


async def _record(hub: TaskHubClient, registry: Registry, outcome: DeliveryStatus) -> None:
    """Record the outcome in the list, and report it once it is committed."""
    lists, id = ListClient(hub), registry.terms.id
    recorded = await lists.send_until(
        id,
        lambda: lists.signal(id, RecordDelivery, number=registry.delivery.number, outcome=outcome),
        lambda read: read.revision > registry.revision,
        "What became of the delivery is not on record yet.",
    )
    with suppress(HubUnavailable):  # Then reconcile reports it.
        await report(hub, recorded)
