"""Histories that released versions have recorded are replayed with the orchestrators of today."""

from dataclasses import replace

import azure.durable_functions as df
import pytest

from devhost.functions.app import App
from devhost.replay.protocol import OrchestrationError
from devhost.testing.histories import FOLDER, read, replay, save
from devhost.testing.virtual_host import registry_app
from registry.durable.names import REGISTRY_ORCHESTRATOR, CLOSE_REGISTRY
from tests.replay.record import LIVES, record, version

RECORDED = sorted(FOLDER.glob("*/*.json"))


def test_this_version_has_recorded_each_life() -> None:
    """Histories are there for what host.json says orchestrations are started with."""
    recorded = {file.stem.partition("-")[0] for file in (FOLDER / version()).iterdir()}
    assert recorded == {life.__name__ for life in LIVES}


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_each_turn_asks_again_for_what_was_recorded(file) -> None:
    """So what was open when this version is deployed goes on."""
    execution = read(file)
    turns = list(replay(execution, registry_app().durable.orchestrators[execution.name]))
    assert turns == execution.turns


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_recording_is_the_same_each_time(life, tmp_path) -> None:
    """So that a new one shows what has changed, and nothing else."""
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        for number, execution in enumerate(record(life)):
            save(execution, tmp_path / run / f"{number}.json")
    files = [file.name for file in (tmp_path / "first").iterdir()]
    assert files
    assert [(tmp_path / "first" / name).read_bytes() for name in files] == [
        (tmp_path / "second" / name).read_bytes() for name in files
    ]


def changed(app: App) -> App:
    """The app, whose life has one more activity before its timer."""
    blueprint = df.Blueprint()
    (life,) = [each for each in app.functions if each.trigger.get("orchestration") == REGISTRY_ORCHESTRATOR]

    @blueprint.orchestration_trigger(context_name="context", orchestration=REGISTRY_ORCHESTRATOR)
    def longer_life(context: df.DurableOrchestrationContext):
        yield context.call_activity(CLOSE_REGISTRY, {})
        return (yield context.wait_for_external_event("finish"))

    code = longer_life._function.get_user_function()
    return App([replace(each, code=code) if each is life else each for each in app.functions])


@pytest.mark.parametrize("life", ["finished", "timed_out", "race"])
def test_an_orchestrator_that_asks_for_more_is_found_out(life) -> None:
    """One more activity before the timer breaks what is open, so a replay must not pass."""
    orchestrators = changed(registry_app()).durable.orchestrators
    executions = [read(file) for file in RECORDED if file.stem.startswith(f"{life}-")]
    lives = [each for each in executions if each.name == REGISTRY_ORCHESTRATOR.casefold()]
    assert lives
    for execution in lives:
        with pytest.raises(OrchestrationError, match="Non-Deterministic"):
            list(replay(execution, orchestrators[execution.name]))
