"""How orchestrations go on and end, as on the real host."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from devhost.functions.indexing import index
from devhost.replay.protocol import EventType, split
from devhost.settings.files import DEFAULTS, HostJson
from tests.sample_host import EngineHost

COUNTER = df.EntityId("Counter", "a")


@contextmanager
def running(function: Callable[[Any], Any], config: HostJson = DEFAULTS) -> Iterator[EngineHost]:
    """A host whose app has the orchestrator `it`, and some others."""
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context", orchestration="it")
    def it(context):
        result = function(context)
        return (yield from result) if hasattr(result, "__next__") else result

    @app.orchestration_trigger(context_name="context")
    def child(context):
        return (yield context.wait_for_external_event("go"))

    @app.orchestration_trigger(context_name="context")
    def failing(context):
        yield context.call_activity("wrap", 1)
        raise ValueError("boom")

    @app.activity_trigger(input_name="gift")
    def wrap(gift: int) -> int:
        return gift

    @app.entity_trigger(context_name="context", entity_name="Counter")
    def counter(context):
        context.set_state(1)

    with EngineHost(index(app), config=config) as host:
        yield host


def ended(function: Callable[[Any], Any]) -> tuple[str, Any]:
    """The status and the output that an orchestrator comes to without any activity."""
    with running(function) as host:
        return host.status(host.start("it"))


def events(host: EngineHost, id: str, kind: EventType) -> list[dict]:
    return [event for event in split(*host.store.history(id)) if event["EventType"] == kind]


def returns(context):
    yield context.task_any([context.call_activity("wrap", 1), context.call_activity("wrap", 2)])
    context.set_custom_status("wrapped")
    return "done"


def raises(context):
    yield from returns(context)
    raise ValueError("no more paper")


def goes_on(context):
    if context.get_input():
        return "done"
    yield from returns(context)
    context.continue_as_new("again")


@pytest.mark.parametrize(
    ("function", "end"),
    [
        (returns, ("Completed", "done")),
        (raises, ("Failed", "Orchestrator function 'it' failed: no more paper")),
        (goes_on, ("Completed", "done")),
    ],
)
def test_the_end_waits_for_open_activities(function, end) -> None:
    """Also that of an orchestrator that raises or continues as new; it is running until then."""
    with running(function) as host:
        id = host.start("it")
        host.complete("1")
        assert host.status(id) == ("Running", None)
        assert host.store.instance(id).custom_status == '"wrapped"'
        host.complete("2")
        assert host.status(id) == end


@pytest.mark.parametrize(("days", "until"), [(1, 1), (10, 3)])
def test_the_end_waits_for_timers(days, until) -> None:
    """Those that are not cancelled; of a long one, whose cancelling reaches no timer, for the first
    piece.
    """

    def races(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=days))
        yield context.task_any([timer, context.wait_for_external_event("go")])
        if days > 6:
            timer.cancel()
        return "done"

    with running(races) as host:
        id = host.start("it")
        host.raise_event(id, "go")
        host.advance(hours=until * 24 - 1)
        assert host.status(id) == ("Running", None)
        host.advance(hours=1)
        assert host.status(id) == ("Completed", "done")


def test_the_end_does_not_wait_for_cancelled_timers() -> None:
    """Nor for events and entities."""

    def races(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=1))
        yield context.task_any(
            [timer, context.wait_for_external_event("go"), context.call_entity(COUNTER, "add")]
        )
        timer.cancel()
        return "done"

    assert ended(races) == ("Completed", "done")


def test_continue_as_new_drops_events_of_names_that_were_not_waited_for() -> None:
    """As the real host does, which cannot tell whether the next execution waits for them."""

    def eternal(context):
        if not context.get_input():
            yield context.call_activity("wrap", 1)
            context.continue_as_new("again")
        else:
            timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
            event = context.wait_for_external_event("go")
            first = yield context.task_any([timer, event])
            return first is event

    with running(eternal) as host:
        id = host.start("it")
        host.raise_event(id, "go")
        host.complete("1")
        host.advance(hours=1)
        assert host.status(id) == ("Completed", False)


@pytest.mark.parametrize(("length", "size"), [(8190, None), (8191, 16), (20000, 39)])
def test_a_custom_status_has_its_bounds(length, size) -> None:
    """16 KB as UTF-16, quotes included. Beyond that the instance fails, without the status."""

    def has_status(context):
        context.set_custom_status("x" * length)
        return "done"

    with running(has_status) as host:
        id = host.start("it")
        status, output = host.status(id)
        custom_status = host.store.instance(id).custom_status
    if size is None:
        assert (status, len(custom_status)) == ("Completed", length + 2)
    else:
        assert (status, custom_status) == ("Failed", None)
        assert output == (
            "Orchestrator function 'it' failed: The UTF-16 size of the JSON-serialized payload "
            "must not exceed 16 KB. "
            f"The current payload size is {size} KB."
        )


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (
            lambda context: context.call_activity("nothing", 1),
            "not an activity function. {} activity functions: 'wrap'.",
        ),
        (
            lambda context: context.call_sub_orchestrator("nobody", 1),
            "not an orchestrator function. {} orchestrator functions: 'child', 'failing', 'it'.",
        ),
        (
            lambda context: context.call_entity(df.EntityId("none", "a"), "add"),
            "not an entity function. {} entity functions: 'Counter'.",
        ),
        (
            lambda context: (
                context.signal_entity(df.EntityId("none", "a"), "add")
                or context.call_activity("wrap", 1)
            ),
            "not an entity function. {} entity functions: 'Counter'.",
        ),
        (
            lambda context: context.call_sub_orchestrator("child", 1, "@counter@a"),
            "Orchestration instance ids must not start with @.",
        ),
    ],
)
def test_what_is_not_there_fails_the_instance(ask, reason) -> None:
    """With the functions that there are; nothing of the turn is done."""

    def asks(context):
        yield context.task_all([context.call_activity("wrap", 1), ask(context)])

    with running(asks) as host:
        status, output = host.status(host.start("it"))
        assert status == "Failed"
        assert output.startswith("Orchestrator function 'it' failed: ")
        assert output.endswith(reason.format("Additional info: The following are the known"))
        assert host.store.activities() == []


def test_an_app_may_have_no_functions_of_a_kind() -> None:
    """Then the message has none to name."""
    error = index(df.DFApp()).durable.unknown("it", "orchestrator")
    assert str(error).endswith("There is no orchestrator function.")


def test_a_sub_orchestration_replaces_whom_it_finds() -> None:
    """Under the id that it is given, also one that is running; ids may have any characters."""

    def parent(context):
        return (yield context.call_sub_orchestrator("child", 1, "taken/#"))

    with running(parent) as host:
        with host.store.transaction():
            host.client.start("child", None, host.clock.now, "taken/#")
        host.run()
        first = host.store.instance("taken/#").execution
        id = host.start("it")
        assert host.store.instance("taken/#").execution != first
        with host.store.transaction():
            host.client.raise_event("taken/#", "go", "1")
        host.run()
        assert host.status(id) == ("Completed", 1)


def test_the_failure_of_a_sub_orchestration_has_its_details() -> None:
    """What was raised, and where."""

    def parent(context):
        try:
            yield context.call_sub_orchestrator("failing")
        except Exception as error:
            return str(error)

    with running(parent) as host:
        id = host.start("it")
        host.complete("1")
        _, output = host.status(id)
        assert output.startswith(
            "Orchestrator function 'failing' failed: boom \n Message: boom, StackTrace:   File "
        )


def test_what_the_sdk_raises_is_reported_as_of_any_function() -> None:
    """Here what was yielded is no task."""

    def yields_no_task(context):
        yield 5

    status, output = ended(yields_no_task)
    assert status == "Failed"
    assert output.startswith(
        "Orchestrator function 'it' failed: One or more errors occurred. (Result: Failure\n"
        "Exception: AttributeError: 'int' object has no attribute '_is_scheduled'\nStack:   File "
    )


@pytest.mark.parametrize(
    ("given", "kept"), [(float("nan"), "NaN"), ("a\ud800b", "a\ufffdb"), (["\ud83c"], ["\ufffd"])]
)
def test_what_json_does_not_have_is_replaced(given, kept) -> None:
    """In outputs and custom states: NaN by text, half of a surrogate pair by U+FFFD."""

    def returns_it(context):
        context.set_custom_status(given)
        return given

    with running(returns_it) as host:
        id = host.start("it")
        assert host.status(id) == ("Completed", kept)
        assert json.loads(host.store.instance(id).custom_status) == kept


def test_what_arrived_is_played_in_replays() -> None:
    """And what the turns themselves have added is not, as on the real host."""

    def looks(context):
        yield context.call_activity("wrap", 1)
        return [(int(event.event_type), event.is_played) for event in context.histories]

    with running(looks) as host:
        id = host.start("it")
        host.complete("1")
        assert host.status(id)[1] == [
            [12, False],
            [0, True],
            [4, False],
            [13, False],
            [12, False],
            [5, False],
        ]


@pytest.mark.parametrize(
    ("store_inputs", "kept"), [(False, [None, None]), (True, ['["7"]', '"8"'])]
)
def test_a_history_keeps_inputs_where_host_json_says_so(store_inputs, kept) -> None:
    """Of activities and of sub-orchestrations."""

    def parent(context):
        yield context.task_all(
            [context.call_activity("wrap", 7), context.call_sub_orchestrator("child", 8)]
        )

    with running(parent, replace(DEFAULTS, store_inputs=store_inputs)) as host:
        id = host.start("it")
        scheduled = events(host, id, EventType.TASK_SCHEDULED) + events(
            host, id, EventType.SUB_ORCHESTRATION_CREATED
        )
        assert [event.get("Input") for event in scheduled] == kept
        assert [activity.input for activity in host.store.activities()] == ["7"]
        assert json.loads(json.loads(host.store.instance(f"{id}:1").input)) == 8
