"""What the task hub holds: instances, entities, messages and activities.

Moments are text like 2026-12-24T18:00:00.000000Z, which sorts as it reads. Payloads are JSON.
"""

from dataclasses import dataclass
from typing import Literal

RuntimeStatus = Literal["Pending", "Running", "Completed", "Failed", "Terminated", "Suspended"]

ENDED: set[RuntimeStatus] = {"Completed", "Failed", "Terminated"}
NEVER = "9999-12-31T23:59:59.999999Z"
"""The due time of what waits for a suspended instance."""


@dataclass(slots=True)
class Instance:
    """An orchestration instance, with everything that a status query shows."""

    id: str
    execution: str
    """A new one for each start and each continue-as-new."""
    name: str
    status: RuntimeStatus
    input: str | None
    output: str | None
    custom_status: str | None
    created: str
    updated: str
    parent: str | None = None
    """The instance that started this one as its sub-orchestration."""
    parent_execution: str | None = None
    parent_task: int | None = None


@dataclass(slots=True)
class Entity:
    """An entity that exists."""

    id: str
    """@name@key, with the name in lower case."""
    state: str
    updated: str


@dataclass(slots=True)
class Message:
    """Something that an instance or an entity has yet to take."""

    target: str
    """The id of the instance or entity."""
    body: str
    """Comma-separated history events for an instance, a request for an entity."""
    due: str = ""
    """When it can be taken; empty means at once."""
    execution: str | None = None
    """The only execution that may take it; None means any."""
    timer: int | None = None
    """The id of the timer that it fires, so that the timer can be cancelled."""
    seq: int = 0
    """The order of arrival, given by the store."""


@dataclass(slots=True)
class Activity:
    """A scheduled run of an activity function."""

    instance: str
    execution: str
    task: int
    name: str
    input: str | None
    seq: int = 0
    """Given by the store."""


@dataclass(frozen=True)
class Query:
    """Selects instances or entities, in the order of their ids."""

    prefix: str = ""
    """What the ids begin with."""
    created_from: str = ""
    """The earliest creation time, included. For entities: of the last change."""
    created_to: str = "~"
    """The latest creation time, included; the default sorts after every moment."""
    statuses: tuple[str, ...] = ()
    """The runtime statuses to select; none selects all. Entities have no status."""
    first: str = ""
    """The id to start at."""
    limit: int = 100


def is_entity(target: str) -> bool:
    """Whether an id is an entity's: @name@key. Instances may have any other id, even @name."""
    return target.startswith("@") and target.count("@") > 1
