"""What follows from a turn of an orchestration, and is written when its work item is completed."""

import json
import uuid
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from devhost.engine.failure_details import Cause
from devhost.engine.work_items import Decision, event_message
from devhost.replay.protocol import SCHEDULING, Event, EventType, join, split
from devhost.replay.replay import Decisions
from devhost.storage.rows import NEVER, Activity, Instance, Message, RuntimeStatus
from devhost.storage.store import Store

OF_THE_TURN = SCHEDULING | {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}
"""Events that no replay plays: they did not arrive."""
CONTROLS: dict[EventType, RuntimeStatus] = {
    EventType.EXECUTION_SUSPENDED: "Suspended",
    EventType.EXECUTION_RESUMED: "Running",
}
"""What a client tells an instance to be. Its output is the reason, until it ends."""


def begin(store: Store, instance: Instance, version: str | None) -> None:
    """Save a pending instance, in place of one with its id, and send it its ExecutionStarted."""
    store.purge(instance.id)
    store.save_instance(instance)
    store.enqueue(
        [event_message(instance.id, _started(instance, version), execution=instance.execution)]
    )


def _started(instance: Instance, version: str | None) -> Event:
    return {
        "EventType": int(EventType.EXECUTION_STARTED),
        "Name": instance.name,
        "Version": version,
        "Input": instance.input,
    }


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
            kind = EventType(event["EventType"])
            if kind not in CONTROLS:
                store.put_back([replace(message, due=NEVER)])
                continue
            instance.status, instance.output = CONTROLS[kind], json.dumps(event["Reason"])
            told = new_event(kind, self.at, Reason=event["Reason"])
            store.append_history(instance.id, len(store.history(instance.id)), join([told]))
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
        cause: Cause | None = None,
        store_inputs: bool = False,
    ) -> None:
        """`events` begin the turn; `state` and `decisions` are there where the orchestrator was
        run.

        `cause` is why it fails; `store_inputs`, whether the history keeps the inputs of what it
        schedules.
        """
        self.taken = taken
        self._at = events[0]["Timestamp"]
        self._instance = replace(instance, updated=self._at)
        self._chunks = chunks
        self._events = events
        self._state = state
        self._decisions = decisions
        self._cause = cause
        self._store_inputs = store_inputs
        self._scheduled: list[Activity] = []

    def apply(self, store: Store) -> list[Activity]:
        self._store = store
        if self._state is not None and self._decisions is not None:
            self._go_on(self._state, self._decisions)
        elif self._cause is not None:
            self._fail(self._cause)
        else:
            (why, *_) = (
                each for each in self._events if each["EventType"] == EventType.EXECUTION_TERMINATED
            )
            self._end("Terminated", json.dumps(why["Input"]))
        store.save_instance(self._instance)
        return self._scheduled

    def _go_on(self, state: dict[str, Any], decisions: Decisions) -> None:
        self._instance.status = "Running"
        self._obey(decisions)
        if (status := state.get("customStatus")) is not None:
            self._instance.custom_status = json.dumps(status)
        if decisions.has_open_tasks:
            self._append_history()
        elif self._cause is not None:
            self._fail(self._cause)
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
            self._events.append(self._event(EventType(event["EventType"])) | self._kept(event))
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
        self._events.append(
            self._event(EventType.ORCHESTRATOR_COMPLETED, Actions=decisions.actions)
        )

    def _kept(self, event: Event) -> Event:
        """What the history keeps of an event that schedules something."""
        if event["EventType"] == EventType.EVENT_SENT:
            return event
        if self._store_inputs and event["EventType"] == EventType.TASK_SCHEDULED:
            return event | {"Input": f"[{event['Input']}]"}
        return (
            event
            if self._store_inputs
            else {name: event[name] for name in event.keys() - {"Input"}}
        )

    def _schedule_activity(self, event: Event) -> None:
        id, execution = self._instance.id, self._instance.execution
        activity = Activity(
            id, execution, event["EventId"], event["Name"], json.loads(event["Input"])
        )
        self._scheduled.append(self._store.schedule(activity))

    def _start_sub_orchestration(self, event: Event) -> None:
        parent, task = self._instance, event["EventId"]
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
        self._store.enqueue(
            [event_message(instance.id, fired, due=fire_at, execution=instance.execution, timer=id)]
        )

    def _send_request(self, event: Event) -> None:
        request = json.loads(event["Input"])
        if not request["signal"]:
            request |= {"parent": self._instance.id, "parentExecution": self._instance.execution}
        self._store.enqueue([Message(event["InstanceId"], json.dumps(request))])

    def _continue_as_new(self, input: str, unprocessed: list[Event]) -> None:
        instance = self._instance
        self._store.discard_work(instance.id, instance.execution)
        self._store.delete_history(instance.id)
        past = chain.from_iterable(map(split, self._chunks))
        begun = (
            each
            for each in chain(past, self._events)
            if each["EventType"] == EventType.EXECUTION_STARTED
        )
        version = next(begun).get("Version")
        instance.execution, instance.input = uuid.uuid4().hex, input
        started = _started(instance, version) | {"Generation": None}  # as the real host shows it
        kept = [
            {key: event[key] for key in ("EventType", "Name", "Input")} for event in unprocessed
        ]
        # What is put back under the seq of the first message comes before all that arrive later.
        message = event_message(
            instance.id, started, *kept, execution=instance.execution, seq=self.taken[0].seq
        )
        self._store.put_back([message])

    def _fail(self, cause: Cause) -> None:
        self._end("Failed", json.dumps(cause.reason), cause.details)

    def _end(self, status: RuntimeStatus, output: str, details: str | None = None) -> None:
        instance = self._instance
        instance.status, instance.output = status, output
        self._events.append(
            self._event(EventType.EXECUTION_COMPLETED, OrchestrationStatus=status, Result=output)
        )
        self._append_history()
        self._store.discard_work(instance.id)
        if instance.parent is not None and instance.parent_task is not None:
            outcome: Event = {
                "EventType": int(EventType.SUB_ORCHESTRATION_COMPLETED),
                "TaskScheduledId": instance.parent_task,
                "Result": output,
            }
            if status != "Completed":
                outcome = {
                    "EventType": int(EventType.SUB_ORCHESTRATION_FAILED),
                    "TaskScheduledId": instance.parent_task,
                    "Reason": json.loads(output),
                    "Details": details,
                }
            self._store.enqueue(
                [event_message(instance.parent, outcome, execution=instance.parent_execution)]
            )

    def _append_history(self) -> None:
        for event in self._events:
            event["IsPlayed"] = event["EventType"] not in OF_THE_TURN
        self._store.append_history(self._instance.id, len(self._chunks), join(self._events))
