"""The Durable client: what clients ask of the task hub. The caller owns the transaction."""

import json
import re
import uuid
from collections.abc import Iterable
from datetime import datetime

from devhost.engine.instances import create_instance
from devhost.engine.messages import event_message
from devhost.functions.durable import DurableFunctions
from devhost.replay.json_text import decoded, rewritten
from devhost.replay.protocol import Event, EventType, join, split, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.rows import Instance, Message
from devhost.storage.store import Store

NOT_IN_XML = re.compile("[\ufffe\uffff]")
"""Characters that XML cannot have and JSON does not escape."""
REWOUND = {
    EventType.EXECUTION_COMPLETED,
    EventType.TASK_FAILED,
    EventType.SUB_ORCHESTRATION_FAILED,
}
"""What a rewind takes out of the history of a failed instance."""


class Unsendable(Exception):
    """Azure Storage does not take the message.

    It keeps messages as XML, unless host.json has them encoded as Base64.
    """

    def __init__(self) -> None:
        super().__init__("An error occurred while communicating with Azure Storage")


class DurableClient:
    """Starts instances, and sends messages to instances and entities."""

    def __init__(
        self, store: Store, functions: DurableFunctions, config: HostJson = DEFAULTS
    ) -> None:
        self.store = store
        self.functions = functions
        self.config = config

    def start(
        self, name: str, input: str | None, now: datetime, id: str | None = None, version: str = ""
    ) -> str:
        """Create a pending instance, in place of an ended one with its id. Returns the id.

        `input` is JSON. The default version is that of host.json.
        """
        id = id or uuid.uuid4().hex
        at = timestamp(now)
        instance = Instance(
            id=id,
            execution=uuid.uuid4().hex,
            name=name,
            status="Pending",
            input=None if input is None else rewritten(input),
            output=None,
            custom_status=None,
            created=at,
            updated=at,
        )
        create_instance(self.store, instance, version or self.config.default_version)
        return id

    def raise_event(self, id: str, name: str, data: str) -> None:
        """Raise an external event for an instance. `data` is JSON. Raises Unsendable."""
        data = rewritten(data)
        self._check_sendable(decoded(data))
        self._send(id, EventType.EVENT_RAISED, Name=name, Input=data)

    def terminate(self, id: str, reason: str | None) -> None:
        """Ask an instance to end at its next turn. Raises Unsendable."""
        self._check_sendable(reason)
        self._send(id, EventType.EXECUTION_TERMINATED, Input=reason)

    def suspend(self, id: str, reason: str | None) -> None:
        """Ask an instance to take nothing until it is resumed or terminated. Raises Unsendable."""
        self._check_sendable(reason)
        self._send(id, EventType.EXECUTION_SUSPENDED, Reason=reason)

    def resume(self, id: str, reason: str | None) -> None:
        """Let a suspended instance take what has come for it. Raises Unsendable."""
        self._check_sendable(reason)
        self._send(id, EventType.EXECUTION_RESUMED, Reason=reason)

    def rewind(self, id: str, reason: str, now: datetime) -> None:
        """Take the failures out of a failed instance's history, so that it tries again.

        The same happens to its sub-orchestrations that failed. Other instances stay as they are.
        """
        instance = self.store.instance(id)
        if instance is None or instance.status != "Failed":
            return

        history = split(*self.store.history(id))
        failed_activities = _failed_tasks(history, EventType.TASK_FAILED)
        failed_children = _failed_tasks(history, EventType.SUB_ORCHESTRATION_FAILED)
        for event in history:
            kind = EventType(event["EventType"])
            is_failed_activity = (
                kind == EventType.TASK_SCHEDULED and event["EventId"] in failed_activities
            )
            is_failed_child = (
                kind == EventType.SUB_ORCHESTRATION_CREATED and event["EventId"] in failed_children
            )
            if kind in REWOUND or is_failed_activity:
                _blank(event)
            elif is_failed_child:
                self.rewind(event["InstanceId"], reason, now)

        self.store.delete_history(id)
        self.store.append_history(id, 0, join(history))
        instance.status = "Pending"
        instance.updated = timestamp(now)
        self.store.save_instance(instance)
        if not failed_children:
            self._send(id, EventType.GENERIC, Data=reason)

    def signal(self, entity: str, operation: str, input: str | None) -> None:
        """Send an entity (@name@key) an operation without waiting for its result.

        `input` is JSON. Raises Unsendable.
        """
        if input is not None:
            input = rewritten(input)
            self._check_sendable(decoded(input))
        request = {"op": operation, "id": str(uuid.uuid4()), "input": input, "signal": True}
        self.store.enqueue([Message(entity, json.dumps(request))])

    def _check_sendable(self, text: str | None) -> None:
        if text and self.config.message_encoding == "UTF8" and NOT_IN_XML.search(text):
            raise Unsendable

    def _send(self, id: str, kind: EventType, **details: object) -> None:
        event: Event = {"EventType": int(kind), **details}
        self.store.enqueue([event_message(id, event)])


def _failed_tasks(history: Iterable[Event], kind: EventType) -> set[int]:
    return {event["TaskScheduledId"] for event in history if event["EventType"] == kind}


def _blank(event: Event) -> None:
    """Leave only a note of an event."""
    name = EventType(event["EventType"]).name
    kept = {member: event[member] for member in ("EventId", "IsPlayed", "Timestamp")}
    event.clear()
    event |= kept | {"EventType": int(EventType.GENERIC), "Data": f"Rewound: {name}"}
