"""Instances: how they begin, and the events that their turns write."""

from typing import Any

from devhost.engine.messages import event_message
from devhost.replay.protocol import Event, EventType
from devhost.storage.rows import Instance
from devhost.storage.store import Store


def create_instance(store: Store, instance: Instance, version: str | None) -> None:
    """Save a pending instance, in place of one with its id, and send its ExecutionStarted."""
    store.purge(instance.id)
    store.save_instance(instance)
    started = started_event(instance, version)
    store.enqueue([event_message(instance.id, started, execution=instance.execution)])


def started_event(instance: Instance, version: str | None) -> Event:
    """The event that an execution begins with."""
    return {
        "EventType": int(EventType.EXECUTION_STARTED),
        "Name": instance.name,
        "Version": version,
        "Input": instance.input,
    }


def new_event(kind: EventType, at: str, **details: Any) -> Event:
    """An event of the current turn."""
    return {"EventType": int(kind), "EventId": -1, "IsPlayed": False, "Timestamp": at, **details}
