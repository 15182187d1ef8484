"""Work items: what one target has taken from its inbox, and all that is needed to execute it away
from the store.

An item is executed outside of any transaction, in any thread, and as often as need be: only what is
decided is written, in one transaction, when the item is completed.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from devhost.functions.errors import WorkerExit
from devhost.replay.protocol import Event, EventType, OrchestrationError, join
from devhost.settings.files import HostJson
from devhost.storage.rows import Activity, Message, RuntimeStatus
from devhost.storage.store import Store

RawFunction = Callable[[str], str]
"""An orchestrator or entity function as the SDK wraps it: JSON in, JSON out."""
ENDED: set[RuntimeStatus] = {"Completed", "Failed", "Terminated"}


@dataclass(frozen=True)
class DurableFunctions:
    """The durable functions of an app, by name in lower case: names match in any letter case."""

    orchestrators: Mapping[str, RawFunction] = field(default_factory=dict)
    entities: Mapping[str, RawFunction] = field(default_factory=dict)
    activities: frozenset[str] = frozenset()
    names: Mapping[str, Collection[str]] = field(default_factory=dict)
    """As the app spells them, by kind: orchestrator, entity, activity."""

    def __bool__(self) -> bool:
        """Whether there are any; without one the real host leaves the task hub alone."""
        return bool(self.orchestrators or self.entities or self.activities)

    def unknown(self, name: str, kind: str) -> OrchestrationError:
        """What is raised for a function that the app does not have, in the words of the real host."""
        known = ", ".join(f"'{each}'" for each in sorted(self.names.get(kind, ())))
        return OrchestrationError(
            f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function. Additional info: "
            + (
                f"The following are the known {kind} functions: {known}."
                if known
                else f"There is no {kind} function."
            )
        )


class Decision(ABC):
    """What follows from the execution of a work item."""

    taken: list[Message]
    """The messages that it has dealt with."""

    @abstractmethod
    def apply(self, store: Store) -> list[Activity]:
        """Write it, inside the caller's transaction; returns the activities that it schedules."""


@dataclass(frozen=True)
class WorkItem(ABC):
    """The due messages of one target."""

    target: str
    inbox: list[Message]
    at: str
    """When they were taken."""
    functions: DurableFunctions
    config: HostJson

    @property
    @abstractmethod
    def function(self) -> str:
        """What is executed, to tell functions apart."""

    @abstractmethod
    def execute(self) -> Decision | None:
        """Run the function; None where the item is to be tried again. Raises whatever the function
        raises.
        """

    @abstractmethod
    def failure(self, error: Exception) -> Decision:
        """What follows where it cannot be executed, or what was decided cannot be written."""

    @abstractmethod
    def exit(self, error: WorkerExit) -> Decision | None:
        """What follows where the function ends its worker; None where the item is to be tried
        again.
        """


def is_entity(target: str) -> bool:
    """Whether a target is an entity, @name@key; an instance may have any other id, even one that
    begins like that.
    """
    return target.startswith("@") and target.count("@") > 1


def event_message(
    target: str,
    *events: Event,
    due: str = "",
    execution: str | None = None,
    timer: int | None = None,
    seq: int = 0,
) -> Message:
    """A message of history events for an instance."""
    return Message(target, join(events), due, execution, timer, seq)


def reply_message(request: Event, result: Event) -> Message:
    """The answer of an entity to the instance that called it."""
    response = {"result": result["result"]} | (
        {"exceptionType": "Error"} if result["isError"] else {}
    )
    raised = {
        "EventType": int(EventType.EVENT_RAISED),
        "Name": request["id"],
        "Input": json.dumps(response),
    }
    return event_message(request["parent"], raised, execution=request["parentExecution"])


def short(id: str) -> str:
    """An instance or entity as logs may name it: by the first eight characters of its id or key."""
    name, separator, key = id.rpartition("@")
    return one_line(f"{name}{separator}{key[:8]}")


def one_line(text: str) -> str:
    """A text of a client as logs may have it: what is not printable is escaped, so that none forges
    a line.
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
