"""Histories as a status query shows them: like DurableClient of the Durable extension, which merges what was
scheduled into what came of it, and names types and functions.
"""

import json
from typing import Any

from devhost.protocol import Event, EventType, split

NAMES = {
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.GENERIC: "GenericEvent",
}
"""Where the name of a type is not that of the enumeration."""
OUTCOMES = {
    EventType.TASK_COMPLETED: EventType.TASK_SCHEDULED,
    EventType.TASK_FAILED: EventType.TASK_SCHEDULED,
    EventType.SUB_ORCHESTRATION_COMPLETED: EventType.SUB_ORCHESTRATION_CREATED,
    EventType.SUB_ORCHESTRATION_FAILED: EventType.SUB_ORCHESTRATION_CREATED,
}
"""What an outcome was scheduled by."""
LEFT_OUT = {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}
HIDDEN = {"EventId", "IsPlayed", "TaskScheduledId", "TimerId", "Version", "Actions"}


def shown_history(chunks: list[str], with_input: bool, with_output: bool) -> list[Event]:
    """The events of a history for people."""
    history = [event for event in split(*chunks) if event["EventType"] not in LEFT_OUT]
    scheduled = {(event["EventType"], event["EventId"]): event for event in history}
    merged: set[int] = set()
    for event in history:
        began = scheduled.get((OUTCOMES.get(event["EventType"]), event.get("TaskScheduledId")))
        if began is not None:
            merged.add(id(began))
            event["ScheduledTime"], event["FunctionName"] = began["Timestamp"], began["Name"]
            event["Input"] = began.get("Input")
    return [_shown(event, with_input, with_output) for event in history if id(event) not in merged]


def _shown(event: Event, with_input: bool, with_output: bool) -> Event:
    kind = EventType(event["EventType"])
    shown: dict[str, Any] = {name: value for name, value in event.items() if name not in HIDDEN}
    shown["EventType"] = NAMES.get(kind, kind.name.title().replace("_", ""))
    if kind == EventType.EXECUTION_STARTED:
        shown["FunctionName"] = shown.pop("Name")
    if not with_input:
        shown.pop("Input", None)
    if "Result" in shown:
        result = shown.pop("Result")
        if with_output:
            shown["Result"] = result and json.loads(result)
    return shown
