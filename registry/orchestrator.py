"""The life of one registry: the timer races the finish, and what was collected is sent for processing."""

from collections.abc import Generator
from datetime import datetime
from typing import Any

import azure.durable_functions as df

from registry.entities import list_entity, stats_entity
from registry.model import Backoff, ClosedBy
from registry.telemetry import trace_in
from registry.times import from_text

blueprint = df.Blueprint()

ORCHESTRATION = "RegistryOrchestration"
PROCESSING = "ProcessingOrchestration"
FINISH_EVENT = "finish"
SEND = "send"

Steps = Generator[Any, Any, Any]


def processing_instance(id: str) -> str:
    """The instance that sends the registry `id` again: there is one of it at a time."""
    return f"{id}-processing"


@blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATION)
def registry_orchestration(context: df.DurableOrchestrationContext) -> Steps:
    """Open the registry, wait for its finish or its end, close it, and have it processed.

    The input is a new registry's state with what else `open` has fixed: so the time counts from the caller's open,
    and the orchestrator reads neither clock nor settings. The stats are told first: a list that is open proves that
    they know the registry.
    """
    id = context.instance_id
    opening = context.get_input(expected_type=dict)
    trace = opening["trace"]
    yield context.call_entity(stats_entity(id), "opened", [id])
    yield context.call_entity(list_entity(id), "open", opening)

    timer = context.create_timer(from_text(opening["closesAt"]))
    finish = context.wait_for_external_event(FINISH_EVENT)
    winner = yield context.task_any([timer, finish])
    closed_by: ClosedBy = "timeout"
    if winner == finish:
        closed_by = "user"
        timer.cancel()
        trace = trace_in(finish.result)

    count: int = yield context.call_entity(list_entity(id), "close", [closed_by, trace])
    context.signal_entity(stats_entity(id), "closed", [id, count, opening["processing"]])
    if opening["processing"] == "pending":
        yield from _deliver(context, id, Backoff(*opening["backoff"]), trace)
    return {"closedBy": closed_by, "itemsCount": count}


@blueprint.orchestration_trigger(context_name="context", orchestration=PROCESSING)
def processing_orchestration(context: df.DurableOrchestrationContext) -> Steps:
    """Send a closed registry again. The input has its `id`, and `backoff` and `trace` as above."""
    asked = context.get_input(expected_type=dict)
    id = asked["id"]
    before = yield context.call_entity(list_entity(id), "send_again")
    if before is not None:  # it is there, and closed
        yield context.call_entity(stats_entity(id), "sent_again", [id, before])
        yield from _deliver(context, id, Backoff(*asked["backoff"]), asked["trace"])


def _deliver(context: df.DurableOrchestrationContext, id: str, backoff: Backoff, trace: str) -> Steps:
    """Attempt the delivery until it has come to an end, and tell the list and the stats.

    The pauses are timers of this orchestration, because the SDK's RetryOptions know no back-off.
    """
    began: datetime = context.current_utc_datetime
    outcome = yield from _attempt(context, id)
    failures = 1
    while outcome == "again":
        pause = backoff.pause(failures, context.current_utc_datetime - began)
        if pause is None:
            outcome = "failed"
            break
        yield context.create_timer(context.current_utc_datetime + pause)
        outcome = yield from _attempt(context, id)
        failures += 1
    yield context.call_entity(list_entity(id), "processed", [outcome, trace])
    context.signal_entity(stats_entity(id), "processed", [id, outcome])


def _attempt(context: df.DurableOrchestrationContext, id: str) -> Steps:
    try:
        return (yield context.call_activity(SEND, id))
    except Exception:  # the activity was ended by its host, at functionTimeout for example
        return "again"
