import json

import pytest

from devhost.replay.actions import ActionRunner
from devhost.replay.protocol import EventType, OrchestrationError
from devhost.replay.replay import Replay, decide

STARTED = [
    {"EventType": EventType.ORCHESTRATOR_STARTED, "Timestamp": "2026-12-24T18:00:00.000000Z"},
    {"EventType": EventType.EXECUTION_STARTED},
]


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
    return {
        "EventType": EventType.TASK_FAILED if failed else EventType.TASK_COMPLETED,
        "TaskScheduledId": id,
    }


def raised(name: str = "go") -> dict:
    return {"EventType": EventType.EVENT_RAISED, "Name": name, "Input": "null"}


def scheduled(history: list[dict], actions: list[dict]) -> list[tuple[int, str]]:
    """The ids and types of what the actions ask for beyond the history."""
    decisions = decide(history, actions, "instance", "execution")
    return [(event["EventId"], EventType(event["EventType"]).name) for event in decisions.scheduled]


def past(id: int, kind: EventType = EventType.TASK_SCHEDULED, **details) -> dict:
    event = {"EventType": kind, "EventId": id, "Name": "square"} | details
    return {name: value for name, value in event.items() if value is not None}


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


def test_cancelled_timers_are_reported() -> None:
    """By their ids."""
    decisions = decide(
        STARTED, [activity(), any_of(timer(cancelled=True), timer())], "instance", "execution"
    )
    assert decisions.cancelled_timers == [1]


def test_an_entity_request_keeps_its_id_over_replays() -> None:
    """And another execution has another one."""
    (first,) = decide(STARTED, [entity()], "instance", "execution").scheduled
    (again,) = decide(STARTED, [entity()], "instance", "execution").scheduled
    (other,) = decide(STARTED, [entity()], "instance", "other").scheduled
    assert first == again
    assert json.loads(first["Input"])["id"] != json.loads(other["Input"])["id"]


def test_an_entity_call_has_its_input_as_json_in_json() -> None:
    """As the Durable extension stores what the SDK gives it."""
    (sent,) = decide(STARTED, [entity()], "instance", "execution").scheduled
    assert sent["InstanceId"] == "@counter@a"
    request = json.loads(sent["Input"])
    assert (request["op"], request["signal"]) == ("add", False)
    assert json.loads(json.loads(request["input"])) == 2


def test_how_many_actions_there_are_is_noted() -> None:
    """For the record at the end of the turn."""
    assert decide(STARTED, [activity(), wait()], "instance", "execution").actions == 2


CHANGED = (
    " Was a change made to the orchestrator code after this instance had already started running?"
)
BEFORE = (
    "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled "
)
NOW = "the current orchestration replay instead "
GONE = "the current replay execution hasn't (yet?) scheduled this task."
CHILD = past(0, EventType.SUB_ORCHESTRATION_CREATED, Name="wrap", InstanceId="a:0")
WRAPPED = {"actionType": 2, "functionName": "wrap", "input": "1", "instanceId": "a:0"}


@pytest.mark.parametrize(
    ("then", "asked", "difference"),
    [
        (
            past(0),
            [activity("other")],
            f"an activity task with sequence number 0 named 'square', but {NOW}"
            "scheduled an activity task named 'other' with this sequence number. ",
        ),
        (
            past(0),
            [timer()],
            f"an activity task with sequence number 0 named 'square', but {NOW}"
            "produced a CreateTimerOrchestratorAction action with this sequence number.",
        ),
        (
            past(0),
            [],
            f"an activity task with sequence ID 0 and name 'square' (version ''), but {GONE}",
        ),
        (
            past(0, EventType.TIMER_CREATED, Name=None),
            [],
            f"a timer task with sequence number 0 but {GONE}",
        ),
        (
            past(0, EventType.TIMER_CREATED, Name=None),
            [activity()],
            f"a timer task with sequence number 0 but {NOW}"
            "produced a ScheduleTaskOrchestratorAction action with this sequence number.",
        ),
        (
            CHILD,
            [entity()],
            "a sub-orchestration task with sequence ID 0 and name 'wrap' "
            "(version '', instance ID 'a:0'), but "
            f"{NOW}produced a SendEventOrchestratorAction action with this sequence number.",
        ),
        (
            past(0, EventType.EVENT_SENT, Name="op", InstanceId="@counter@b"),
            [WRAPPED],
            "a send event task with sequence ID 0, type 'EventSent', name 'op', "
            "instance ID '@counter@b', but "
            f"{NOW}produced a CreateSubOrchestrationAction action with this sequence number.",
        ),
        (
            past(0, EventType.EVENT_SENT, Name="op", InstanceId="@counter@b"),
            [entity()],
            "a send event task with sequence ID 0, type 'EventSent', name 'op', "
            "instance ID '@counter@b', but "
            f"{NOW}addressed it to instance ID '@counter@a'.",
        ),
    ],
)
def test_a_replay_that_asks_for_something_else_is_refused(then, asked, difference) -> None:
    """Another name, another kind, less than before, or another entity: in the words of the real
    host.
    """
    with pytest.raises(OrchestrationError) as refused:
        decide([*STARTED, then], asked, "instance", "execution")
    assert str(refused.value) == BEFORE + difference + CHANGED


def test_names_are_the_same_in_any_letter_case() -> None:
    """A replay may spell them otherwise."""
    assert scheduled([*STARTED, past(0)], [activity("SQUARE")]) == []


def test_an_action_that_is_not_supported_is_named() -> None:
    """Never silently ignored."""
    with pytest.raises(
        OrchestrationError, match="does not support orchestrator actions of type 99"
    ):
        decide(STARTED, [{"actionType": 99}], "instance", "execution")


def test_a_sub_orchestration_has_an_id_of_its_own() -> None:
    """The one that was asked for, or that of its parent with the number of the task."""
    action = {
        "actionType": 2,
        "functionName": "fan_out",
        "input": "1",
        "instanceId": None,
        "version": None,
    }
    first, second = decide(
        STARTED, [all_of(action, action | {"instanceId": "mine"})], "instance", "execution"
    ).scheduled
    assert (first["InstanceId"], second["InstanceId"]) == ("instance:0", "mine")


RETRIED = {"actionType": 1, "functionName": "square", "input": "1"}
EVERY_SECOND = {"firstRetryIntervalInMilliseconds": 1000, "maxNumberOfAttempts": 3}


def pauses(**options) -> list[str]:
    """When the pauses of a task end that fails at every attempt, at one moment."""
    history, actions = list(STARTED), [RETRIED | {"retryOptions": EVERY_SECOND | options}]
    while scheduled := decide(history, actions, "instance", "execution").scheduled:
        (event,) = scheduled
        history.append(event)
        timer = event["EventType"] == EventType.TIMER_CREATED
        fired = {"EventType": EventType.TIMER_FIRED, "TimerId": event["EventId"]}
        history.append(fired if timer else completed(event["EventId"], failed=True))
    return [
        event["FireAt"][17:19] for event in history if event["EventType"] == EventType.TIMER_CREATED
    ]


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, ["01", "01", "00"]),
        ({"maxNumberOfAttempts": 1}, ["00"]),
        ({"backoffCoefficient": 3, "maxNumberOfAttempts": 4}, ["01", "03", "09", "00"]),
        ({"backoffCoefficient": 10, "maxRetryIntervalInMilliseconds": 5000}, ["01", "05", "00"]),
    ],
)
def test_pauses_between_attempts(options, seconds) -> None:
    """First interval, coefficient and maximum; the one after the last attempt has no length."""
    assert pauses(**options) == seconds


def test_attempts_take_their_ids_when_they_are_made() -> None:
    """What is scheduled before a failure has the lower id, what is scheduled after it the higher
    one.
    """
    retried = RETRIED | {"retryOptions": EVERY_SECOND}
    actions = [any_of(retried, activity("first")), activity("then")]
    failure = [*STARTED, past(0), past(1, Name="first"), completed(0, failed=True)]
    ids = [(2, "TIMER_CREATED"), (3, "TASK_SCHEDULED")]
    assert scheduled([*failure, completed(1)], actions) == ids
    earlier = [*STARTED, past(0), past(1, Name="first"), completed(1), completed(0, failed=True)]
    assert scheduled(earlier, actions) == [(2, "TASK_SCHEDULED"), (3, "TIMER_CREATED")]


def test_what_was_reached_in_a_turn_is_reached_in_its_replays() -> None:
    """Where the actions alone do not say why the orchestrator went on, the record of the turn does.

    Here a second race takes up the timer of the first one, and only its other arm is an action.
    """
    race = any_of(RETRIED | {"retryOptions": EVERY_SECOND}, timer(), wait("go"))
    actions = [race, any_of(wait("again")), activity("then")]
    created = past(1, EventType.TIMER_CREATED, Name=None)
    history = [*STARTED, past(0), created, {"EventType": 13, "Actions": 1}]
    history += [STARTED[0], raised("go"), {"EventType": 13, "Actions": 2}]
    history += [STARTED[0], {"EventType": EventType.TIMER_FIRED, "TimerId": 1}]
    assert scheduled(history, actions) == [(2, "TASK_SCHEDULED")]
    history += [past(2, Name="then"), {"EventType": 13, "Actions": 3}]
    assert scheduled([*history, STARTED[0], completed(0, failed=True)], actions) == [
        (3, "TIMER_CREATED")
    ]


def test_a_failed_entity_call_fails_a_task_all() -> None:
    """And the orchestrator goes on."""
    (request,) = decide(STARTED, [entity()], "instance", "execution").scheduled
    reply = raised(json.loads(request["Input"])["id"]) | {
        "Input": '{"result": "\\"no\\"", "exceptionType": "Error"}'
    }
    actions = [all_of(entity(), wait()), activity()]
    history = [*STARTED, request, reply]
    assert scheduled(history, actions) == [(1, "TASK_SCHEDULED")]


def test_an_event_wakes_the_youngest_of_several_waits() -> None:
    """As in the SDK."""
    retried = RETRIED | {"retryOptions": EVERY_SECOND}
    actions = [any_of(all_of(wait("go"), retried), wait("go")), activity("then")]
    history = [*STARTED, past(0), raised("go"), completed(0, failed=True)]
    assert scheduled(history, actions) == [(1, "TASK_SCHEDULED"), (2, "TIMER_CREATED")]


def test_an_event_that_was_taken_is_not_kept() -> None:
    """Also when it came before its wait."""
    again = {"actionType": 4, "input": "7"}
    history = [*STARTED, past(0), raised("go"), completed(0)]
    assert (
        decide(history, [activity(), wait("go"), again], "instance", "execution").unprocessed == []
    )


@pytest.mark.parametrize(
    ("actions", "names", "kept"),
    [
        ([wait("go")], ["go", "go", "stay"], [("go", "2")]),
        ([wait("go"), wait("stay")], ["go", "stay", "stay"], [("stay", "3")]),
        ([activity()], ["go", "stay"], []),
    ],
)
def test_continue_as_new_keeps_events_of_names_that_were_waited_for(actions, names, kept) -> None:
    """The next execution gets them; what comes under another name is lost, as on the real host."""
    raisings = [raised(name) | {"Input": str(number)} for number, name in enumerate(names, 1)]
    again = {"actionType": 4, "input": "7"}
    decisions = decide([*STARTED, *raisings], [*actions, again], "instance", "execution")
    assert json.loads(decisions.next_input) == "7"
    assert [(event["Name"], event["Input"]) for event in decisions.unprocessed] == kept


@pytest.mark.parametrize(
    ("actions", "events", "is_open"),
    [
        ([activity()], [], True),
        ([activity()], [completed(0)], False),
        ([activity()], [completed(0, failed=True)], False),
        ([all_of(activity(), activity())], [completed(1, failed=True)], True),
        ([any_of(activity(), timer())], [completed(0)], True),
        ([any_of(activity(), timer(cancelled=True))], [completed(0)], False),
        ([WRAPPED], [], True),
        ([any_of(wait(), entity()), entity(9)], [], False),
    ],
)
def test_what_an_end_waits_for(actions, events, is_open) -> None:
    """Activities, sub-orchestrations and timers that are not cancelled; not events, and not
    entities.
    """
    assert decide([*STARTED, *events], actions, "instance", "execution").has_open_tasks is is_open


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
        (all_of(any_of(activity(), wait()), activity()), [completed(0, failed=True), completed(1)]),
        (all_of(), []),
    ],
)
def test_an_action_is_reached_when_the_one_before_it_completes(first, events) -> None:
    """Not earlier: ids are given in that order."""
    runner = ActionRunner("instance", "execution")
    replay = Replay([first, timer()], runner)

    def has_timer() -> bool:
        kinds = {event["EventType"] for event in runner.scheduled.values()}
        return EventType.TIMER_CREATED in kinds

    for event in STARTED:
        replay.play(event)
    for event in events:
        assert not has_timer()
        replay.play(event)
    assert has_timer()


def test_an_event_that_comes_before_its_wait_is_kept() -> None:
    """And so are several of one name."""
    runner = ActionRunner("instance", "execution")
    replay = Replay([activity(), wait(), wait(), timer()], runner)
    for event in [*STARTED, raised(), raised(), completed(0)]:
        replay.play(event)
    assert len(runner.scheduled) == 2
