"""Suspending and resuming of instances."""

import json
from dataclasses import dataclass, replace

from devhost.engine.decisions import Decision
from devhost.engine.instances import new_event
from devhost.replay.protocol import EventType, join, split
from devhost.storage.rows import NEVER, Activity, Instance, Message, RuntimeStatus
from devhost.storage.store import Store

STATUSES: dict[EventType, RuntimeStatus] = {
    EventType.EXECUTION_SUSPENDED: "Suspended",
    EventType.EXECUTION_RESUMED: "Running",
}
"""The status that each event gives an instance."""


@dataclass(frozen=True)
class Suspension(Decision):
    """Suspends or resumes an instance. Its other messages wait, and keep their order."""

    taken: list[Message]
    instance: Instance
    at: str

    def apply(self, store: Store) -> list[Activity]:
        instance = replace(self.instance, updated=self.at)
        for message in self.taken:
            self._take(store, instance, message)

        if instance.status != "Suspended":
            store.release(instance.id)
        store.save_instance(instance)
        return []

    def _take(self, store: Store, instance: Instance, message: Message) -> None:
        """Let one message have its effect on the instance, or put it back."""
        event = split(message.body)[0]
        kind = EventType(event["EventType"])
        if kind not in STATUSES:
            store.put_back([replace(message, due=NEVER)])
            return

        # Until the instance ends, its output is the reason.
        reason = event["Reason"]
        instance.status = STATUSES[kind]
        instance.output = json.dumps(reason)

        page = join([new_event(kind, self.at, Reason=reason)])
        store.append_history(instance.id, len(store.history(instance.id)), page)
