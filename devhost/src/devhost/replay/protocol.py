"""The protocol of azure-functions-durable, schema V3: history events, actions, and moments."""

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]
Action = dict[str, Any]


class EventType(IntEnum):
    """Types of history events (DurableTask.Core.History.EventType)."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    GENERIC = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


class ActionType(IntEnum):
    """Types of actions (AsyncActionType in the Durable extension)."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB_ORCHESTRATOR = 2
    CALL_SUB_ORCHESTRATOR_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    WHEN_ANY = 11
    WHEN_ALL = 12


SCHEDULING = {
    EventType.TASK_SCHEDULED,
    EventType.SUB_ORCHESTRATION_CREATED,
    EventType.TIMER_CREATED,
    EventType.EVENT_SENT,
}
"""Events that an action leaves in the history."""
FAILURES = {EventType.TASK_FAILED, EventType.SUB_ORCHESTRATION_FAILED}
HTTP_ACTIVITY = "BuiltIn::HttpActivity"
"""The name of the activity that a call_http schedules."""


def timestamp(moment: datetime) -> str:
    """Write a moment in UTC as the SDK, histories and the store have it: to the microsecond."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def from_timestamp(text: str) -> datetime:
    """Read a moment that `timestamp` wrote."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def join(events: tuple[Event, ...] | list[Event]) -> str:
    """Write events as a page of history."""
    return ",".join(map(json.dumps, events))


def split(*pages: str) -> list[Event]:
    """Read the events of pages that `join` wrote."""
    events: list[Event] = json.loads(f"[{','.join(pages)}]")
    return events


class OrchestrationError(Exception):
    """An orchestrator asked for something that cannot be done, which fails its instance.

    The message says what and why.
    """
