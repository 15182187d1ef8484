"""Orchestrators: one waits for the close of a registry, the other delivers it.

They are replayed, so they do no I/O, and read no clock but the context's. `tests/replay` holds them
to the histories that released versions have recorded.
"""

from collections.abc import Generator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from registry.domain.registry import ClosedBy
from registry.durable import names
from registry.durable.messages import (
    AttemptDelivery,
    CloseRegistry,
    DeliverRegistry,
    Invalid,
    MessageType,
    OpenRegistry,
)
from registry.telemetry import reasons, trace_in

blueprint = df.Blueprint()

Tasks = Generator[Any, Any, Any]

TIMER_MARGIN = timedelta(seconds=1)
"""Azure Storage delays queue messages by whole seconds: a timer may fire up to a second early."""
CLOSE_RETRIES = df.RetryOptions(
    first_retry_interval_in_milliseconds=2_000,
    max_number_of_attempts=5,
)
"""After these, `reconcile` closes the registry."""
ATTEMPTS_PER_HISTORY = 50
"""Then the delivery continues as new: each replay reads the whole history."""


class InvalidInput(ValueError):
    """The orchestrator was started with what it does not take."""


@blueprint.orchestration_trigger(context_name="context", orchestration=names.REGISTRY_ORCHESTRATOR)
def registry_orchestrator(context: df.DurableOrchestrationContext) -> Tasks:
    """Wait until the registry is finished or its time is up, then have it closed."""
    opened = _read_input(context, OpenRegistry)
    terms, trace = opened.terms, opened.trace
    terms.check(context.instance_id, context.current_utc_datetime)

    by: ClosedBy = "timeout"
    finished = context.wait_for_external_event(names.CLOSE_EVENT)
    while by == "timeout" and context.current_utc_datetime < terms.closes_at:
        timer = context.create_timer(terms.closes_at + TIMER_MARGIN)
        if (yield context.task_any([timer, finished])) == finished:
            timer.cancel()
            by, trace = "user", trace_in(finished.result)

    close = CloseRegistry(trace=trace, sent_at=context.current_utc_datetime, terms=terms, by=by)
    return (
        yield context.call_activity_with_retry(names.CLOSE_REGISTRY, CLOSE_RETRIES, close.to_json())
    )


@blueprint.orchestration_trigger(context_name="context", orchestration=names.DELIVERY_ORCHESTRATOR)
def delivery_orchestrator(context: df.DurableOrchestrationContext) -> Tasks:
    """Attempt the delivery until its outcome is on record, with growing delays between attempts.

    The SDK's RetryOptions have no back-off.
    """
    delivery = _read_input(context, DeliverRegistry)
    if names.delivery_instance(delivery.id) != context.instance_id:
        raise InvalidInput("the input is that of another registry")
    if not delivery.backoff.is_allowed:
        raise InvalidInput("no settings allow such a back-off")

    began = min(delivery.began or context.current_utc_datetime, context.current_utc_datetime)
    failures = delivery.failures

    for _ in range(ATTEMPTS_PER_HISTORY):
        now = context.current_utc_datetime
        failures += 1
        delay = delivery.backoff.delay(failures, now - began)
        attempt = AttemptDelivery(
            **dict(delivery) | {"sent_at": now},
            delay=None if delay is None else delay.total_seconds(),
        )
        # Its worker died, or the task hub did not answer: the delivery goes on.
        with suppress(Exception):
            if (yield context.call_activity(names.ATTEMPT_DELIVERY, attempt.to_json())):
                return

        longest = timedelta(seconds=delivery.backoff.longest)
        yield context.create_timer(context.current_utc_datetime + (delay or longest))

    goes_on = delivery.model_copy(update={"began": began, "failures": failures})
    context.continue_as_new(goes_on.to_json())


def _read_input(context: df.DurableOrchestrationContext, kind: type[MessageType]) -> MessageType:
    """The input of an instance. Raises InvalidInput, with where and why, but none of its values."""
    try:
        return kind.from_input(context.get_input(expected_type=dict))
    except Invalid as error:
        raise InvalidInput(f"the input is invalid: {reasons(error)}") from None
