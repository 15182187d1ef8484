"""The replay protocol of azure-functions-durable (out-of-process schema V3): history in, decisions out. Pure.

An orchestrator function is run from the start on every turn. It answers with all actions it has ever asked for,
in order and without ids, while history events refer to tasks by id. Both sides number tasks alike: one id for each
action as it is reached, waits for external events excepted. So what a turn has to schedule is found by walking the
history and the actions side by side, as the Durable extension does in its OutOfProcOrchestrationShim: an action is
reached when the one before it has completed.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

Event = dict[str, Any]
Action = dict[str, Any]

ENTITY_REQUESTS = uuid.UUID("0b1e3f6e-6f57-4a8f-9c1d-6f8f1f5a3c11")
"""Name space of the ids of entity requests, which are derived so that a replay makes the same ones."""


class EventType(IntEnum):
    """Types of history events (DurableTask.Core.History.EventType)."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15


class ActionType(IntEnum):
    """Types of actions (AsyncActionType in the Durable extension)."""

    CALL_ACTIVITY = 0
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    SIGNAL_ENTITY = 9
    WHEN_ANY = 11
    WHEN_ALL = 12


SCHEDULING = {EventType.TASK_SCHEDULED, EventType.TIMER_CREATED, EventType.EVENT_SENT}
"""Events that an action leaves in the history."""


class OrchestrationError(Exception):
    """What an orchestrator asked for cannot be done; the message says what and why. It fails the instance."""


@dataclass
class Decisions:
    """What follows from a turn."""

    scheduled: list[Event]
    """Events to add to the history; each schedules something."""
    cancelled_timers: list[int]
    """Timers that are no longer wanted."""
    actions: int
    """How many actions there are by now, to be noted at the end of the turn."""


def decide(history: Iterable[Event], actions: list[Action], execution: str) -> Decisions:
    """Walk history and actions, and return what the actions ask for beyond the history.

    Raises OrchestrationError for actions that are not supported or contradict the history.
    """
    walk = _Walk(actions, execution)
    past: dict[int, Event] = {}
    for event in history:
        walk.take(event)
        if event["EventType"] in SCHEDULING:
            past[event["EventId"]] = event
    walk.reach(len(actions))
    _compare(past, walk.scheduled)
    return Decisions(
        scheduled=[event for id, event in walk.scheduled.items() if id not in past],
        cancelled_timers=walk.cancelled,
        actions=len(actions),
    )


def _compare(past: dict[int, Event], scheduled: dict[int, Event]) -> None:
    for id, then in past.items():
        now = scheduled.get(id)
        if now is None or _identity(now) != _identity(then):
            asked = "nothing" if now is None else _identity(now)
            raise OrchestrationError(
                f"non-deterministic orchestrator: task {id} was {_identity(then)}, but this replay asked for {asked}"
            )


def _identity(event: Event) -> str:
    """What must be the same in each replay."""
    target = event.get("InstanceId") or event.get("Name") or ""
    return f"{EventType(event['EventType']).name} {target}".strip()


@dataclass(eq=False)
class _Task:
    """Something that an orchestrator waits for."""

    is_complete: Callable[[list[_Task]], bool] = lambda children: False
    children: list[_Task] = field(default_factory=list)
    parent: _Task | None = None
    done: bool = False
    failed: bool = False

    def adopt(self, children: list[_Task]) -> _Task:
        self.children = children
        for child in children:
            child.parent = self
        self.update()
        return self

    def settle(self, failed: bool = False) -> None:
        self.done, self.failed = True, failed
        if self.parent is not None and not self.parent.done:
            self.parent.update()

    def update(self) -> None:
        if self.is_complete(self.children):
            self.settle(failed=any(child.failed for child in self.children))


def _any(children: list[_Task]) -> bool:
    return not children or any(child.done for child in children)


def _all(children: list[_Task]) -> bool:
    """Like the SDK's task_all: the first failure completes it."""
    return all(child.done for child in children) or any(child.failed for child in children)


class _Walk:
    def __init__(self, actions: list[Action], execution: str) -> None:
        self.scheduled: dict[int, Event] = {}
        self.cancelled: list[int] = []
        self._execution = execution
        self._actions: Iterator[Action] = iter(actions)
        self._reached = 0
        self._total = len(actions)
        self._next_id = 0
        self._current = _Task(done=True)
        self._open: dict[int, _Task] = {}
        self._waits: dict[str, list[_Task]] = defaultdict(list)
        self._unawaited: dict[str, int] = defaultdict(int)

    def take(self, event: Event) -> None:
        match event["EventType"]:
            case EventType.EXECUTION_STARTED:
                self._advance()
            case EventType.TASK_COMPLETED | EventType.TASK_FAILED:
                self._settle(event["TaskScheduledId"], failed=event["EventType"] == EventType.TASK_FAILED)
            case EventType.TIMER_FIRED:
                self._settle(event["TimerId"])
            case EventType.EVENT_RAISED:
                self._raise(event["Name"])
            case EventType.ORCHESTRATOR_COMPLETED:
                # The orchestrator may have gone on where this walk sees no reason to, as with a task_any over
                # tasks that were scheduled before; what it had reached by then is on record.
                self.reach(event["Actions"])

    def reach(self, count: int) -> None:
        while self._reached < min(count, self._total):
            self._step()

    def _advance(self) -> None:
        while self._current.done and self._reached < self._total:
            self._step()

    def _step(self) -> None:
        self._reached += 1
        self._current = self._perform(next(self._actions))

    def _settle(self, id: int, failed: bool = False) -> None:
        if (task := self._open.pop(id, None)) is not None:
            task.settle(failed)
            self._advance()

    def _raise(self, name: str) -> None:
        if self._waits[name]:
            self._waits[name].pop().settle()  # the SDK wakes the youngest of several waits
            self._advance()
        else:
            self._unawaited[name] += 1

    def _perform(self, action: Action) -> _Task:
        kind = action["actionType"]
        match kind:
            case ActionType.CALL_ACTIVITY:
                return self._schedule(
                    EventType.TASK_SCHEDULED, Name=action["functionName"], Input=_nested(action["input"])
                )
            case ActionType.CREATE_TIMER:
                return self._timer(action)
            case ActionType.WAIT_FOR_EXTERNAL_EVENT:
                return self._wait(action["externalEventName"])
            case ActionType.CALL_ENTITY:
                return self._entity(action, is_signal=False)
            case ActionType.SIGNAL_ENTITY:
                return self._entity(action, is_signal=True)
            case ActionType.WHEN_ANY | ActionType.WHEN_ALL:
                children = [self._perform(child) for child in action["compoundActions"]]
                return _Task(_any if kind == ActionType.WHEN_ANY else _all).adopt(children)
        raise OrchestrationError(f"devhost does not support the orchestrator action {_name(kind)}")

    def _schedule(self, kind: EventType, **details: Any) -> _Task:
        id = self._next_id
        self._next_id += 1
        self.scheduled[id] = {"EventType": int(kind), "EventId": id, **details}
        task = self._open[id] = _Task()
        return task

    def _timer(self, action: Action) -> _Task:
        id = self._next_id
        if action["isCanceled"]:
            self.cancelled.append(id)
        return self._schedule(EventType.TIMER_CREATED, FireAt=action["fireAt"])

    def _entity(self, action: Action, is_signal: bool) -> _Task:
        request = str(uuid.uuid5(ENTITY_REQUESTS, f"{self._execution}:{self._next_id}"))
        body = {"op": action["operation"], "id": request, "input": _nested(action["input"]), "signal": is_signal}
        task = self._schedule(EventType.EVENT_SENT, InstanceId=action["instanceId"], Name="op", Input=json.dumps(body))
        if is_signal:
            task.settle()
        else:
            self._waits[request].append(task)
        return task

    def _wait(self, name: str) -> _Task:
        if self._unawaited[name]:
            self._unawaited[name] -= 1
            return _Task(done=True)
        task = _Task()
        self._waits[name].append(task)
        return task


def _nested(text: Any) -> str:
    """A payload, which the SDK gives as JSON text, as the extension stores it: that text as a JSON string."""
    return json.dumps(text)


def _name(kind: int) -> str:
    names = {1: "call_activity_with_retry", 2: "call_sub_orchestrator", 3: "call_sub_orchestrator_with_retry"}
    names |= {4: "continue_as_new", 8: "call_http", 10: "scheduled signal_entity"}
    return names.get(kind, f"of type {kind}")
