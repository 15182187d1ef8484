"""The activity that sends a closed registry to the processing webhook."""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import azure.durable_functions as df

from registry import clock, settings
from registry.http import shown
from registry.hub import Hub, RegistryError
from registry.orchestrator import SEND

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

POSTS = ThreadPoolExecutor(100, "post")
"""Threads of their own: a slow receiver holds up nothing else that needs a thread."""


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
    try:
        async with asyncio.timeout(webhook.timeout):
            post = asyncio.get_running_loop().run_in_executor(POSTS, webhook.post, id, body, clock.utc_now())
            verdict, reason = await post
    except TimeoutError:  # an answer that comes drop by drop never meets the read time-out of requests
        verdict, reason = "again", f"no answer within {webhook.timeout} s"
    if verdict != "delivered":
        log.warning("registry %s: processing webhook: %s", id[:8], reason)
    return verdict
