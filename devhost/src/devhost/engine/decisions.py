"""Work items, which workers execute, and decisions, which follow from that.

A work item is executed outside of any transaction, in any thread, and as often as necessary. Only
its decision is written, in one transaction, when the item is completed.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from devhost.functions.durable import DurableFunctions
from devhost.functions.errors import WorkerExit
from devhost.settings.files import HostJson
from devhost.storage.rows import Activity, Message
from devhost.storage.store import Store


class Decision(ABC):
    """What follows from the execution of a work item."""

    taken: list[Message]
    """The messages that it has dealt with."""

    @abstractmethod
    def apply(self, store: Store) -> list[Activity]:
        """Write the decision, in the caller's transaction. Returns the activities it schedules."""


@dataclass(frozen=True)
class WorkItem(ABC):
    """The due messages of one instance or entity, and all that is needed to act on them."""

    target: str
    inbox: list[Message]
    at: str
    """When the messages were taken."""
    functions: DurableFunctions
    config: HostJson

    @property
    @abstractmethod
    def function(self) -> str:
        """The name of the function that is executed, different for each function."""

    @abstractmethod
    def execute(self) -> Decision | None:
        """Run the function. Raises whatever the function raises.

        None means that the item should be executed again later.
        """

    @abstractmethod
    def failure(self, error: Exception) -> Decision:
        """What follows if it cannot be executed, or if its decision cannot be written."""

    @abstractmethod
    def exit(self, error: WorkerExit) -> Decision | None:
        """What follows if the function ends its worker, as in `execute`."""
