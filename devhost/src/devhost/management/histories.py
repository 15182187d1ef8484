"""Histories as a status query shows them, for people.

As in DurableClient of the Durable extension, the event that scheduled a task is merged into the one
that completed it.
"""

import json
from typing import Any

from devhost.replay.protocol import Event, EventType, split

NAMES = {
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.GENERIC: "GenericEvent",
}
"""Names of types that differ from those of the enumeration."""
OUTCOMES = {
    EventType.TASK_COMPLETED: EventType.TASK_SCHEDULED,
    EventType.TASK_FAILED: EventType.TASK_SCHEDULED,
    EventType.SUB_ORCHESTRATION_COMPLETED: EventType.SUB_ORCHESTRATION_CREATED,
    EventType.SUB_ORCHESTRATION_FAILED: EventType.SUB_ORCHESTRATION_CREATED,
}
"""The type that schedules a task, by the type that ends it."""
LEFT_OUT = {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}
MEMBERS = {
    EventType.EXECUTION_STARTED: (
        "Input",
        "Correlation",
        "ParentTraceContext",
        "ScheduledStartTime",
        "Generation",
        "GenerateNewTrace",
    ),
    EventType.EXECUTION_COMPLETED: ("OrchestrationStatus", "Result", "FailureDetails"),
    EventType.EXECUTION_TERMINATED: ("Input",),
    EventType.EXECUTION_SUSPENDED: ("Reason",),
    EventType.EXECUTION_RESUMED: ("Reason",),
    EventType.TASK_SCHEDULED: ("Name", "Input"),
    EventType.TASK_COMPLETED: ("Result",),
    EventType.TASK_FAILED: ("Reason", "Details", "FailureDetails"),
    EventType.SUB_ORCHESTRATION_CREATED: ("InstanceId", "Name", "Input"),
    EventType.SUB_ORCHESTRATION_COMPLETED: ("Result",),
    EventType.SUB_ORCHESTRATION_FAILED: ("Reason", "Details", "FailureDetails"),
    EventType.TIMER_CREATED: ("FireAt",),
    EventType.TIMER_FIRED: ("FireAt",),
    EventType.EVENT_SENT: ("InstanceId", "Name", "Input"),
    EventType.EVENT_RAISED: ("Name", "Input", "ParentTraceContext"),
    EventType.GENERIC: ("Data",),
}
"""The members that are shown of each type, in order; what devhost does not have is null."""


def shown_history(pages: list[str], with_input: bool, with_output: bool) -> list[Event]:
    """The events of a history, given in pages as the store keeps them."""
    history = [event for event in split(*pages) if event["EventType"] not in LEFT_OUT]
    scheduled = {(event["EventType"], event["EventId"]): event for event in history}
    shown, merged = [], set()
    for event in history:
        began = scheduled.get((OUTCOMES.get(event["EventType"]), event.get("TaskScheduledId")))
        if began is not None:
            merged.add(id(began))
        shown.append((id(event), _shown(event, began, with_input, with_output)))
    return [each for identity, each in shown if identity not in merged]


def _shown(event: Event, began: Event | None, with_input: bool, with_output: bool) -> Event:
    kind = EventType(event["EventType"])
    shown: dict[str, Any] = {"EventType": NAMES.get(kind, kind.name.title().replace("_", ""))}
    shown |= {name: event.get(name) for name in MEMBERS[kind]}
    shown["Timestamp"] = f"{event['Timestamp'][:-1]}0Z"  # .NET has seven digits

    if began is not None:
        shown |= {
            "ScheduledTime": f"{began['Timestamp'][:-1]}0+00:00",
            "FunctionName": began["Name"],
            "Input": began.get("Input"),
        }
    if kind == EventType.EXECUTION_STARTED:
        first = event.get("Generation", 0)
        shown |= {"Generation": first, "GenerateNewTrace": False, "FunctionName": event["Name"]}

    if not with_input:
        shown.pop("Input", None)
    if "Result" in shown:
        if with_output or shown.get("OrchestrationStatus") in ("Failed", "Terminated"):
            result = shown["Result"]
            shown["Result"] = result and json.loads(result)
        else:
            del shown["Result"]
    return shown
