"""Turns: take what is due for one instance or entity, run its function, and leave what follows in the store.

The caller owns the transaction: a turn reads and writes the store and nothing else, so it happens whole or not at
all. Functions are run inside it and may be run again after a crash, but only a committed run has any effect.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from devhost.protocol import HTTP_ACTIVITY, Event, EventType, OrchestrationError, join, split
from devhost.replay import Decisions, decide, retries
from devhost.store import Activity, Instance, Message, RuntimeStatus, Store

log = logging.getLogger("devhost")

RawFunction = Callable[[str], str]
"""An orchestrator or entity function as the SDK wraps it: JSON in, JSON out."""
ENDED: set[RuntimeStatus] = {"Completed", "Failed", "Terminated"}
STATE_IN_ERROR = "\n\n$OutOfProcData$:"
"""What the SDK puts between the message of a failed orchestrator and the actions that it asked for."""
LONGEST_INSTANCE_ID = 100
FORBIDDEN_IN_ID = set("/\\#?")
LIMITS = {
    # Longer timers are cut into pieces by the SDK, as for Azure Storage (whose limit is that of a queue message).
    "maximumShortTimerDuration": "6.00:00:00",
    "longRunningTimerIntervalDuration": "3.00:00:00",
    "defaultHttpAsyncRequestSleepTimeMillseconds": 30_000,
}


@dataclass(frozen=True)
class DurableFunctions:
    """The durable functions of an app, by name in lower case: names match in any letter case."""

    orchestrators: Mapping[str, RawFunction] = field(default_factory=dict)
    entities: Mapping[str, RawFunction] = field(default_factory=dict)
    activities: frozenset[str] = frozenset()


def event_message(
    target: str, *events: Event, due: str = "", execution: str | None = None, timer: int | None = None, seq: int = 0
) -> Message:
    """A message of history events for an instance."""
    return Message(target, join(events), due, execution, timer, seq)


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


def unknown_function(name: str, kind: str) -> OrchestrationError:
    """What is raised for a function that the app does not have, in the words of the real host."""
    return OrchestrationError(f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function.")


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


class EntityTurn:
    """A batch of operations of one entity."""

    def __init__(self, store: Store, functions: DurableFunctions, id: str, at: str) -> None:
        self._store = store
        self._functions = functions
        self.id = id
        self._at = at

    def judge(self, inbox: list[Message]) -> str | None:
        """Run the operations and reply to those who wait; returns the state that is to be committed."""
        requests = [json.loads(message.body) for message in inbox]
        after = self._ask(self._store.entity(self.id), requests)
        for request, result in zip(requests, after["results"], strict=True):
            if result["isError"]:
                log.error("entity %s failed at operation %s: %s", self.id, request["op"], result["result"])
            if "parent" in request:
                self._reply(request, result)
        state: str | None = after["entityState"] if after["entityExists"] else None
        return state

    def commit(self, state: str | None) -> None:
        """Save the state, from where it can be read."""
        self._store.save_entity(self.id, state, self._at)

    def give_up(self, inbox: list[Message], error: Exception) -> None:
        """Where the turn cannot be made: tell those who wait, and leave the state as it is."""
        log.error("entity %s failed; its state stays as it was: %r", self.id, error)
        for message in inbox:
            request = json.loads(message.body)
            if "parent" in request:
                self._reply(request, {"isError": True, "result": json.dumps(str(error))})

    def _ask(self, state: str | None, requests: list[dict[str, Any]]) -> dict[str, Any]:
        _, name, key = self.id.split("@", 2)
        function = self._functions.entities.get(name)
        if function is None:
            raise unknown_function(name, "entity")
        batch = [{"name": each["op"], "input": each["input"], "isSignal": each["signal"]} for each in requests]
        context = {"self": {"name": name, "key": key}, "exists": state is not None, "state": state, "batch": batch}
        after: dict[str, Any] = json.loads(function(json.dumps(context)))
        if len(after["results"]) != len(requests):
            raise ValueError(f"{len(after['results'])} results for {len(requests)} operations")
        return after

    def _reply(self, request: dict[str, Any], result: dict[str, Any]) -> None:
        response = {"result": result["result"]} | ({"exceptionType": "Error"} if result["isError"] else {})
        raised = {"EventType": int(EventType.EVENT_RAISED), "Name": request["id"], "Input": json.dumps(response)}
        self._store.enqueue([event_message(request["parent"], raised, execution=request["parentExecution"])])


class OneAtATime(Exception):
    """A turn has to take one message only; it has written nothing yet.

    An orchestrator with retries may go on where the walk over its actions sees no reason to. What it then asks for is
    known at the end of the turn, so that nothing else may take an id meanwhile.
    """


class OrchestrationTurn:
    """One turn of an orchestration."""

    def __init__(self, store: Store, functions: DurableFunctions, instance: Instance, at: str) -> None:
        self.scheduled: list[Activity] = []
        """Activities that the turn has scheduled."""
        self._store = store
        self._functions = functions
        self._instance = instance
        self._at = at
        self._chunks = store.history(instance.id)
        self._events = [self._event(EventType.ORCHESTRATOR_STARTED)]

    def run(self, arrived: list[Event], seq: int, alone: bool) -> None:
        """Run the orchestrator over history and arrivals, and do what it asks for.

        `seq` is that of the first message taken: what is put back comes before all that arrive later. Raises
        OneAtATime where they may not be taken together, unless it is `alone`, one message.
        """
        self._events += [self._event(EventType(event["EventType"])) | event for event in arrived]
        self._instance.updated = self._at
        terminated = [event for event in arrived if event["EventType"] == EventType.EXECUTION_TERMINATED]
        if terminated:
            self._end("Terminated", json.dumps(terminated[0]["Input"]))
        else:
            self._run_function(seq, alone)
        self._store.save_instance(self._instance)

    def give_up(self, error: Exception) -> None:
        """Where the turn cannot be made: fail the instance."""
        self._instance.updated = self._at
        self._fail(str(error) if isinstance(error, OrchestrationError) else repr(error))
        self._store.save_instance(self._instance)

    def _run_function(self, seq: int, alone: bool) -> None:
        self._instance.status = "Running"
        state = self._ask()
        if not alone and retries(*state["actions"]):
            raise OneAtATime
        decisions = self._decide(state)
        self._obey(decisions)
        if (status := state.get("customStatus")) is not None:
            self._instance.custom_status = json.dumps(status)
        if reason := state.get("error"):
            self._fail(f"Orchestrator function '{self._instance.name}' failed: {reason}")
        elif decisions.next_input is not None:
            self._continue_as_new(decisions.next_input, decisions.unprocessed, seq)
        elif state["isDone"]:
            self._end("Completed", json.dumps(state.get("output")))
        else:
            self._append_history()

    def _event(self, kind: EventType, **details: Any) -> Event:
        return {"EventType": int(kind), "EventId": -1, "IsPlayed": False, "Timestamp": self._at, **details}

    def _ask(self) -> dict[str, Any]:
        """Run the orchestrator function; returns the SDK's OrchestratorState."""
        instance = self._instance
        function = self._functions.orchestrators.get(instance.name.casefold())
        if function is None:
            raise unknown_function(instance.name, "orchestrator")
        context = {
            "instanceId": instance.id,
            "isReplaying": bool(self._chunks),
            "parentInstanceId": instance.parent,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            **LIMITS,
        }
        history = ",".join([*self._chunks, join(self._events)])
        payload = f'{json.dumps(context)[:-1]},"input":{instance.input or "null"},"history":[{history}]}}'
        try:
            state: dict[str, Any] = json.loads(function(payload))
        except Exception as error:
            message, separator, attached = str(error).partition(STATE_IN_ERROR)
            if separator:
                return dict(json.loads(attached))
            log.exception("orchestrator %s failed", instance.name)
            return {"actions": [[]], "isDone": False, "error": message or repr(error)}
        return state

    def _decide(self, state: dict[str, Any]) -> Decisions:
        (actions,) = state["actions"]
        decisions = decide(
            chain(split(*self._chunks), self._events), actions, self._instance.id, self._instance.execution
        )
        for event in decisions.scheduled:
            name = event.get("Name", "")
            match event["EventType"]:
                case EventType.TASK_SCHEDULED if (
                    name != HTTP_ACTIVITY and name.casefold() not in self._functions.activities
                ):
                    raise unknown_function(name, "activity")
                case EventType.SUB_ORCHESTRATION_CREATED:
                    if name.casefold() not in self._functions.orchestrators:
                        raise unknown_function(name, "orchestrator")
                    check_instance_id(event["InstanceId"])
        return decisions

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
        self.scheduled.append(self._store.schedule(activity))

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

    def _continue_as_new(self, input: str, unprocessed: list[Event], seq: int) -> None:
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
        message = event_message(instance.id, started, *kept, execution=instance.execution, seq=seq)
        self._store.put_back([message])

    def _fail(self, reason: str) -> None:
        log.error("%s %s: %s", self._instance.name, self._instance.id[:8], reason)
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
