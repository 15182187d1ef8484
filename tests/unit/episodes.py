"""Runs an orchestrator through the SDK as the host does: each turn replays its whole history."""

import json
from datetime import datetime
from typing import Any

from tests.clock import START
from tests.support.registries import ID

CALL, RETRY, CONTINUE_AS_NEW, TIMER, WHEN_ANY = 0, 1, 4, 5, 11
"""Types of actions, as in models/actions/ActionType.py of
https://github.com/Azure/azure-functions-durable-python
"""
EXECUTION_STARTED, TASK_COMPLETED, TASK_FAILED, TIMER_FIRED = 0, 5, 6, 11
ORCHESTRATOR_STARTED, ORCHESTRATOR_COMPLETED, EVENT_RAISED = 12, 13, 15


def completed(id: int, result: Any) -> dict[str, Any]:
    """The activity with this number has returned."""
    return {"EventType": TASK_COMPLETED, "TaskScheduledId": id, "Result": json.dumps(result)}


def failed(id: int) -> dict[str, Any]:
    """The activity with this number has failed, as it does where its worker dies."""
    reason = "Activity function failed: python exited with code 137 (0x89)"
    return {"EventType": TASK_FAILED, "TaskScheduledId": id, "Reason": reason, "Details": ""}


def fired(id: int) -> dict[str, Any]:
    """The timer with this number has fired."""
    return {"EventType": TIMER_FIRED, "TimerId": id}


def raised(name: str, data: Any) -> dict[str, Any]:
    """Somebody has raised an event."""
    return {"EventType": EVENT_RAISED, "Name": name, "Input": json.dumps(data)}


class Episodes:
    """The turns of one instance."""

    def __init__(self, builder: Any, input: Any, id: str = ID, at: datetime = START) -> None:
        self._handle = builder._function.get_user_function()
        self._history: list[dict[str, Any]] = []
        self._input, self._id = json.dumps(input), id
        self.actions: list[dict[str, Any]] = []
        """What the orchestrator has asked for so far."""
        self.is_done = False
        self.output: Any = None

        started = {"Name": "o", "Version": None, "Input": self._input}
        self.turn({"EventType": EXECUTION_STARTED, **started}, at=at)

    def turn(self, *events: dict[str, Any], at: datetime) -> list[dict[str, Any]]:
        """Replay the history with new events. Returns the actions that are new."""
        self._record({"EventType": ORCHESTRATOR_STARTED}, at)
        for event in events:
            self._record(event, at)

        context = {
            "history": self._history,
            "input": self._input,
            "instanceId": self._id,
            "isReplaying": False,
            "parentInstanceId": None,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
        }
        state = json.loads(self._handle(json.dumps(context)))
        self._record({"EventType": ORCHESTRATOR_COMPLETED}, at)

        before = len(self.actions)
        (self.actions,) = state["actions"]
        self.is_done, self.output = state["isDone"], state.get("output")
        return self.actions[before:]

    def _record(self, event: dict[str, Any], at: datetime) -> None:
        recorded = {"EventId": -1, "IsPlayed": False, "Timestamp": at.isoformat()}
        self._history.append(recorded | event)
