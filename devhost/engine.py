"""Turns: take what is due for one instance, run its function, and leave what follows in the store.

The caller owns the transaction: a turn reads and writes the store and nothing else, so it happens whole or not at
all. Functions are run inside it and may be run again after a crash, but only a committed run has any effect.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Literal

from devhost.orchestration import Decisions, Event, EventType, OrchestrationError, decide
from devhost.store import Activity, Instance, Message, RuntimeStatus, Store

log = logging.getLogger("devhost")

RawFunction = Callable[[str], str]
"""An orchestrator or entity function as the SDK wraps it: JSON in, JSON out."""
ENDED: set[RuntimeStatus] = {"Completed", "Failed", "Terminated"}
STATE_IN_ERROR = "\n\n$OutOfProcData$:"
"""What the SDK puts between the message of a failed orchestrator and the actions that it asked for."""
TIMER_LIMITS = {"maximumShortTimerDuration": "6.00:00:00", "longRunningTimerIntervalDuration": "3.00:00:00"}
"""Longer timers are cut into pieces by the SDK, as for Azure Storage (where the limit is that of a queue message)."""


@dataclass(frozen=True)
class DurableFunctions:
    """The durable functions of an app, by name in lower case: names match in any letter case."""

    orchestrators: Mapping[str, RawFunction] = field(default_factory=dict)
    entities: Mapping[str, RawFunction] = field(default_factory=dict)
    activities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """How an activity ended: its result as JSON, or why it failed."""

    result: str | None = None
    error: str | None = None


def timestamp(moment: datetime) -> str:
    """A moment as the store and the history write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Engine:
    """The task hub at work: what clients ask of it, and the turns that follow."""

    def __init__(self, store: Store, functions: DurableFunctions) -> None:
        self.store = store
        self.functions = functions
        self.scheduled: list[Activity] = []
        """Activities that turns have scheduled; whoever runs activities takes them after the commit."""

    def start(self, name: str, input: str | None, now: datetime, id: str | None = None) -> str:
        """Create a pending instance, in place of an ended one with its id; returns the id. `input` is JSON."""
        id = id or uuid.uuid4().hex
        at = timestamp(now)
        self.store.purge_instance(id)
        instance = Instance(id, uuid.uuid4().hex, name, "Pending", input, None, None, created=at, updated=at)
        self.store.save_instance(instance)
        started: Event = {"EventType": int(EventType.EXECUTION_STARTED), "Name": name, "Version": "", "Input": input}
        self._send(id, started, at, execution=instance.execution)
        return id

    def raise_event(self, id: str, name: str, data: str, now: datetime) -> None:
        """Raise an external event for an instance; `data` is JSON."""
        self._send(id, {"EventType": int(EventType.EVENT_RAISED), "Name": name, "Input": data}, timestamp(now))

    def terminate(self, id: str, reason: str, now: datetime) -> None:
        """Ask an instance to end at its next turn."""
        self._send(id, {"EventType": int(EventType.EXECUTION_TERMINATED), "Input": reason}, timestamp(now))

    def signal(self, entity: str, operation: str, input: str | None, now: datetime) -> None:
        """Send an entity (@name@key) an operation without waiting for its result; `input` is JSON."""
        request = {"op": operation, "id": str(uuid.uuid4()), "input": input, "signal": True}
        self.store.enqueue([Message(entity, json.dumps(request), timestamp(now))])

    def complete(self, activity: Activity, outcome: Outcome, now: datetime) -> None:
        """Hand the outcome of an activity to its instance, once."""
        if not self.store.complete(activity):
            return
        event: Event = {"EventType": int(EventType.TASK_COMPLETED), "TaskScheduledId": activity.task}
        if outcome.error is None:
            event["Result"] = outcome.result
        else:
            reason = f"Activity function '{activity.name}' failed: {outcome.error}"
            event |= {"EventType": int(EventType.TASK_FAILED), "Reason": reason, "Details": outcome.error}
        self._send(activity.instance, event, timestamp(now), activity.execution)

    def turns(self, now: datetime, limit: int = 256) -> int:
        """Take at most `limit` due messages, and run a turn for each of their targets; returns how many it took."""
        at = timestamp(now)
        messages = self.store.due(at, limit)
        self.store.dequeue(messages)
        inboxes: dict[str, list[Message]] = {}
        for message in messages:
            inboxes.setdefault(message.target, []).append(message)
        for target, inbox in inboxes.items():
            if target.startswith("@"):
                self._entity_turn(target, inbox, at)
            else:
                self._orchestration_turn(target, inbox, at)
        return len(messages)

    def _send(
        self, target: str, event: Event, due: str, execution: str | None = None, timer: int | None = None
    ) -> None:
        self.store.enqueue([Message(target, json.dumps(event), due, execution, timer)])

    def _entity_turn(self, id: str, inbox: list[Message], at: str) -> None:
        requests = [json.loads(message.body) for message in inbox]
        state = self.store.entity(id)
        try:
            after = self._run_entity(id, state, requests)
        except Exception as error:
            log.exception("entity %s failed; its state stays as it was", id)
            failed = {"isError": True, "result": json.dumps(str(error))}
            after = {"entityExists": state is not None, "entityState": state, "results": [failed] * len(requests)}
        self.store.save_entity(id, after["entityState"] if after["entityExists"] else None, at)
        for request, result in zip(requests, after["results"], strict=True):
            if result["isError"]:
                log.error("entity %s failed at operation %s: %s", id, request["op"], result["result"])
            if "parent" in request:
                self._reply(request, result, at)

    def _run_entity(self, id: str, state: str | None, requests: list[dict[str, Any]]) -> dict[str, Any]:
        _, name, key = id.split("@", 2)
        function = self.functions.entities.get(name)
        if function is None:
            raise LookupError(f"The function '{name}' doesn't exist, is disabled, or is not an entity function.")
        batch = [{"name": each["op"], "input": each["input"], "isSignal": each["signal"]} for each in requests]
        context = {"self": {"name": name, "key": key}, "exists": state is not None, "state": state, "batch": batch}
        after: dict[str, Any] = json.loads(function(json.dumps(context)))
        if len(after["results"]) != len(requests):
            raise ValueError(f"{len(after['results'])} results for {len(requests)} operations")
        return after

    def _reply(self, request: dict[str, Any], result: dict[str, Any], at: str) -> None:
        response = {"result": result["result"]} | ({"exceptionType": "Error"} if result["isError"] else {})
        raised = {"EventType": int(EventType.EVENT_RAISED), "Name": request["id"], "Input": json.dumps(response)}
        self._send(request["parent"], raised, at, request["parentExecution"])

    def _orchestration_turn(self, id: str, inbox: list[Message], at: str) -> None:
        instance = self.store.instance(id)
        if instance is None or instance.status in ENDED:
            return  # a message that came too late, or for nobody
        arrived = [
            {"EventId": -1, "IsPlayed": False, "Timestamp": at} | json.loads(message.body)
            for message in inbox
            if message.execution in (None, instance.execution)
        ]
        if not arrived:
            return
        turn = _Turn(self, instance, at, arrived)
        turn.run()
        instance.updated = at
        self.store.save_instance(instance)


class _Turn:
    """One turn of an orchestration."""

    def __init__(self, engine: Engine, instance: Instance, at: str, arrived: list[Event]) -> None:
        self._engine = engine
        self._store = engine.store
        self._instance = instance
        self._at = at
        self._chunks = self._store.history(instance.id)
        self._events = [self._event(EventType.ORCHESTRATOR_STARTED), *arrived]

    def run(self) -> None:
        """Run the orchestrator over history and arrivals, and do what it asks for."""
        terminated = [event for event in self._events if event["EventType"] == EventType.EXECUTION_TERMINATED]
        if terminated:
            self._end("Terminated", json.dumps(terminated[0]["Input"]))
        else:
            self._instance.status = "Running"
            try:
                state = self._ask()
                decisions = self._decide(state)
            except Exception as error:  # whatever it is, it fails this instance and no other
                self._fail(str(error) if isinstance(error, OrchestrationError) else repr(error))
            else:
                self._obey(state, decisions)
        for event in self._events:
            event["IsPlayed"] = True
        self._store.append_history(self._instance.id, len(self._chunks), _join(self._events))

    def _event(self, kind: EventType, **details: Any) -> Event:
        return {"EventType": int(kind), "EventId": -1, "IsPlayed": False, "Timestamp": self._at, **details}

    def _ask(self) -> dict[str, Any]:
        """Run the orchestrator function; returns the SDK's OrchestratorState."""
        name = self._instance.name
        function = self._engine.functions.orchestrators.get(name.casefold())
        if function is None:
            raise OrchestrationError(
                f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function."
            )
        context = {
            "instanceId": self._instance.id,
            "isReplaying": bool(self._chunks),
            "parentInstanceId": None,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            **TIMER_LIMITS,
        }
        history = ",".join([*self._chunks, _join(self._events)])
        payload = f'{json.dumps(context)[:-1]},"input":{self._instance.input or "null"},"history":[{history}]}}'
        try:
            state: dict[str, Any] = json.loads(function(payload))
        except Exception as error:
            message, separator, attached = str(error).partition(STATE_IN_ERROR)
            if separator:
                return dict(json.loads(attached))
            log.exception("orchestrator %s failed", name)
            return {"actions": [[]], "isDone": False, "error": message or repr(error)}
        return state

    def _decide(self, state: dict[str, Any]) -> Decisions:
        (actions,) = state["actions"]
        past = json.loads(f"[{','.join(self._chunks)}]")
        decisions = decide(chain(past, self._events), actions, self._instance.execution)
        for event in decisions.scheduled:
            name = event.get("Name", "")
            if event["EventType"] == EventType.TASK_SCHEDULED and (
                name.casefold() not in self._engine.functions.activities
            ):
                raise OrchestrationError(
                    f"The function '{name}' doesn't exist, is disabled, or is not an activity function."
                )
        return decisions

    def _obey(self, state: dict[str, Any], decisions: Decisions) -> None:
        for event in decisions.scheduled:
            self._schedule(event)
        for timer in decisions.cancelled_timers:
            self._store.cancel_timer(self._instance.id, timer)
        self._events.append(self._event(EventType.ORCHESTRATOR_COMPLETED, Actions=decisions.actions))
        if (status := state.get("customStatus")) is not None:
            self._instance.custom_status = json.dumps(status)
        if error := state.get("error"):
            self._fail(f"Orchestrator function '{self._instance.name}' failed: {error}")
        elif state["isDone"]:
            self._end("Completed", json.dumps(state.get("output")))

    def _schedule(self, event: Event) -> None:
        """Record what an action asks for, and send it on its way."""
        instance = self._instance
        self._events.append(self._event(EventType(event["EventType"])) | event)
        match event["EventType"]:
            case EventType.TASK_SCHEDULED:
                activity = Activity(
                    instance.id, instance.execution, event["EventId"], event["Name"], json.loads(event["Input"])
                )
                self._engine.scheduled.append(self._store.schedule(activity))
            case EventType.TIMER_CREATED:
                fired = {"EventType": int(EventType.TIMER_FIRED), "TimerId": event["EventId"]}
                fired["FireAt"] = event["FireAt"]
                self._engine._send(instance.id, fired, event["FireAt"], instance.execution, event["EventId"])
            case EventType.EVENT_SENT:
                request = json.loads(event["Input"])
                if not request["signal"]:
                    request |= {"parent": instance.id, "parentExecution": instance.execution}
                self._store.enqueue([Message(event["InstanceId"], json.dumps(request), self._at)])

    def _fail(self, reason: str) -> None:
        log.error("%s %s: %s", self._instance.name, self._instance.id[:8], reason)
        self._end("Failed", json.dumps(reason))

    def _end(self, status: Literal["Completed", "Failed", "Terminated"], output: str) -> None:
        self._instance.status, self._instance.output = status, output
        self._events.append(self._event(EventType.EXECUTION_COMPLETED, OrchestrationStatus=status, Result=output))
        self._store.discard_work(self._instance.id)


def _join(events: list[Event]) -> str:
    return ",".join(map(json.dumps, events))
