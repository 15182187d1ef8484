"""The activity that sends a closed registry to the processing webhook."""

import asyncio
import json
import logging

import azure.durable_functions as df

from registry import clock, settings
from registry.http import shown
from registry.hub import Hub, RegistryError
from registry.orchestrator import SEND

blueprint = df.Blueprint()
log = logging.getLogger(__name__)


@blueprint.activity_trigger(input_name="id", activity=SEND)
@blueprint.durable_client_input(client_name="client")
async def send(id: str, client: df.DurableOrchestrationClient) -> str:
    """Attempt to deliver a registry: `delivered`, `failed` for good, `off` where nothing is configured, or `again`.

    It reads the registry, which nothing changes any more, instead of getting it: with every attempt the history would
    grow by all the items. A close may be known to the orchestration a moment before it can be read.
    """
    webhook = settings.current().webhook
    if webhook is None:
        return "off"
    try:
        registry = await Hub(client).recorded(id)
    except RegistryError as error:
        log.warning("registry %s: not sent: %s", id[:8], error)
        return "again"
    body = json.dumps(shown(id, registry), ensure_ascii=False)
    verdict, reason = await asyncio.to_thread(webhook.post, id, body, clock.utc_now())
    if verdict != "delivered":
        log.warning("registry %s: processing webhook: %s", id[:8], reason)
    return verdict
