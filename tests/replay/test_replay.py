"""Histories that released versions have recorded are replayed with the orchestrators of today."""

import pytest

from devhost.testing.histories import difference
from tests.replay.hubs import FOLDER as HUBS
from tests.replay.record import FOLDER, SCENARIOS, record, version
from tests.support.registry_host import registry_app, with_orchestrator

RECORDED = sorted(FOLDER.glob("*/*.json"))


def test_this_version_is_recorded() -> None:
    """Each scenario, and the task hub that is left."""
    recorded = {file.stem.partition("-")[0] for file in (FOLDER / version()).iterdir()}
    assert recorded == {scenario.__name__ for scenario in SCENARIOS}
    assert (HUBS / f"{version()}.json").is_file()


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_each_turn_asks_for_what_was_recorded(file) -> None:
    """So what is open when this version is deployed goes on."""
    found = difference(file, registry_app())
    assert found is None, found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_recording_is_the_same_each_time(scenario, tmp_path) -> None:
    """So a new one shows what has changed, and nothing else."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        record(scenario).save(tmp_path / name, "turns")
    files = [file.name for file in (tmp_path / "first").iterdir()]
    assert files
    for name in files:
        first, second = (tmp_path / each / name for each in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def call_an_activity_first(context):
    """An orchestrator that asks for something else than the recordings."""
    yield context.call_activity("an activity", {})
    return (yield context.wait_for_external_event("an event"))


@pytest.mark.parametrize("name", ["finished-1", "timed_out-1", "race-1"])
def test_an_orchestrator_that_asks_for_something_else_is_found(name) -> None:
    """One more activity before the timer breaks what is open."""
    found = difference(
        FOLDER / "1.0" / f"{name}.json", with_orchestrator(registry_app(), call_an_activity_first)
    )
    assert found is not None
    assert found.startswith(f"{name}.json: turns[0].actions[0]")
