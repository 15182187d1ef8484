"""Recordings of orchestrators, and where a replay differs from them."""

import json
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
import pytest

from devhost.functions.indexing import index
from devhost.testing import App, VirtualHost, run
from devhost.testing.histories import Recorder, difference, read


def make_app(by: str = "timeout", activity: str = "close", result: object = "closed") -> App:
    """An app whose orchestrator waits for an hour, and then calls an activity."""
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.orchestration_trigger(context_name="context")
    def wait(context):
        yield context.create_timer(context.current_utc_datetime.replace(hour=19))
        yield context.call_activity(activity, {"by": by, "items": [1, 2]})
        return result

    @app.activity_trigger(input_name="order")
    def close(order: dict) -> str:
        return "done"

    @app.activity_trigger(input_name="order", activity="other")
    def other(order: dict) -> str:
        return "done"

    return index(app)


@pytest.fixture
def file(tmp_path) -> Path:
    """The recording of one execution of the app's orchestrator."""
    recorder = Recorder()

    async def play() -> None:
        async with VirtualHost(make_app(), wrap=recorder.watch) as host:
            started = await host.post("/runtime/webhooks/durabletask/orchestrators/wait/an-id")
            assert started.status == 202
            await host.advance(hours=1)
            assert host.instance("an-id").status == "Completed"

    run(play())
    recorder.save(tmp_path, "wait")
    return tmp_path / "wait-1.json"


def test_a_recording_has_a_turn_for_each_time_that_the_orchestrator_ran(file) -> None:
    """With what it asked for until then."""
    execution = read(file)
    assert execution.name == "wait"
    assert [len(turn.actions) for turn in execution.turns] == [1, 2, 2]
    assert [turn.is_done for turn in execution.turns] == [False, False, True]


def test_the_same_code_makes_no_difference(file) -> None:
    """It asks again for everything that was recorded."""
    assert difference(file, make_app()) is None


def test_an_input_that_differs_is_named_by_its_path(file) -> None:
    """Down to the member in the JSON of the input."""
    assert difference(file, make_app(by="user")) == (
        'wait-1.json: turns[1].actions[1].input.by: "timeout" is recorded, '
        '"user" is what the code asks for'
    )


def test_another_activity_is_named(file) -> None:
    """Where it is asked for the first time."""
    assert difference(file, make_app(activity="other")) == (
        'wait-1.json: turns[1].actions[1].functionName: "close" is recorded, '
        '"other" is what the code asks for'
    )


def test_an_item_that_is_missing_is_nothing(file) -> None:
    """On the side that does not have it."""
    document = json.loads(file.read_text())
    action = document["turns"][1]["actions"][0]
    action["input"] = json.dumps({"by": "timeout", "items": [1, 2, 3]})
    file.write_text(json.dumps(document))
    assert difference(file, make_app()) == (
        "wait-1.json: turns[1].actions[1].input.items[2]: 3 is recorded, "
        "nothing is what the code asks for"
    )


def test_an_orchestrator_that_is_gone_is_named(file) -> None:
    """Instead of a KeyError."""
    assert difference(file, App([])) == "wait-1.json: the app has no orchestrator wait"
