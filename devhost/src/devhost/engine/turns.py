"""The decision of an orchestration's turn, and how it is written."""

import json
import uuid
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from devhost.engine.decisions import Decision
from devhost.engine.failure_details import FailureDetails
from devhost.engine.instances import create_instance, new_event, started_event
from devhost.engine.messages import event_message
from devhost.replay.protocol import SCHEDULING, Event, EventType, join, split
from devhost.replay.replay import Decisions
from devhost.storage.rows import Activity, Instance, Message, RuntimeStatus
from devhost.storage.store import Store

OF_THE_TURN = SCHEDULING | {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}
"""Events that the turn itself wrote. No replay plays them, because they did not arrive."""


@dataclass(frozen=True)
class OrchestratorResult:
    """What the orchestrator function answered, and what follows from it."""

    state: dict[str, Any]
    """The SDK's OrchestratorState."""
    decisions: Decisions


@dataclass(frozen=True)
class OrchestrationTurn(Decision):
    """A turn that ran the orchestrator, failed, or was to terminate the instance."""

    taken: list[Message]
    instance: Instance
    history_pages: list[str]
    events: list[Event]
    """Those that begin the turn. The first one has its time."""
    result: OrchestratorResult | None = None
    """None if the orchestrator did not run."""
    failure: FailureDetails | None = None
    """Why the instance fails. With a result, it fails as soon as it has no open tasks."""
    store_inputs: bool = False
    """Whether the history keeps the inputs of what is scheduled."""

    def apply(self, store: Store) -> list[Activity]:
        return _TurnWriter(store, self).write()


class _TurnWriter:
    """Writes one turn."""

    def __init__(self, store: Store, turn: OrchestrationTurn) -> None:
        self._store = store
        self._turn = turn
        self._at: str = turn.events[0]["Timestamp"]
        self._instance = replace(turn.instance, updated=self._at)
        self._events = list(turn.events)

    def write(self) -> list[Activity]:
        turn = self._turn
        activities: list[Activity] = []
        if turn.result is not None:
            activities = self._schedule(turn.result.decisions)
            self._go_on(turn.result)
        elif turn.failure is not None:
            self._fail(turn.failure)
        else:
            self._terminate()
        self._store.save_instance(self._instance)
        return activities

    def _go_on(self, result: OrchestratorResult) -> None:
        """Wait, fail, continue as new, or complete."""
        instance, decisions = self._instance, result.decisions
        instance.status = "Running"
        custom_status = result.state.get("customStatus")
        if custom_status is not None:
            instance.custom_status = json.dumps(custom_status)

        if decisions.has_open_tasks:
            self._append_history()
        elif self._turn.failure is not None:
            self._fail(self._turn.failure)
        elif decisions.next_input is not None:
            self._continue_as_new(decisions.next_input, decisions.unprocessed)
        elif result.state["isDone"]:
            self._end("Completed", json.dumps(result.state.get("output")))
        else:
            self._append_history()

    # What the orchestrator asks for

    def _schedule(self, decisions: Decisions) -> list[Activity]:
        """Do what the orchestrator asks for. Returns the activities that it schedules."""
        activities = []
        for event in decisions.scheduled:
            kind = EventType(event["EventType"])
            self._events.append(new_event(kind, self._at) | self._without_input(event))
            match kind:
                case EventType.TASK_SCHEDULED:
                    activities.append(self._schedule_activity(event))
                case EventType.SUB_ORCHESTRATION_CREATED:
                    self._start_sub_orchestration(event)
                case EventType.TIMER_CREATED:
                    self._set_timer(event)
                case EventType.EVENT_SENT:
                    self._send_request(event)

        for timer in decisions.cancelled_timers:
            self._store.cancel_timer(self._instance.id, timer)

        completed = new_event(EventType.ORCHESTRATOR_COMPLETED, self._at, Actions=decisions.actions)
        self._events.append(completed)
        return activities

    def _without_input(self, event: Event) -> Event:
        """An event that schedules something, as the history keeps it."""
        if event["EventType"] == EventType.EVENT_SENT:
            return event
        if not self._turn.store_inputs:
            return {name: value for name, value in event.items() if name != "Input"}
        if event["EventType"] == EventType.TASK_SCHEDULED:
            return event | {"Input": f"[{event['Input']}]"}
        return event

    def _schedule_activity(self, event: Event) -> Activity:
        activity = Activity(
            instance=self._instance.id,
            execution=self._instance.execution,
            task=event["EventId"],
            name=event["Name"],
            input=json.loads(event["Input"]),
        )
        return self._store.schedule(activity)

    def _start_sub_orchestration(self, event: Event) -> None:
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
            parent=self._instance.id,
            parent_execution=self._instance.execution,
            parent_task=event["EventId"],
        )
        create_instance(self._store, child, event["Version"])

    def _set_timer(self, event: Event) -> None:
        id, fire_at = event["EventId"], event["FireAt"]
        fired: Event = {"EventType": int(EventType.TIMER_FIRED), "TimerId": id, "FireAt": fire_at}
        message = event_message(
            self._instance.id, fired, due=fire_at, execution=self._instance.execution, timer=id
        )
        self._store.enqueue([message])

    def _send_request(self, event: Event) -> None:
        request = json.loads(event["Input"])
        if not request["signal"]:
            request |= {"parent": self._instance.id, "parentExecution": self._instance.execution}
        self._store.enqueue([Message(event["InstanceId"], json.dumps(request))])

    # How the turn ends

    def _continue_as_new(self, input: str, unprocessed: list[Event]) -> None:
        """Begin another execution, which takes over the unprocessed events."""
        instance = self._instance
        version = self._version()
        self._store.discard_work(instance.id, instance.execution)
        self._store.delete_history(instance.id)

        instance.execution = uuid.uuid4().hex
        instance.input = input
        # The real host shows a Generation of null here.
        started = started_event(instance, version) | {"Generation": None}
        kept = [
            {name: event[name] for name in ("EventType", "Name", "Input")} for event in unprocessed
        ]

        # Under the seq of the first message it comes before all that arrive later.
        seq = self._turn.taken[0].seq
        message = event_message(instance.id, started, *kept, execution=instance.execution, seq=seq)
        self._store.put_back([message])

    def _version(self) -> str | None:
        """The version that the execution was started with."""
        pages = chain.from_iterable(map(split, self._turn.history_pages))
        started = next(
            event
            for event in chain(pages, self._events)
            if event["EventType"] == EventType.EXECUTION_STARTED
        )
        version: str | None = started.get("Version")
        return version

    def _terminate(self) -> None:
        terminated = next(
            event for event in self._events if event["EventType"] == EventType.EXECUTION_TERMINATED
        )
        self._end("Terminated", json.dumps(terminated["Input"]))

    def _fail(self, failure: FailureDetails) -> None:
        self._end("Failed", json.dumps(failure.reason), failure.details)

    def _end(self, status: RuntimeStatus, output: str, details: str | None = None) -> None:
        self._instance.status = status
        self._instance.output = output
        completed = new_event(
            EventType.EXECUTION_COMPLETED, self._at, OrchestrationStatus=status, Result=output
        )
        self._events.append(completed)
        self._append_history()
        self._store.discard_work(self._instance.id)
        self._tell_parent(status, output, details)

    def _tell_parent(self, status: RuntimeStatus, output: str, details: str | None) -> None:
        """Send the outcome of a sub-orchestration to the instance that waits for it."""
        instance = self._instance
        if instance.parent is None or instance.parent_task is None:
            return

        outcome: Event = {"TaskScheduledId": instance.parent_task}
        if status == "Completed":
            outcome |= {
                "EventType": int(EventType.SUB_ORCHESTRATION_COMPLETED),
                "Result": output,
            }
        else:
            outcome |= {
                "EventType": int(EventType.SUB_ORCHESTRATION_FAILED),
                "Reason": json.loads(output),
                "Details": details,
            }
        message = event_message(instance.parent, outcome, execution=instance.parent_execution)
        self._store.enqueue([message])

    def _append_history(self) -> None:
        for event in self._events:
            event["IsPlayed"] = event["EventType"] not in OF_THE_TURN
        turn = len(self._turn.history_pages)
        self._store.append_history(self._instance.id, turn, join(self._events))
