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
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from devhost.protocol import (
    FAILURES,
    HTTP_ACTIVITY,
    SCHEDULING,
    Action,
    ActionType,
    Event,
    EventType,
    OrchestrationError,
    from_timestamp,
    timestamp,
)

ENTITY_REQUESTS = uuid.UUID("0b1e3f6e-6f57-4a8f-9c1d-6f8f1f5a3c11")
"""Name space of the ids of entity requests, which are derived so that a replay makes the same ones."""


@dataclass
class Decisions:
    """What follows from a turn."""

    scheduled: list[Event]
    """Events to add to the history; each schedules something."""
    cancelled_timers: list[int]
    """Timers that are no longer wanted."""
    actions: int
    """How many actions there are by now, to be noted at the end of the turn."""
    next_input: str | None
    """The input for the next execution, as JSON, where the orchestrator continues as new."""
    unprocessed: list[Event]
    """External events that no wait has taken; the next execution gets them."""


def retries(actions: list[Action]) -> bool:
    """Whether any of the actions is one with retry: these take ids when they fail, between those of other actions."""
    kinds = {ActionType.CALL_ACTIVITY_WITH_RETRY, ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY}
    return any(each["actionType"] in kinds or retries(each.get("compoundActions", [])) for each in actions)


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
        next_input=walk.next_input,
        unprocessed=walk.unawaited,
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
    kind = EventType(event["EventType"])
    target = event["InstanceId"] if kind == EventType.EVENT_SENT else event.get("Name", "")
    return f"{kind.name} {target}".strip()


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


class _Retry(_Task):
    """A task that is tried again after a pause when it has failed.

    There is a pause after the last attempt too, of no length: the SDK and the Durable Task Framework count it.
    """

    def __init__(self, attempt: Callable[[], _Task], pause: Callable[[int], _Task], attempts: int) -> None:
        super().__init__()
        self._attempt = attempt
        self._pause = pause
        self._attempts = attempts
        self._made = 1
        self._pausing = False
        self.adopt([attempt()])

    def update(self) -> None:
        (child,) = self.children
        if not child.done:
            return
        if self._pausing and self._made >= self._attempts:
            self.settle(failed=True)
        elif self._pausing:
            self._pausing = False
            self._made += 1
            self.adopt([self._attempt()])
        elif child.failed:
            self._pausing = True
            self.adopt([self._pause(self._made)])
        else:
            self.settle()


class _Walk:
    def __init__(self, actions: list[Action], execution: str) -> None:
        self.scheduled: dict[int, Event] = {}
        self.cancelled: list[int] = []
        self.next_input: str | None = None
        self.unawaited: list[Event] = []
        self._execution = execution
        self._actions: Iterator[Action] = iter(actions)
        self._reached = 0
        self._total = len(actions)
        self._next_id = 0
        self._now = datetime.min.replace(tzinfo=UTC)
        self._current = _Task(done=True)
        self._open: dict[int, _Task] = {}
        self._waits: dict[str, list[_Task]] = defaultdict(list)
        self._requests: set[str] = set()
        self._performers: dict[int, Callable[[Action], _Task]] = {
            ActionType.CALL_ACTIVITY: self._activity,
            ActionType.CALL_ACTIVITY_WITH_RETRY: partial(self._retried, self._activity),
            ActionType.CALL_SUB_ORCHESTRATOR: self._sub_orchestration,
            ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY: partial(self._retried, self._sub_orchestration),
            ActionType.CONTINUE_AS_NEW: self._continue_as_new,
            ActionType.CREATE_TIMER: self._timer,
            ActionType.WAIT_FOR_EXTERNAL_EVENT: self._wait,
            ActionType.CALL_ENTITY: partial(self._entity, is_signal=False),
            ActionType.CALL_HTTP: self._http,
            ActionType.SIGNAL_ENTITY: partial(self._entity, is_signal=True),
            ActionType.WHEN_ANY: partial(self._compound, _any),
            ActionType.WHEN_ALL: partial(self._compound, _all),
        }

    def take(self, event: Event) -> None:
        kind = event["EventType"]
        match kind:
            case EventType.ORCHESTRATOR_STARTED:
                self._now = from_timestamp(event["Timestamp"])
            case EventType.EXECUTION_STARTED:
                self._advance()
            case EventType.TIMER_FIRED:
                self._settle(event["TimerId"])
            case EventType.EVENT_RAISED:
                self._raise(event)
            case EventType.ORCHESTRATOR_COMPLETED:
                # The orchestrator may have gone on where this walk sees no reason to, as with a task_any over
                # tasks that were scheduled before; what it had reached by then is on record.
                self.reach(event["Actions"])
            case _ if "TaskScheduledId" in event:
                self._settle(event["TaskScheduledId"], failed=kind in FAILURES)

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

    def _raise(self, event: Event) -> None:
        if waits := self._waits[event["Name"]]:
            failed = event["Name"] in self._requests and "exceptionType" in json.loads(event["Input"])
            waits.pop().settle(failed)  # the SDK wakes the youngest of several
            self._advance()
        else:
            self.unawaited.append(event)

    def _perform(self, action: Action) -> _Task:
        kind = action["actionType"]
        if kind not in self._performers:
            raise OrchestrationError(f"devhost does not support orchestrator actions of type {kind}")
        return self._performers[kind](action)

    def _schedule(self, kind: EventType, **details: Any) -> _Task:
        id = self._next_id
        self._next_id += 1
        self.scheduled[id] = {"EventType": int(kind), "EventId": id, **details}
        task = self._open[id] = _Task()
        return task

    def _activity(self, action: Action) -> _Task:
        input = _nested(action["input"])
        return self._schedule(EventType.TASK_SCHEDULED, Name=action["functionName"], Input=input)

    def _http(self, action: Action) -> _Task:
        return self._schedule(
            EventType.TASK_SCHEDULED, Name=HTTP_ACTIVITY, Input=_nested(json.dumps(action["httpRequest"]))
        )

    def _sub_orchestration(self, action: Action) -> _Task:
        return self._schedule(
            EventType.SUB_ORCHESTRATION_CREATED,
            Name=action["functionName"],
            InstanceId=action.get("instanceId") or f"{self._execution}:{self._next_id}",
            Input=_nested(action["input"]),
            Version=action.get("version") or "",
        )

    def _retried(self, perform: Callable[[Action], _Task], action: Action) -> _Task:
        options = action["retryOptions"]

        def pause(made: int) -> _Task:
            delay = 0.0
            if made < options["maxNumberOfAttempts"]:
                delay = options["firstRetryIntervalInMilliseconds"] * options.get("backoffCoefficient", 1) ** (made - 1)
                delay = min(delay, options.get("maxRetryIntervalInMilliseconds", delay))
            fire_at = self._now + timedelta(milliseconds=delay)
            return self._schedule(EventType.TIMER_CREATED, FireAt=timestamp(fire_at))

        return _Retry(partial(perform, action), pause, options["maxNumberOfAttempts"])

    def _timer(self, action: Action) -> _Task:
        if action["isCanceled"]:
            self.cancelled.append(self._next_id)
        return self._schedule(EventType.TIMER_CREATED, FireAt=action["fireAt"])

    def _entity(self, action: Action, is_signal: bool) -> _Task:
        request = str(uuid.uuid5(ENTITY_REQUESTS, f"{self._execution}:{self._next_id}"))
        body = {"op": action["operation"], "id": request, "input": _nested(action["input"]), "signal": is_signal}
        task = self._schedule(EventType.EVENT_SENT, InstanceId=action["instanceId"], Name="op", Input=json.dumps(body))
        if is_signal:
            task.settle()
        else:
            self._requests.add(request)
            self._waits[request].append(task)
        return task

    def _wait(self, action: Action) -> _Task:
        name = action["externalEventName"]
        for event in self.unawaited:
            if event["Name"] == name:
                self.unawaited.remove(event)
                return _Task(done=True)
        task = _Task()
        self._waits[name].append(task)
        return task

    def _compound(self, is_complete: Callable[[list[_Task]], bool], action: Action) -> _Task:
        return _Task(is_complete).adopt([self._perform(child) for child in action["compoundActions"]])

    def _continue_as_new(self, action: Action) -> _Task:
        self.next_input = _nested(action["input"])
        return _Task()


def _nested(text: Any) -> str:
    """A payload, which the SDK gives as JSON text, as the extension stores it: that text as a JSON string."""
    return json.dumps(text)
