"""What follows from a turn of an orchestration, and is written when its work item is completed."""

import json
import logging
import uuid
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from devhost.protocol import Event, EventType, OrchestrationError, join, split
from devhost.replay import Decisions
from devhost.store import NEVER, Activity, Instance, Message, RuntimeStatus, Store
from devhost.work import ENDED, Decision, event_message

log = logging.getLogger("devhost")

LONGEST_INSTANCE_ID = 100
FORBIDDEN_IN_ID = set("/\\#?")


def has_forbidden(text: str) -> bool:
    """Whether there is a character that neither an instance id nor an entity key may have."""
    return bool(FORBIDDEN_IN_ID.intersection(text)) or any(ord(character) < 32 for character in text)


def check_instance_id(id: str) -> None:
    """Raise OrchestrationError for what may not be an instance id, as on the real host."""
    if id.startswith("@"):
        raise OrchestrationError("Orchestration instance ids must not start with @.")
    if has_forbidden(id):
        raise OrchestrationError("Orchestration instance ids must not contain /, \\, #, ?, or control characters.")
    if len(id) > LONGEST_INSTANCE_ID:
        raise OrchestrationError(f"Instance ID lengths must not exceed {LONGEST_INSTANCE_ID} characters.")


def in_use(store: Store, id: str) -> str | None:
    """Why an instance cannot be started under this id, or None where it can."""
    existing = store.instance(id)
    if existing is None or existing.status in ENDED:
        return None
    return f"An Orchestration instance with the status {existing.status} already exists."


def begin(store: Store, instance: Instance, version: str) -> None:
    """Save a pending instance, in place of an ended one with its id, and send it its ExecutionStarted."""
    store.purge_instance(instance.id)
    store.save_instance(instance)
    store.enqueue([event_message(instance.id, _started(instance, version), execution=instance.execution)])


def _started(instance: Instance, version: str) -> Event:
    return {
        "EventType": int(EventType.EXECUTION_STARTED),
        "Name": instance.name,
        "Version": version,
        "Input": instance.input,
    }


def failed(orchestrator: str, reason: str) -> str:
    """Why an instance has failed, in the words of the real host."""
    return f"Orchestrator function '{orchestrator}' failed: {reason}"


def new_event(kind: EventType, at: str, **details: Any) -> Event:
    """An event of a turn that is under way."""
    return {"EventType": int(kind), "EventId": -1, "IsPlayed": False, "Timestamp": at, **details}


@dataclass(frozen=True)
class Control(Decision):
    """Suspend or resume an instance; what else has come for it waits, and keeps its order."""

    taken: list[Message]
    instance: Instance
    at: str

    def apply(self, store: Store) -> list[Activity]:
        instance = replace(self.instance, updated=self.at)
        for message in self.taken:
            (event,) = split(message.body)[:1]
            match event["EventType"]:
                case EventType.EXECUTION_SUSPENDED:
                    instance.status = "Suspended"
                case EventType.EXECUTION_RESUMED:
                    instance.status = "Running"
                case _:
                    store.put_back([replace(message, due=NEVER)])
        if instance.status != "Suspended":
            store.release(instance.id)
        store.save_instance(instance)
        return []


class OrchestrationTurn(Decision):
    """What follows from one turn of an orchestration."""

    _store: Store

    def __init__(
        self,
        taken: list[Message],
        instance: Instance,
        chunks: list[str],
        events: list[Event],
        state: dict[str, Any] | None = None,
        decisions: Decisions | None = None,
        failure: str | None = None,
    ) -> None:
        """`events` begin the turn; `state` and `decisions` are there where the orchestrator was run."""
        self.taken = taken
        self._at = events[0]["Timestamp"]
        self._instance = replace(instance, updated=self._at)
        self._chunks = chunks
        self._events = events
        self._state = state
        self._decisions = decisions
        self._reason = failure
        self._scheduled: list[Activity] = []

    def apply(self, store: Store) -> list[Activity]:
        self._store = store
        if self._reason is not None:
            self._fail(self._reason)
        elif self._state is not None and self._decisions is not None:
            self._go_on(self._state, self._decisions)
        else:
            (why, *_) = (each for each in self._events if each["EventType"] == EventType.EXECUTION_TERMINATED)
            self._end("Terminated", json.dumps(why["Input"]))
        store.save_instance(self._instance)
        return self._scheduled

    def _go_on(self, state: dict[str, Any], decisions: Decisions) -> None:
        self._instance.status = "Running"
        self._obey(decisions)
        if (status := state.get("customStatus")) is not None:
            self._instance.custom_status = json.dumps(status)
        if reason := state.get("error"):
            self._fail(failed(self._instance.name, reason))
        elif decisions.next_input is not None:
            self._continue_as_new(decisions.next_input, decisions.unprocessed)
        elif state["isDone"]:
            self._end("Completed", json.dumps(state.get("output")))
        else:
            self._append_history()

    def _event(self, kind: EventType, **details: Any) -> Event:
        return new_event(kind, self._at, **details)

    def _obey(self, decisions: Decisions) -> None:
        for event in decisions.scheduled:
            self._events.append(self._event(EventType(event["EventType"])) | event)
            match event["EventType"]:
                case EventType.TASK_SCHEDULED:
                    self._schedule_activity(event)
                case EventType.SUB_ORCHESTRATION_CREATED:
                    self._start_sub_orchestration(event)
                case EventType.TIMER_CREATED:
                    self._set_timer(event)
                case EventType.EVENT_SENT:
                    self._send_request(event)
        for timer in decisions.cancelled_timers:
            self._store.cancel_timer(self._instance.id, timer)
        self._events.append(self._event(EventType.ORCHESTRATOR_COMPLETED, Actions=decisions.actions))

    def _schedule_activity(self, event: Event) -> None:
        id, execution = self._instance.id, self._instance.execution
        activity = Activity(id, execution, event["EventId"], event["Name"], json.loads(event["Input"]))
        self._scheduled.append(self._store.schedule(activity))

    def _start_sub_orchestration(self, event: Event) -> None:
        parent, task = self._instance, event["EventId"]
        if reason := in_use(self._store, event["InstanceId"]):
            self._tell(parent.id, parent.execution, self._failure(task, reason))
            return
        child = Instance(
            id=event["InstanceId"],
            execution=uuid.uuid4().hex,
            name=event["Name"],
            status="Pending",
            input=event["Input"],
            output=None,
            custom_status=None,
            created=self._at,
            updated=self._at,
            parent=parent.id,
            parent_execution=parent.execution,
            parent_task=task,
        )
        begin(self._store, child, event["Version"])

    def _set_timer(self, event: Event) -> None:
        id, fire_at = event["EventId"], event["FireAt"]
        fired: Event = {"EventType": int(EventType.TIMER_FIRED), "TimerId": id, "FireAt": fire_at}
        instance = self._instance
        self._store.enqueue([event_message(instance.id, fired, due=fire_at, execution=instance.execution, timer=id)])

    def _send_request(self, event: Event) -> None:
        request = json.loads(event["Input"])
        if not request["signal"]:
            request |= {"parent": self._instance.id, "parentExecution": self._instance.execution}
        self._store.enqueue([Message(event["InstanceId"], json.dumps(request))])

    def _continue_as_new(self, input: str, unprocessed: list[Event]) -> None:
        instance = self._instance
        self._store.discard_work(instance.id, instance.execution)
        self._store.delete_history(instance.id)
        version = next(
            event["Version"]
            for event in chain(split(*self._chunks[:1]), self._events)
            if event["EventType"] == EventType.EXECUTION_STARTED
        )
        instance.execution, instance.input = uuid.uuid4().hex, input
        started = _started(instance, version)
        kept = [{key: event[key] for key in ("EventType", "Name", "Input")} for event in unprocessed]
        # What is put back under the seq of the first message comes before all that arrive later.
        message = event_message(instance.id, started, *kept, execution=instance.execution, seq=self.taken[0].seq)
        self._store.put_back([message])

    def _fail(self, reason: str) -> None:
        self._end("Failed", json.dumps(reason))

    def _end(self, status: RuntimeStatus, output: str) -> None:
        instance = self._instance
        instance.status, instance.output = status, output
        self._events.append(self._event(EventType.EXECUTION_COMPLETED, OrchestrationStatus=status, Result=output))
        self._append_history()
        self._store.discard_work(instance.id)
        if instance.parent is not None and instance.parent_task is not None:
            outcome: Event = {
                "EventType": int(EventType.SUB_ORCHESTRATION_COMPLETED),
                "TaskScheduledId": instance.parent_task,
                "Result": output,
            }
            if status != "Completed":
                outcome = self._failure(instance.parent_task, json.loads(output))
            self._tell(instance.parent, instance.parent_execution, outcome)

    def _failure(self, task: int, reason: str) -> Event:
        return {
            "EventType": int(EventType.SUB_ORCHESTRATION_FAILED),
            "TaskScheduledId": task,
            "Reason": reason,
            "Details": reason,
        }

    def _tell(self, target: str, execution: str | None, event: Event) -> None:
        self._store.enqueue([event_message(target, event, execution=execution)])

    def _append_history(self) -> None:
        for event in self._events:
            event["IsPlayed"] = True
        self._store.append_history(self._instance.id, len(self._chunks), join(self._events))
