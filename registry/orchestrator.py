"""The life of one registry: the timer races the finish."""

import logging
from collections.abc import Generator
from typing import Any

import azure.durable_functions as df

from registry.entities import list_entity, stats_entity
from registry.model import ClosedBy
from registry.times import from_text

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

ORCHESTRATION = "RegistryOrchestration"
FINISH_EVENT = "finish"


@blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATION)
def registry_orchestration(context: df.DurableOrchestrationContext) -> Generator[Any, Any, dict[str, Any]]:
    """Open the registry, wait for its finish or its end, close it.

    The input is a new registry's state, made by `open`: so the time counts from the caller's open, and the
    orchestrator reads neither clock nor settings. The stats are told first: a list that is open proves that
    they know the registry.
    """
    id = context.instance_id
    opening = context.get_input(expected_type=dict)
    yield context.call_entity(stats_entity(id), "opened", [id])
    yield context.call_entity(list_entity(id), "open", opening)

    timer = context.create_timer(from_text(opening["closesAt"]))
    finish = context.wait_for_external_event(FINISH_EVENT)
    winner = yield context.task_any([timer, finish])
    closed_by: ClosedBy = "timeout"
    if winner == finish:
        closed_by = "user"
        timer.cancel()

    count: int = yield context.call_entity(list_entity(id), "close", closed_by)
    context.signal_entity(stats_entity(id), "closed", [id, count])
    if not context.is_replaying:
        log.info("registry %s closed by %s with %d items", id[:8], closed_by, count)
    return {"closedBy": closed_by, "itemsCount": count}
