"""The life of a registry: a durable timer races its finish, and then it is settled."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from registry.clock import to_text
from registry.domain.registry import ClosedBy
from registry.durable.messages import VERSION, dump, to_birth
from registry.durable.names import FINISH, LIFE, SETTLE, birth_of
from registry.durable.service import Registries
from registry.durable.task_hub import TaskHub
from registry.telemetry import trace_in

blueprint = df.Blueprint()

Steps = Generator[Any, Any, Any]

MARGIN = timedelta(seconds=1)
"""Of the timer: on Azure Storage it fires up to a second early, as the delays of its queues are in
whole seconds.
"""
ATTEMPTS = df.RetryOptions(first_retry_interval_in_milliseconds=2_000, max_number_of_attempts=5)
"""Of settling; then `heal` does it."""


@blueprint.orchestration_trigger(context_name="context", orchestration=LIFE)
def registry_orchestration(context: df.DurableOrchestrationContext) -> Steps:
    """Wait for the finish or the end of a registry, as its input fixes it, and settle it; else heal
    does.
    """
    life = context.get_input(expected_type=dict)
    birth, trace = birth_of(context.instance_id, life), trace_in(life.get("trace"))
    finish = context.wait_for_external_event(FINISH)
    by: ClosedBy = "timeout"
    while by == "timeout" and context.current_utc_datetime < birth.closes_at:
        timer = context.create_timer(birth.closes_at + MARGIN)
        if (yield context.task_any([timer, finish])) == finish:
            timer.cancel()
            by, trace = "user", trace_in(finish.result)
    order = {"v": VERSION, "trace": trace, "sent_at": to_text(context.current_utc_datetime)}
    return (
        yield context.call_activity_with_retry(
            SETTLE, ATTEMPTS, order | {"birth": dump(birth), "by": by}
        )
    )


@blueprint.activity_trigger(input_name="order", activity=SETTLE)
@blueprint.durable_client_input(client_name="client")
async def settle(order: dict, client: df.DurableOrchestrationClient) -> dict:  # type: ignore[type-arg]  # the worker takes no dict[...]
    """Settle a registry: the order is a message `Turn`. The result is for people who look at the
    instance.
    """
    registry = await Registries(TaskHub(client, order["trace"])).settle(
        to_birth(order["birth"]), order["by"]
    )
    return {"closedBy": registry.closed_by, "itemsCount": len(registry.items)}
