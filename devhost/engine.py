"""The engine: what clients ask of the task hub, and the turns that follow. The caller owns the transaction."""

import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from devhost.causes import Cause
from devhost.protocol import Event, EventType, join, split, timestamp
from devhost.store import NEVER, Activity, Instance, Message, Store, concerns_the_file
from devhost.turns import ENDED, DurableFunctions, EntityTurn, OneAtATime, OrchestrationTurn, begin, event_message

DEFAULT_HUB = "devhost"
CONTROL = {EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED}
REWOUND = {
    EventType.EXECUTION_COMPLETED,
    EventType.TASK_FAILED,
    EventType.SUB_ORCHESTRATION_FAILED,
}
"""What a rewind takes back from the history of a failed instance."""


@dataclass(frozen=True)
class Outcome:
    """How an activity ended: its result as JSON, or why it failed."""

    result: str | None = None
    cause: Cause | None = None


class Engine:
    """The task hub at work."""

    def __init__(self, store: Store, functions: DurableFunctions, hub: str = DEFAULT_HUB) -> None:
        self.store = store
        self.functions = functions
        self.hub = hub
        """The name of the task hub, for the URLs that are shown."""
        self.scheduled: list[Activity] = []
        """Activities that turns have scheduled; whoever runs activities takes them after the commit."""

    def start(self, name: str, input: str | None, now: datetime, id: str | None = None, version: str = "") -> str:
        """Create a pending instance, in place of an ended one with its id; returns the id. `input` is JSON."""
        id, at = id or uuid.uuid4().hex, timestamp(now)
        instance = Instance(id, uuid.uuid4().hex, name, "Pending", input, None, None, created=at, updated=at)
        begin(self.store, instance, version)
        return id

    def raise_event(self, id: str, name: str, data: str) -> None:
        """Raise an external event for an instance; `data` is JSON."""
        self._send(id, {"EventType": int(EventType.EVENT_RAISED), "Name": name, "Input": data})

    def terminate(self, id: str, reason: str) -> None:
        """Ask an instance to end at its next turn."""
        self._send(id, {"EventType": int(EventType.EXECUTION_TERMINATED), "Input": reason})

    def suspend(self, id: str, reason: str) -> None:
        """Ask an instance to take nothing until it is resumed or terminated."""
        self._send(id, {"EventType": int(EventType.EXECUTION_SUSPENDED), "Reason": reason})

    def resume(self, id: str, reason: str) -> None:
        """Let a suspended instance take what has come meanwhile."""
        self._send(id, {"EventType": int(EventType.EXECUTION_RESUMED), "Reason": reason})

    def rewind(self, id: str, reason: str, now: datetime) -> None:
        """Take the failures of a failed instance back, its sub-orchestrations' too, and let it go on from there."""
        instance = self.store.instance(id)
        if instance is None or instance.status != "Failed":
            return
        history = split(*self.store.history(id))
        again = {event["TaskScheduledId"] for event in history if event["EventType"] == EventType.TASK_FAILED}
        children = {
            event["TaskScheduledId"] for event in history if event["EventType"] == EventType.SUB_ORCHESTRATION_FAILED
        }
        for event in history:
            kind = EventType(event["EventType"])
            if kind in REWOUND or (kind == EventType.TASK_SCHEDULED and event["EventId"] in again):
                kept = {name: event[name] for name in ("EventId", "IsPlayed", "Timestamp")}
                event.clear()
                event |= kept | {"EventType": int(EventType.GENERIC), "Data": f"Rewound: {kind.name}"}
            elif kind == EventType.SUB_ORCHESTRATION_CREATED and event["EventId"] in children:
                self.rewind(event["InstanceId"], reason, now)
        self.store.delete_history(id)
        self.store.append_history(id, 0, join(history))
        instance.status, instance.output, instance.updated = "Pending", None, timestamp(now)
        self.store.save_instance(instance)
        if not children:
            self._send(id, {"EventType": int(EventType.GENERIC), "Data": reason})

    def signal(self, entity: str, operation: str, input: str | None) -> None:
        """Send an entity (@name@key) an operation without waiting for its result; `input` is JSON."""
        request = {"op": operation, "id": str(uuid.uuid4()), "input": input, "signal": True}
        self.store.enqueue([Message(entity, json.dumps(request))])

    def complete(self, activity: Activity, outcome: Outcome) -> None:
        """Hand the outcome of an activity to its instance, once."""
        if not self.store.complete(activity):
            return
        event: Event = {"EventType": int(EventType.TASK_COMPLETED), "TaskScheduledId": activity.task}
        if (cause := outcome.cause) is None:
            event["Result"] = outcome.result
        else:
            event |= {"EventType": int(EventType.TASK_FAILED), "Reason": cause.reason, "Details": cause.details}
        self._send(activity.instance, event, activity.execution)

    def turns(self, now: datetime, limit: int = 8) -> int:
        """Take at most `limit` due messages, and run a turn for each of their targets; returns how many it took.

        A turn that cannot be made, whatever the reason, fails its instance and no other; only what concerns the file
        of the store is raised, and then nothing of the transaction should be kept.
        """
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

    def _send(self, target: str, event: Event, execution: str | None = None) -> None:
        self.store.enqueue([event_message(target, event, execution=execution)])

    def _entity_turn(self, id: str, inbox: list[Message], at: str) -> None:
        turn = EntityTurn(self.store, self.functions, id, at)
        try:
            with self.store.savepoint():
                self._commit(turn, inbox, turn.judge(inbox), at)
        except Exception as error:
            if concerns_the_file(error):
                raise
            turn.give_up(inbox, error)

    def _commit(self, turn: EntityTurn, inbox: list[Message], state: str | None, at: str) -> None:
        """Commit a batch of an entity that was judged."""
        turn.commit(state)

    def _orchestration_turn(self, id: str, inbox: list[Message], at: str) -> None:
        instance = self.store.instance(id)
        if instance is None or instance.status in ENDED:
            return  # a message that came too late, or for nobody
        inbox = [message for message in inbox if message.execution in (None, instance.execution)]
        if not inbox:
            return
        arrived = split(*(message.body for message in inbox))
        kinds = [event["EventType"] for event in arrived]
        if EventType.EXECUTION_TERMINATED not in kinds and (
            instance.status == "Suspended" or CONTROL.intersection(kinds)
        ):
            self._control(instance, inbox, at)
            return
        turn = OrchestrationTurn(self.store, self.functions, replace(instance), at)
        try:
            with self.store.savepoint():
                turn.run(arrived, inbox[0].seq, alone=len(inbox) == 1)
            self.scheduled += turn.scheduled
        except OneAtATime:
            self.store.put_back(inbox[1:])
            self._orchestration_turn(id, inbox[:1], at)
        except Exception as error:
            if concerns_the_file(error):
                raise
            OrchestrationTurn(self.store, self.functions, instance, at).give_up(error)

    def _control(self, instance: Instance, inbox: list[Message], at: str) -> None:
        """Suspend or resume an instance; what else has come for it waits, and keeps its order."""
        for message in inbox:
            (event,) = split(message.body)[:1]
            match event["EventType"]:
                case EventType.EXECUTION_SUSPENDED:
                    instance.status = "Suspended"
                case EventType.EXECUTION_RESUMED:
                    instance.status = "Running"
                case _:
                    message.due = NEVER
                    self.store.put_back([message])
        if instance.status != "Suspended":
            self.store.release(instance.id)
        instance.updated = at
        self.store.save_instance(instance)
