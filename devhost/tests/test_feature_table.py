"""The tables of features are kept true by tests."""

import re
from pathlib import Path

import azure.durable_functions as df
from azure.durable_functions.models.actions.ActionType import ActionType

from devhost.replay import protocol

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
FEATURES = (DOCS / "features.md").read_text()
FAULTS = (DOCS / "testing.md").read_text().partition("## Faults")[2]


def rows(document: str) -> list[str]:
    """The rows of the tables that name a test, without their heads."""
    lines = [line for line in document.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.endswith("| test |")]


def test_every_row_names_a_test_that_exists() -> None:
    assert len(rows(FEATURES)) > 80
    assert len(rows(FAULTS)) > 10

    for row in rows(FEATURES) + rows(FAULTS):
        (named,) = re.findall(r"`(\w+/test_\w+\.py|test_\w+\.py)::(test_\w+)` \|$", row)
        assert f"def {named[1]}(" in (TESTS / named[0]).read_text(), row


def test_every_action_of_the_sdk_is_supported() -> None:
    assert {int(action) for action in ActionType} == {int(action) for action in protocol.ActionType}


def test_every_call_of_an_orchestration_context_is_in_the_table() -> None:
    calls = {
        name
        for name in dir(df.DurableOrchestrationContext)
        if re.match(r"call_|create_|signal_|task_|wait_", name)
    }
    assert len(calls) >= 10

    for name in calls | {"continue_as_new", "new_uuid", "new_guid"}:
        assert f"`{name}`" in FEATURES, name
