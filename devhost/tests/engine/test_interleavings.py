"""An orchestrator that asks for everything at once, whose answers come in any order: devhost and
the SDK must number its tasks alike, or it hangs or counts as not deterministic.
"""

import json
import random
from collections import Counter
from datetime import timedelta

import azure.durable_functions as df
import pytest

from devhost.engine.failure_details import FailureDetails
from devhost.engine.work_items import ActivityOutcome
from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.management.messages import ManagementRequest
from tests.sample_host import ORIGIN, EngineHost

FAILURES = 2
"""An activity fails at most so often; there is one attempt more."""


def make_app() -> df.DFApp:
    app = df.DFApp()
    retry = df.RetryOptions(
        first_retry_interval_in_milliseconds=1000, max_number_of_attempts=FAILURES + 1
    )
    counter = df.EntityId("Counter", "a")

    @app.activity_trigger(input_name="name")
    def wrap(name: str) -> str:
        return name

    @app.orchestration_trigger(context_name="context")
    def child(context):
        return (yield context.call_activity("wrap", "retried in a child"))

    @app.orchestration_trigger(context_name="context")
    def everything(context):
        first = yield context.task_all(
            [
                context.call_activity_with_retry("wrap", retry, "retried"),
                context.call_activity("wrap", "once"),
                context.call_entity(counter, "add", 1),
                context.call_sub_orchestrator_with_retry("child", retry),
            ]
        )
        event = context.wait_for_external_event("go")
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=1))
        yield context.task_any(
            [event, timer, context.call_activity_with_retry("wrap", retry, "retried in a race")]
        )
        timer.cancel()
        context.signal_entity(counter, "add", 5)
        last = yield context.call_activity("wrap", "last")
        yield context.task_any(
            [event, context.call_activity_with_retry("wrap", retry, "retried at the end")]
        )
        return [first, last, (yield context.call_entity(counter, "add", 0))]

    @app.entity_trigger(context_name="context", entity_name="Counter")
    def add_up(context):
        count = context.get_state(lambda: 0) + context.get_input()
        context.set_state(count)
        context.set_result(count)

    return app


@pytest.fixture(scope="module")
def app() -> App:
    return index(make_app())


@pytest.mark.parametrize("seed", range(60))
def test_answers_in_any_order(app, seed) -> None:
    """Whatever comes first, fails first or comes at once, it ends alike."""
    chance = random.Random(seed)
    failures: Counter[str] = Counter()

    def outcome(input: str) -> ActivityOutcome:
        if "retried" in input and failures[input] < FAILURES and chance.random() < 0.5:
            failures[input] += 1
            return ActivityOutcome(failure=FailureDetails("not yet"))
        return ActivityOutcome(result=input)

    with EngineHost(app) as host:
        host.manage(ManagementRequest("POST", "orchestrators/everything/a", ORIGIN))
        for _ in range(200):
            if host.store.instance("a").status != "Running":
                break
            activities = host.store.activities()
            step = chance.random()
            if activities and step < 0.7:
                with host.store.transaction():
                    for activity in chance.sample(activities, chance.randint(1, len(activities))):
                        host.work_items.complete_activity(activity, outcome(activity.input))
                host.run()
            elif step < 0.8:
                host.manage(
                    ManagementRequest("POST", "instances/a/raiseEvent/go", ORIGIN, body='"null"')
                )
            else:
                host.advance(seconds=chance.choice([0.5, 1, 2]))
        ended = host.store.instance("a")
    assert ended.status == "Completed", ended
    first, last, count = json.loads(ended.output)
    assert (first, last, count) == (["retried", "once", 1, "retried in a child"], "last", 6)
