"""The replay protocol of azure-functions-durable (out-of-process schema V3): history in, decisions
out. Pure.

An orchestrator function is run from the start on every turn. It answers with all actions it has
ever asked for, in order and without ids, while history events refer to tasks by id. Both sides
number tasks alike: one id for each action as it is reached, waits for external events excepted. So
what a turn has to schedule is found by walking the history and the actions side by side, as the
Durable extension does in its OutOfProcOrchestrationShim: an action is reached when the one before
it has completed.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from devhost.replay.determinism import check
from devhost.replay.protocol import (
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
from devhost.replay.tasks import Group, Race, Retry, Task

ENTITY_REQUESTS = uuid.UUID("0b1e3f6e-6f57-4a8f-9c1d-6f8f1f5a3c11")
"""Name space of the ids of entity requests, which are derived so that a replay makes the same ones.
"""


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
    """External events for the next execution: none has taken them, though this one waited for their
    name.

    What comes under a name that an execution never waits for is lost with it, as on the real host.
    """
    has_open_tasks: bool
    """Whether activities, sub-orchestrations or timers are still to come: the orchestration does
    not end before that.

    Cancelled timers are not.
    """


def has_retries(actions: list[Action]) -> bool:
    """Whether any of the actions is one with retry: these take ids when they fail, between those of
    other actions.
    """
    kinds = {ActionType.CALL_ACTIVITY_WITH_RETRY, ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY}
    return any(
        each["actionType"] in kinds or has_retries(each.get("compoundActions", []))
        for each in actions
    )


def decide(
    history: Iterable[Event], actions: list[Action], instance: str, execution: str
) -> Decisions:
    """Walk history and actions, and return what the actions ask for beyond the history.

    `instance` and `execution` are the ids of who asks. Raises OrchestrationError for actions that
    are not supported or contradict the history.
    """
    walk = _Walk(actions, instance, execution)
    past: dict[int, Event] = {}
    for event in history:
        walk.take(event)
        if event["EventType"] in SCHEDULING:
            past[event["EventId"]] = event
    walk.reach(len(actions))
    check(past, walk.scheduled)
    return Decisions(
        scheduled=[event for id, event in walk.scheduled.items() if id not in past],
        cancelled_timers=walk.cancelled,
        actions=len(actions),
        next_input=walk.next_input,
        unprocessed=walk.left_over(),
        has_open_tasks=walk.has_open_tasks(),
    )


class _Walk:
    def __init__(self, actions: list[Action], instance: str, execution: str) -> None:
        self.scheduled: dict[int, Event] = {}
        self.cancelled: list[int] = []
        self.next_input: str | None = None
        self._unawaited: list[Event] = []
        self._instance = instance
        self._execution = execution
        self._actions: Iterator[Action] = iter(actions)
        self._reached = 0
        self._total = len(actions)
        self._next_id = 0
        self._now = datetime.min.replace(tzinfo=UTC)
        self._current = Task(done=True)
        self._open: dict[int, Task] = {}
        self._waits: dict[str, list[Task]] = defaultdict(list)
        self._requests: set[str] = set()
        self._performers: dict[int, Callable[[Action], Task]] = {
            ActionType.CALL_ACTIVITY: self._activity,
            ActionType.CALL_ACTIVITY_WITH_RETRY: partial(self._retried, self._activity),
            ActionType.CALL_SUB_ORCHESTRATOR: self._sub_orchestration,
            ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY: partial(
                self._retried, self._sub_orchestration
            ),
            ActionType.CONTINUE_AS_NEW: self._continue_as_new,
            ActionType.CREATE_TIMER: self._timer,
            ActionType.WAIT_FOR_EXTERNAL_EVENT: self._wait,
            ActionType.CALL_ENTITY: partial(self._entity, is_signal=False),
            ActionType.CALL_HTTP: self._http,
            ActionType.SIGNAL_ENTITY: partial(self._entity, is_signal=True),
            ActionType.WHEN_ANY: partial(self._compound, Race),
            ActionType.WHEN_ALL: partial(self._compound, Group),
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
                # The orchestrator may have gone on where this walk sees no reason to, as with a
                # task_any over tasks that were scheduled before; what it had reached by then is on
                # record.
                self.reach(event["Actions"])
            case _ if "TaskScheduledId" in event:
                self._settle(event["TaskScheduledId"], failed=kind in FAILURES)

    def reach(self, count: int) -> None:
        while self._reached < min(count, self._total):
            self._step()

    def left_over(self) -> list[Event]:
        """Events that no wait has taken, of names that were waited for."""
        return [event for event in self._unawaited if event["Name"] in self._waits]

    def has_open_tasks(self) -> bool:
        """Whether anything is to come that an orchestration does not end without."""
        to_come = set(self._open).difference(self.cancelled)
        return any(self.scheduled[id]["EventType"] != EventType.EVENT_SENT for id in to_come)

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
        if waits := self._waits.get(event["Name"]):
            failed = event["Name"] in self._requests and "exceptionType" in json.loads(
                event["Input"]
            )
            waits.pop().settle(failed)  # the SDK wakes the youngest of several
            self._advance()
        else:
            self._unawaited.append(event)

    def _perform(self, action: Action) -> Task:
        kind = action["actionType"]
        if kind not in self._performers:
            raise OrchestrationError(
                f"devhost does not support orchestrator actions of type {kind}"
            )
        return self._performers[kind](action)

    def _schedule(self, kind: EventType, **details: Any) -> Task:
        id = self._next_id
        self._next_id += 1
        self.scheduled[id] = {"EventType": int(kind), "EventId": id, **details}
        task = self._open[id] = Task()
        return task

    def _activity(self, action: Action) -> Task:
        input = _nested(action["input"])
        return self._schedule(EventType.TASK_SCHEDULED, Name=action["functionName"], Input=input)

    def _http(self, action: Action) -> Task:
        return self._schedule(
            EventType.TASK_SCHEDULED,
            Name=HTTP_ACTIVITY,
            Input=_nested(json.dumps(action["httpRequest"])),
        )

    def _sub_orchestration(self, action: Action) -> Task:
        return self._schedule(
            EventType.SUB_ORCHESTRATION_CREATED,
            Name=action["functionName"],
            InstanceId=action.get("instanceId") or f"{self._instance}:{self._next_id}",
            Input=_nested(action["input"]),
            Version=action.get("version") or "",
        )

    def _retried(self, perform: Callable[[Action], Task], action: Action) -> Task:
        options = action["retryOptions"]

        def pause(made: int) -> Task:
            delay = 0.0
            if made < options["maxNumberOfAttempts"]:
                delay = options["firstRetryIntervalInMilliseconds"] * options.get(
                    "backoffCoefficient", 1
                ) ** (made - 1)
                delay = min(delay, options.get("maxRetryIntervalInMilliseconds", delay))
            fire_at = self._now + timedelta(milliseconds=delay)
            return self._schedule(EventType.TIMER_CREATED, FireAt=timestamp(fire_at))

        return Retry(partial(perform, action), pause, options["maxNumberOfAttempts"])

    def _timer(self, action: Action) -> Task:
        if action["isCanceled"]:
            self.cancelled.append(self._next_id)
        return self._schedule(EventType.TIMER_CREATED, FireAt=action["fireAt"])

    def _entity(self, action: Action, is_signal: bool) -> Task:
        request = str(uuid.uuid5(ENTITY_REQUESTS, f"{self._execution}:{self._next_id}"))
        body = {
            "op": action["operation"],
            "id": request,
            "input": _nested(action["input"]),
            "signal": is_signal,
        }
        task = self._schedule(
            EventType.EVENT_SENT, InstanceId=action["instanceId"], Name="op", Input=json.dumps(body)
        )
        if is_signal:
            task.settle()
        else:
            self._requests.add(request)
            self._waits[request].append(task)
        return task

    def _wait(self, action: Action) -> Task:
        name = action["externalEventName"]
        waits = self._waits[name]
        for event in self._unawaited:
            if event["Name"] == name:
                self._unawaited.remove(event)
                return Task(done=True)
        waits.append(task := Task())
        return task

    def _compound(self, kind: type[Race | Group], action: Action) -> Task:
        return kind([self._perform(child) for child in action["compoundActions"]])

    def _continue_as_new(self, action: Action) -> Task:
        self.next_input = _nested(action["input"])
        return Task()


def _nested(text: Any) -> str:
    """A payload, which the SDK gives as JSON text, as the extension stores it: that text as a JSON
    string.
    """
    return json.dumps(text)
