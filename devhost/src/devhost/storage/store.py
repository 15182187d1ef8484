"""The contract of a task hub's store, and its errors.

Writes belong inside `transaction()`, which commits all of them or none. A method that finds
nothing returns None or an empty list. Every method may raise StoreError, and every write RowError.
A store is used by one thread.
"""

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from devhost.storage.rows import Activity, Entity, Instance, Message, Query


class StoreError(Exception):
    """The task hub cannot be read or written. Nothing of the transaction is kept."""


class RowError(Exception):
    """The store refuses one row, such as a second one with its key. Everything else can be kept."""


class Store(Protocol):
    """A task hub: what the engine, the host and the management API need of it."""

    # The store as a whole

    def close(self) -> None:
        """Close the store. Everything that was committed stays."""

    def check_file(self) -> None:
        """Raise StoreError if the file was deleted or replaced: writes would be lost."""

    def reclaim_space(self) -> None:
        """Give some of the space of deleted rows back to the file system."""

    # Transactions

    def transaction(self) -> AbstractContextManager[None]:
        """Commit everything that the block writes, or nothing if it raises."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Within a transaction: undo what the block writes if it raises, and keep the rest."""

    def rolled_back(self) -> AbstractContextManager[None]:
        """Within a transaction: undo what the block writes, whether it raises or not."""

    # Instances and their histories

    def instance(self, id: str) -> Instance | None:
        """The orchestration instance with this id."""

    def instances(self, query: Query) -> list[Instance]:
        """The orchestration instances that match, by id."""

    def save_instance(self, instance: Instance) -> None:
        """Insert the instance, or replace the one with its id."""

    def history(self, id: str) -> list[str]:
        """The history of an instance, a page for each turn, oldest first.

        A page is comma-separated JSON objects.
        """

    def append_history(self, id: str, turn: int, events: str) -> None:
        """Add the page of a turn. Turns count from 0. Raises RowError if the turn has one."""

    def delete_history(self, id: str) -> None:
        """Delete all pages of an instance."""

    def discard_work(self, id: str, execution: str | None = None) -> None:
        """Delete the messages, timers and activities that an instance has not dealt with.

        With an execution, messages for any execution (external events) stay.
        """

    def purge(self, id: str) -> None:
        """Delete an instance or an entity, and everything that belongs to it."""

    # Entities

    def entity(self, id: str) -> str | None:
        """The state of an entity."""

    def entities(self, query: Query) -> list[Entity]:
        """The entities that match, by id."""

    def save_entity(self, id: str, state: str | None, now: str) -> None:
        """Set the state of an entity. None deletes the entity."""

    def entity_instance(self, id: str) -> Instance | None:
        """An entity as the real host lists it: as an instance that runs forever."""

    def targets(self, query: Query) -> list[Instance]:
        """Instances and entities that match, by id, with entities as `entity_instance` has them."""

    # Messages

    def enqueue(self, messages: Iterable[Message]) -> None:
        """Add messages to the inboxes of their targets, in order."""

    def due(self, now: str, limit: int, excluding: Collection[str] = ()) -> list[Message]:
        """At most `limit` messages that can be taken at `now`, except those for some targets.

        Messages for at once come first, in order of arrival; the others follow by due time.
        """

    def next_due(self, excluding: Collection[str] = ()) -> str | None:
        """The earliest due time of a message, except those for some targets."""

    def dequeue(self, messages: Iterable[Message]) -> int:
        """Remove messages. Returns how many of them were still there."""

    def put_back(self, messages: Iterable[Message]) -> None:
        """Add messages under the `seq` that they have, so that they come before later ones.

        Raises RowError if a message with that `seq` is there.
        """

    def reschedule(self, messages: Iterable[Message], due: str) -> None:
        """Change the due time of messages. Those that are gone stay gone."""

    def release(self, target: str) -> None:
        """Make the target's messages due at once that were put back for NEVER."""

    def cancel_timer(self, target: str, timer: int) -> None:
        """Remove the message of a timer that has not fired."""

    # Activities and timer-triggered functions

    def schedule(self, activity: Activity) -> Activity:
        """Add an activity to run. Returns it with its `seq`."""

    def activities(self) -> list[Activity]:
        """All activities that have not completed, in the order in which they were scheduled."""

    def complete(self, activity: Activity) -> bool:
        """Remove an activity. False if it is gone, so that its result counts once."""

    def last_run(self, function: str) -> str | None:
        """When a timer-triggered function last ran."""

    def save_last_run(self, function: str, at: str) -> None:
        """Record when a timer-triggered function ran."""
