import re
from pathlib import Path

import azure.durable_functions as df
from azure.durable_functions.models.actions.ActionType import ActionType

from devhost.replay import protocol

HERE = Path(__file__).parent
TABLE = (HERE.parent / "README.md").read_text().partition("## How it is built")[0]


def test_every_row_points_at_a_test_that_exists() -> None:
    """The table of features is kept true by tests."""
    rows = [
        line
        for line in TABLE.splitlines()
        if line.startswith("| ") and not line.endswith("| test |")
    ]
    assert len(rows) > 30
    for row in rows:
        (pointer,) = re.findall(r"`(test_\w+\.py)::(test_\w+)` \|$", row)
        assert f"def {pointer[1]}(" in (HERE / pointer[0]).read_text(), row


def test_every_action_of_the_sdk_is_supported() -> None:
    """Nothing that the SDK can emit is missing."""
    assert {int(action) for action in ActionType} == {int(action) for action in protocol.ActionType}


def test_every_call_of_an_orchestration_context_is_in_the_table() -> None:
    """By its name."""
    calls = {
        name
        for name in dir(df.DurableOrchestrationContext)
        if re.match(r"call_|create_|signal_|task_|wait_", name)
    }
    assert len(calls) >= 10
    for name in calls | {"continue_as_new", "new_uuid", "new_guid"}:
        assert f"`{name}`" in TABLE, name
