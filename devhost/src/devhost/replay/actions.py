"""Performs an orchestrator's actions: numbers their tasks, and notes what schedules them. Pure."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from devhost.replay.protocol import (
    HTTP_ACTIVITY,
    Action,
    ActionType,
    Event,
    EventType,
    OrchestrationError,
    timestamp,
)
from devhost.replay.tasks import Retry, Task, WhenAll, WhenAny

ENTITY_REQUESTS = uuid.UUID("0b1e3f6e-6f57-4a8f-9c1d-6f8f1f5a3c11")
"""Name space of the ids of entity requests, which every replay has to make alike."""

WITH_RETRY = {ActionType.CALL_ACTIVITY_WITH_RETRY, ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY}


def has_retries(actions: list[Action]) -> bool:
    """Whether any of the actions has a retry.

    A retry takes ids when it fails, between those of other actions.
    """
    return any(
        action["actionType"] in WITH_RETRY or has_retries(action.get("compoundActions", []))
        for action in actions
    )


class ActionRunner:
    """Turns actions into tasks, and completes the tasks."""

    def __init__(self, instance: str, execution: str) -> None:
        self.now = datetime.min.replace(tzinfo=UTC)
        """The time of the turn."""
        self.scheduled: dict[int, Event] = {}
        """The events that schedule the tasks, by id."""
        self.cancelled_timers: list[int] = []
        self.next_input: str | None = None
        """The input of the next execution, if the orchestrator continues as new."""
        self._instance = instance
        self._execution = execution
        self._next_id = 0
        self._open: dict[int, Task] = {}
        self._waits: dict[str, list[Task]] = defaultdict(list)
        """Tasks that wait for an event, by its name."""
        self._unawaited: list[Event] = []
        """Events that nothing has waited for yet."""
        self._requests: set[str] = set()
        """Ids of the requests to entities, whose replies are events of that name."""
        self._performers: dict[int, Callable[[Action], Task]] = {
            ActionType.CALL_ACTIVITY: self._activity,
            ActionType.CALL_ACTIVITY_WITH_RETRY: partial(self._retry, self._activity),
            ActionType.CALL_SUB_ORCHESTRATOR: self._sub_orchestration,
            ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY: partial(
                self._retry, self._sub_orchestration
            ),
            ActionType.CONTINUE_AS_NEW: self._continue_as_new,
            ActionType.CREATE_TIMER: self._timer,
            ActionType.WAIT_FOR_EXTERNAL_EVENT: self._wait,
            ActionType.CALL_ENTITY: self._call_entity,
            ActionType.CALL_HTTP: self._http,
            ActionType.SIGNAL_ENTITY: self._signal_entity,
            ActionType.WHEN_ANY: partial(self._compound, WhenAny),
            ActionType.WHEN_ALL: partial(self._compound, WhenAll),
        }

    def perform(self, action: Action) -> Task:
        """Make the task of an action. Raises OrchestrationError if it is not supported."""
        kind = action["actionType"]
        if kind not in self._performers:
            raise OrchestrationError(
                f"devhost does not support orchestrator actions of type {kind}"
            )
        return self._performers[kind](action)

    def complete(self, id: int, failed: bool) -> bool:
        """Complete a task. False if no such task is open."""
        task = self._open.pop(id, None)
        if task is None:
            return False
        task.complete(failed)
        return True

    def raise_event(self, event: Event) -> bool:
        """Give an event to the task that waits for it. False if there is none."""
        name = event["Name"]
        waits = self._waits.get(name)
        if not waits:
            self._unawaited.append(event)
            return False

        is_error = name in self._requests and "exceptionType" in json.loads(event["Input"])
        waits.pop().complete(is_error)  # like the SDK: the youngest of several
        return True

    def unprocessed(self) -> list[Event]:
        """Events that no task has taken, of names that were waited for."""
        return [event for event in self._unawaited if event["Name"] in self._waits]

    def has_open_tasks(self) -> bool:
        """Whether tasks are to come that an orchestration does not end without."""
        to_come = set(self._open).difference(self.cancelled_timers)
        return any(self.scheduled[id]["EventType"] != EventType.EVENT_SENT for id in to_come)

    def _schedule(self, kind: EventType, **details: Any) -> Task:
        id = self._next_id
        self._next_id += 1
        self.scheduled[id] = {"EventType": int(kind), "EventId": id, **details}
        task = self._open[id] = Task()
        return task

    def _activity(self, action: Action) -> Task:
        return self._schedule(
            EventType.TASK_SCHEDULED,
            Name=action["functionName"],
            Input=_nested(action["input"]),
        )

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

    def _retry(self, perform: Callable[[Action], Task], action: Action) -> Task:
        options = action["retryOptions"]
        attempts: int = options["maxNumberOfAttempts"]

        def pause(made: int) -> Task:
            delay = _retry_delay(options, made) if made < attempts else 0.0
            fire_at = self.now + timedelta(milliseconds=delay)
            return self._schedule(EventType.TIMER_CREATED, FireAt=timestamp(fire_at))

        return Retry(partial(perform, action), pause, attempts)

    def _timer(self, action: Action) -> Task:
        if action["isCanceled"]:
            self.cancelled_timers.append(self._next_id)
        return self._schedule(EventType.TIMER_CREATED, FireAt=action["fireAt"])

    def _signal_entity(self, action: Action) -> Task:
        task, _ = self._send(action, is_signal=True)
        task.complete()
        return task

    def _call_entity(self, action: Action) -> Task:
        task, request = self._send(action, is_signal=False)
        self._requests.add(request)
        self._waits[request].append(task)
        return task

    def _send(self, action: Action, is_signal: bool) -> tuple[Task, str]:
        """Send an entity a request. Returns its task and its id."""
        request = str(uuid.uuid5(ENTITY_REQUESTS, f"{self._execution}:{self._next_id}"))
        body = {
            "op": action["operation"],
            "id": request,
            "input": _nested(action["input"]),
            "signal": is_signal,
        }
        task = self._schedule(
            EventType.EVENT_SENT,
            InstanceId=action["instanceId"],
            Name="op",
            Input=json.dumps(body),
        )
        return task, request

    def _wait(self, action: Action) -> Task:
        name = action["externalEventName"]
        waits = self._waits[name]
        for event in self._unawaited:
            if event["Name"] == name:
                self._unawaited.remove(event)
                return Task(done=True)

        task = Task()
        waits.append(task)
        return task

    def _compound(self, kind: type[WhenAny | WhenAll], action: Action) -> Task:
        return kind([self.perform(each) for each in action["compoundActions"]])

    def _continue_as_new(self, action: Action) -> Task:
        self.next_input = _nested(action["input"])
        return Task()


def _retry_delay(options: dict[str, Any], made: int) -> float:
    """The pause after a number of attempts, in milliseconds."""
    first: float = options["firstRetryIntervalInMilliseconds"]
    delay: float = first * options.get("backoffCoefficient", 1) ** (made - 1)
    longest: float = options.get("maxRetryIntervalInMilliseconds", delay)
    return min(delay, longest)


def _nested(text: Any) -> str:
    """A payload as the extension stores it: the SDK's JSON text, as a JSON string."""
    return json.dumps(text)
