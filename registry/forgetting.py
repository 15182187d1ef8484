"""Forgetting: what closed longer ago than the retention is deleted, page by page.

The timer starts an orchestration, which goes on where it was after a crash and is not bound by functionTimeout.
"""

import logging
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
from azure.functions import TimerRequest

from registry import clock, settings
from registry.hub import Hub
from registry.orchestrator import Steps
from registry.times import from_text, to_text

blueprint = df.Blueprint()
log = logging.getLogger(__name__)

ORCHESTRATION = "ForgettingOrchestration"
INSTANCE = "forgetting"
"""The one instance: two at a time would only get in each other's way."""
FORGET_PAGE = "forget_page"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
PAGES_A_RUN = 50
"""Pages after which the orchestration begins a new history."""
SHORTEST_SPAN = timedelta(seconds=1)
ATTEMPTS = df.RetryOptions(first_retry_interval_in_milliseconds=5_000, max_number_of_attempts=5)

Span = tuple[str, str, str]
"""Created from, created to, and closed before."""


@blueprint.function_name("forget")
@blueprint.timer_trigger(arg_name="timer", schedule=settings.current().forget_schedule)
@blueprint.durable_client_input(client_name="client")
async def forget(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Begin to forget, unless registries are kept for ever or the last run is still at it."""
    chosen = settings.current()
    if not chosen.retention:
        return
    hub = Hub(client)
    if await hub.is_running(INSTANCE):
        log.info("forgetting goes on already")
        return
    closed_before = clock.utc_now() - chosen.retention
    # Whatever was created by then has closed before: so pages are not filled with what has to stay.
    span = BEGINNING, closed_before - chosen.open_for, closed_before
    await hub.start(ORCHESTRATION, INSTANCE, [list(map(to_text, span))])


@blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATION)
def forgetting_orchestration(context: df.DurableOrchestrationContext) -> Steps:
    """Forget what was created in the spans of the input."""
    spans = context.get_input(expected_type=list)
    for _ in range(PAGES_A_RUN):
        if not spans:
            return
        spans += yield context.call_activity_with_retry(FORGET_PAGE, ATTEMPTS, spans.pop())
    context.continue_as_new(spans)


@blueprint.activity_trigger(input_name="span", activity=FORGET_PAGE)
@blueprint.durable_client_input(client_name="client")
async def forget_page(
    span: list,  # type: ignore[type-arg]  # Azure's worker takes classes only: with list[str] it loads no function
    client: df.DurableOrchestrationClient,
) -> list[Span]:
    """Forget what a query for the span shows; returns the spans that are still to be looked at.

    The SDK shows the first page of a query only. So the query is made again while that page is full, and where all on
    it has to stay, once for each half of the span.
    """
    start, end, closed_before = map(from_text, span)
    ids, is_full = await Hub(client).ended(start, end)
    forgotten = [await Hub(client).forget(id, closed_before) for id in ids]
    if not is_full:
        return []
    if any(forgotten):
        return [(span[0], span[1], span[2])]
    if end - start <= SHORTEST_SPAN:
        return []
    middle = to_text(start + (end - start) / 2)
    return [(span[0], middle, span[2]), (middle, span[1], span[2])]
