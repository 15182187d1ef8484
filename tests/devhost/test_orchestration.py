import json

import pytest

from devhost.orchestration import EventType, OrchestrationError, decide

STARTED = [{"EventType": EventType.ORCHESTRATOR_STARTED}, {"EventType": EventType.EXECUTION_STARTED}]


def activity(name: str = "square") -> dict:
    return {"actionType": 0, "functionName": name, "input": "1"}


def timer(cancelled: bool = False) -> dict:
    return {"actionType": 5, "fireAt": "2026-12-24T18:05:00.000000Z", "isCanceled": cancelled}


def wait(name: str = "go") -> dict:
    return {"actionType": 6, "externalEventName": name, "reason": "ExternalEvent"}


def entity(kind: int = 7, operation: str = "add") -> dict:
    return {"actionType": kind, "instanceId": "@counter@a", "operation": operation, "input": "2"}


def both(kind: int, *actions: dict) -> dict:
    return {"actionType": kind, "compoundActions": list(actions)}


def any_of(*actions: dict) -> dict:
    return both(11, *actions)


def all_of(*actions: dict) -> dict:
    return both(12, *actions)


def completed(id: int, failed: bool = False) -> dict:
    return {"EventType": EventType.TASK_FAILED if failed else EventType.TASK_COMPLETED, "TaskScheduledId": id}


def raised(name: str = "go") -> dict:
    return {"EventType": EventType.EVENT_RAISED, "Name": name}


def scheduled(history: list[dict], actions: list[dict]) -> list[tuple[int, str]]:
    """The ids and types of what the actions ask for beyond the history."""
    decisions = decide(history, actions, "execution")
    return [(event["EventId"], EventType(event["EventType"]).name) for event in decisions.scheduled]


def past(id: int, kind: EventType = EventType.TASK_SCHEDULED, **details) -> dict:
    return {"EventType": kind, "EventId": id, "Name": "square"} | details


def test_tasks_are_numbered_in_order_and_waits_are_not() -> None:
    """As the SDK numbers them, signals included."""
    actions = [entity(9), all_of(activity(), wait(), timer(), entity()), activity()]
    assert scheduled(STARTED, actions) == [
        (0, "EVENT_SENT"),
        (1, "TASK_SCHEDULED"),
        (2, "TIMER_CREATED"),
        (3, "EVENT_SENT"),
        (4, "TASK_SCHEDULED"),
    ]


def test_what_the_history_has_is_not_scheduled_again() -> None:
    """Actions are cumulative over replays."""
    history = [*STARTED, past(0), completed(0)]
    assert scheduled(history, [activity(), activity()]) == [(1, "TASK_SCHEDULED")]


def test_cancelled_timers_are_told() -> None:
    """By their ids."""
    decisions = decide(STARTED, [activity(), any_of(timer(cancelled=True), timer())], "execution")
    assert decisions.cancelled_timers == [1]


def test_an_entity_request_keeps_its_id_over_replays() -> None:
    """And another execution has another one."""
    (first,) = decide(STARTED, [entity()], "execution").scheduled
    (again,) = decide(STARTED, [entity()], "execution").scheduled
    (other,) = decide(STARTED, [entity()], "other").scheduled
    assert first == again
    assert json.loads(first["Input"])["id"] != json.loads(other["Input"])["id"]


def test_an_entity_call_has_its_input_as_json_in_json() -> None:
    """As the Durable extension stores what the SDK gives it."""
    (sent,) = decide(STARTED, [entity()], "execution").scheduled
    assert sent["InstanceId"] == "@counter@a"
    request = json.loads(sent["Input"])
    assert (request["op"], request["signal"]) == ("add", False)
    assert json.loads(json.loads(request["input"])) == 2


def test_how_many_actions_there_are_is_noted() -> None:
    """For the record at the end of the turn."""
    assert decide(STARTED, [activity(), wait()], "execution").actions == 2


@pytest.mark.parametrize(
    ("then", "asked"),
    [
        ([past(0)], [activity("other")]),
        ([past(0)], [timer()]),
        ([past(0), past(1)], [activity()]),
        ([past(0, EventType.EVENT_SENT, Name="op", InstanceId="@counter@b")], [entity()]),
    ],
)
def test_a_replay_that_asks_for_something_else_is_refused(then, asked) -> None:
    """Another name, another kind, less than before, or another entity: the message says what differs."""
    with pytest.raises(OrchestrationError, match=r"task \d was \w+ .+, but this replay asked for"):
        decide([*STARTED, *then], asked, "execution")


@pytest.mark.parametrize(
    ("kind", "name"), [(2, "call_sub_orchestrator"), (4, "continue_as_new"), (8, "call_http"), (99, "of type 99")]
)
def test_an_action_that_is_not_supported_is_named(kind, name) -> None:
    """Never silently ignored."""
    with pytest.raises(OrchestrationError, match=f"does not support the orchestrator action {name}"):
        decide(STARTED, [{"actionType": kind}], "execution")


@pytest.mark.parametrize(
    ("first", "events"),
    [
        (activity(), [completed(0)]),
        (activity(), [completed(0, failed=True)]),
        (wait(), [raised()]),
        (all_of(activity(), wait()), [raised(), completed(0)]),
        (all_of(activity(), activity()), [completed(1, failed=True)]),
        (any_of(activity(), wait()), [raised()]),
        (any_of(all_of(activity(), wait()), activity()), [completed(1)]),
        (all_of(), []),
    ],
)
def test_an_action_is_reached_when_the_one_before_it_completes(first, events) -> None:
    """Not earlier: ids are given in that order."""
    from devhost.orchestration import _Walk

    walk = _Walk([first, timer()], "execution")
    for event in STARTED:
        walk.take(event)
    for event in events:
        assert EventType.TIMER_CREATED not in {each["EventType"] for each in walk.scheduled.values()}
        walk.take(event)
    assert EventType.TIMER_CREATED in {each["EventType"] for each in walk.scheduled.values()}


def test_an_event_that_comes_before_its_wait_is_kept() -> None:
    """And so are several of one name."""
    from devhost.orchestration import _Walk

    walk = _Walk([activity(), wait(), wait(), timer()], "execution")
    for event in [*STARTED, raised(), raised(), completed(0)]:
        walk.take(event)
    assert len(walk.scheduled) == 2
