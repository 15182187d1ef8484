"""The engine: what clients ask of the task hub, and the work items that follow.

An item is taken, executed, and completed or abandoned, as the Durable Task Framework has it. The
caller owns the transaction in which items are taken or completed; they are executed outside of it.
"""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from devhost.engine.entities import EntityItem
from devhost.engine.failure_details import Cause
from devhost.engine.orchestrations import OrchestrationItem
from devhost.engine.turns import begin
from devhost.engine.work_items import (
    ENDED,
    Decision,
    DurableFunctions,
    WorkItem,
    event_message,
    is_entity,
)
from devhost.functions.errors import WorkerExit
from devhost.replay.json_text import decoded, rewritten
from devhost.replay.protocol import Event, EventType, join, split, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.rows import NEVER, Activity, Instance, Message
from devhost.storage.store import Store, StoreError

MOST_TAKEN = 1000
MOST_LOCKED = 10_000
"""Targets whose items are slow; until some of these are done nothing more is taken (a statement
names them all).
"""
LONGEST_PAUSE = 60.0
"""Seconds until an item is tried again whose function ends its worker; the first pause is one
second.
"""
NO_XML = re.compile("[\ufffe\uffff]")
"""Characters that XML cannot have, and JSON does not escape."""
REWOUND = {
    EventType.EXECUTION_COMPLETED,
    EventType.TASK_FAILED,
    EventType.SUB_ORCHESTRATION_FAILED,
}
"""What a rewind takes back from the history of a failed instance."""


class Unsendable(Exception):
    """A message cannot be sent: Azure Storage keeps messages as XML, unless host.json has them
    encoded as Base64.
    """

    def __init__(self) -> None:
        super().__init__("An error occurred while communicating with Azure Storage")


@dataclass(frozen=True)
class Outcome:
    """How an activity ended: its result as JSON, or why it failed."""

    result: str | None = None
    cause: Cause | None = None


class Engine:
    """The task hub at work."""

    def __init__(
        self, store: Store, functions: DurableFunctions, config: HostJson = DEFAULTS
    ) -> None:
        self.store = store
        self.functions = functions
        self.config = config
        self._locked: dict[str, str] = {}
        """Targets of which nothing is taken until then."""
        self._tries: dict[str, int] = {}
        """How often in a row a target's item was to be tried again."""

    def start(
        self, name: str, input: str | None, now: datetime, id: str | None = None, version: str = ""
    ) -> str:
        """Create a pending instance, in place of an ended one with its id; returns the id. `input`
        is JSON.

        Without a version it is that of host.json.
        """
        id, at = id or uuid.uuid4().hex, timestamp(now)
        given = None if input is None else rewritten(input)
        instance = Instance(
            id, uuid.uuid4().hex, name, "Pending", given, None, None, created=at, updated=at
        )
        begin(self.store, instance, version or self.config.default_version)
        return id

    def raise_event(self, id: str, name: str, data: str) -> None:
        """Raise an external event for an instance; `data` is JSON. Raises Unsendable."""
        data = rewritten(data)
        self._check_sendable(decoded(data))
        self._send(id, {"EventType": int(EventType.EVENT_RAISED), "Name": name, "Input": data})

    def terminate(self, id: str, reason: str | None) -> None:
        """Ask an instance to end at its next turn. Raises Unsendable."""
        self._check_sendable(reason)
        self._send(id, {"EventType": int(EventType.EXECUTION_TERMINATED), "Input": reason})

    def suspend(self, id: str, reason: str | None) -> None:
        """Ask an instance to take nothing until it is resumed or terminated. Raises Unsendable."""
        self._check_sendable(reason)
        self._send(id, {"EventType": int(EventType.EXECUTION_SUSPENDED), "Reason": reason})

    def resume(self, id: str, reason: str | None) -> None:
        """Let a suspended instance take what has come meanwhile. Raises Unsendable."""
        self._check_sendable(reason)
        self._send(id, {"EventType": int(EventType.EXECUTION_RESUMED), "Reason": reason})

    def rewind(self, id: str, reason: str, now: datetime) -> None:
        """Take the failures of a failed instance back, its sub-orchestrations' too, and let it go
        on from there.
        """
        instance = self.store.instance(id)
        if instance is None or instance.status != "Failed":
            return
        history = split(*self.store.history(id))
        again = {
            event["TaskScheduledId"]
            for event in history
            if event["EventType"] == EventType.TASK_FAILED
        }
        children = {
            event["TaskScheduledId"]
            for event in history
            if event["EventType"] == EventType.SUB_ORCHESTRATION_FAILED
        }
        for event in history:
            kind = EventType(event["EventType"])
            if kind in REWOUND or (kind == EventType.TASK_SCHEDULED and event["EventId"] in again):
                kept = {name: event[name] for name in ("EventId", "IsPlayed", "Timestamp")}
                event.clear()
                event |= kept | {
                    "EventType": int(EventType.GENERIC),
                    "Data": f"Rewound: {kind.name}",
                }
            elif kind == EventType.SUB_ORCHESTRATION_CREATED and event["EventId"] in children:
                self.rewind(event["InstanceId"], reason, now)
        self.store.delete_history(id)
        self.store.append_history(id, 0, join(history))
        instance.status, instance.updated = "Pending", timestamp(now)
        self.store.save_instance(instance)
        if not children:
            self._send(id, {"EventType": int(EventType.GENERIC), "Data": reason})

    def signal(self, entity: str, operation: str, input: str | None) -> None:
        """Send an entity (@name@key) an operation without waiting for its result; `input` is JSON.

        Raises Unsendable.
        """
        if input is not None:
            input = rewritten(input)
            self._check_sendable(decoded(input))
        request = {"op": operation, "id": str(uuid.uuid4()), "input": input, "signal": True}
        self.store.enqueue([Message(entity, json.dumps(request))])

    def complete_activity(self, activity: Activity, outcome: Outcome) -> None:
        """Hand the outcome of an activity to its instance, once."""
        if not self.store.complete(activity):
            return
        event: Event = {
            "EventType": int(EventType.TASK_COMPLETED),
            "TaskScheduledId": activity.task,
        }
        if (cause := outcome.cause) is None:
            event["Result"] = outcome.result
        else:
            event |= {
                "EventType": int(EventType.TASK_FAILED),
                "Reason": cause.reason,
                "Details": cause.details,
            }
        self._send(activity.instance, event, activity.execution)

    def take(self, now: datetime, limit: int = MOST_TAKEN) -> list[WorkItem]:
        """Take at most `limit` due messages; returns the work items that they make, one for a
        target.

        A target is locked from then on, until its item is completed or abandoned. The messages stay
        in the store, so that a kill loses none.
        """
        at = timestamp(now)
        self._locked = {target: until for target, until in self._locked.items() if until > at}
        if not self._takes_more():
            return []
        inboxes: dict[str, list[Message]] = {}
        for message in self.store.due(at, limit, self._locked):
            inboxes.setdefault(message.target, []).append(message)
        items = [
            item
            for target, inbox in inboxes.items()
            if (item := self._item(target, inbox, at)) is not None
        ]
        self._locked |= dict.fromkeys((item.target for item in items), NEVER)
        return items

    def execute(self, item: WorkItem) -> Decision | None:
        """Run the function of a work item, whatever it raises; touches no store, and may take long."""
        try:
            return item.execute()
        except Exception as error:
            return item.failure(error)
        except BaseException as error:
            return item.exit(WorkerExit(error))

    def complete(self, item: WorkItem, decision: Decision | None, now: datetime) -> list[Activity]:
        """Write what was decided; returns the activities that it schedules.

        A decision that cannot be written, whatever the reason, fails its instance and no other;
        only what concerns the file of the store is raised, and then nothing of the transaction
        should be kept. Nothing is written of what was purged meanwhile.
        """
        if decision is None:
            tries = self._tries[item.target] = self._tries.get(item.target, 0) + 1
            pause = timedelta(seconds=min(2.0 ** (tries - 1), LONGEST_PAUSE))
            self.abandon(item, timestamp(now + pause))
            return []
        self._tries.pop(item.target, None)
        self.abandon(item)
        try:
            with self.store.savepoint():
                return self._apply(decision)
        except StoreError:
            raise
        except Exception as error:
            return self._apply(item.failure(error))

    def abandon(self, item: WorkItem, until: str = "") -> None:
        """Unlock the target, at once or at a time to come: the messages of the item can be taken
        again.
        """
        if until:
            self._locked[item.target] = until
        else:
            self._locked.pop(item.target, None)

    def next_due(self) -> str | None:
        """When there is something to take (empty: at once), or None for nothing."""
        free = self.store.next_due(self._locked) if self._takes_more() else None
        dues = [until for until in self._locked.values() if until < NEVER]
        return min(dues if free is None else [free, *dues], default=None)

    def _takes_more(self) -> bool:
        return bool(self.functions) and len(self._locked) < MOST_LOCKED

    def _item(self, target: str, inbox: list[Message], at: str) -> WorkItem | None:
        """The work item of an inbox; None where nothing of it is for anybody, and it is dropped."""
        if is_entity(target):
            return EntityItem(
                target, inbox, at, self.functions, self.config, self.store.entity(target)
            )
        instance = self.store.instance(target)
        if instance is None or instance.status in ENDED:
            self.store.dequeue(inbox)  # too late, or for nobody
            return None
        late = [message for message in inbox if message.execution not in (None, instance.execution)]
        self.store.dequeue(late)
        inbox = [message for message in inbox if message not in late]
        if not inbox:
            return None
        history = self.store.history(target)
        return OrchestrationItem(target, inbox, at, self.functions, self.config, instance, history)

    def _check_sendable(self, text: str | None) -> None:
        if text and self.config.message_encoding == "UTF8" and NO_XML.search(text):
            raise Unsendable

    def _apply(self, decision: Decision) -> list[Activity]:
        return decision.apply(self.store) if self.store.dequeue(decision.taken) else []

    def _send(self, target: str, event: Event, execution: str | None = None) -> None:
        self.store.enqueue([event_message(target, event, execution=execution)])
