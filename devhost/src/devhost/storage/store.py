"""The task hub in SQLite.

The contract: writes happen inside `transaction()`, which commits all of them or none. A method that
finds nothing says so in its result (None, or an empty list). Whatever SQLite refuses (disk full,
not a database) is a StoreError. One thread uses a store.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from devhost.storage.file import File, connect, explain

RuntimeStatus = Literal["Pending", "Running", "Completed", "Failed", "Terminated", "Suspended"]

RECLAIMED_PAGES = 10_000
"""At most so many pages (of 4 KiB) are given back at once, which takes about a tenth of a second.
"""
NEVER = "9999-12-31T23:59:59.999999Z"


class StoreError(Exception):
    """The task hub cannot be read or written; nothing of the transaction is kept."""


@dataclass(slots=True)
class Instance:
    """An orchestration instance: what its status query shows. Payloads are JSON."""

    id: str
    execution: str
    name: str
    status: RuntimeStatus
    input: str | None
    output: str | None
    custom_status: str | None
    created: str
    updated: str
    parent: str | None = None
    parent_execution: str | None = None
    parent_task: int | None = None


@dataclass(slots=True)
class Entity:
    """An entity that exists. The state is JSON."""

    id: str
    state: str
    updated: str


@dataclass(frozen=True)
class Query:
    """Which instances or entities to list: all that match, by id, from `first` on, at most `limit`."""

    prefix: str = ""
    created_from: str = ""
    created_to: str = "~"
    """Created, or for entities last changed, from then to then, both included; text that sorts as
    it reads.
    """
    statuses: tuple[str, ...] = ()
    """Any of these; none means any at all. Entities have no status."""
    first: str = ""
    limit: int = 100


@dataclass(slots=True)
class Message:
    """Something for an instance or an entity to take: at once, or if it has a `due`, not before
    that.

    `seq` is given by the store.
    """

    target: str
    body: str
    due: str = ""
    execution: str | None = None
    timer: int | None = None
    seq: int = 0


@dataclass(slots=True)
class Activity:
    """A scheduled run of an activity function. `seq` is given by the store."""

    instance: str
    execution: str
    task: int
    name: str
    input: str | None
    seq: int = 0


class Store:
    """A task hub: instances with their history, entities, messages and activities."""

    def __init__(self, path: Path | None) -> None:
        """Open the task hub in the file, which is made where there is none; None keeps it in
        memory.

        Raises StoreError when the file is not a task hub, cannot be opened or is in use by another
        process.
        """
        try:
            self._db = connect(path)
        except sqlite3.Error as error:
            raise StoreError(explain(error, path)) from error
        self._file = File(path) if path else None

    def close(self) -> None:
        """Close the file. What was committed stays."""
        self._db.close()

    def check_file(self) -> None:
        """Raise StoreError where the file has been deleted or replaced: what is written would be in
        none.
        """
        if self._file is not None and not self._file.is_in_place():
            raise StoreError(f"{self._file.path} was deleted or replaced")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written in the block, or nothing if it raises."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(f"the task hub cannot be written: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Outside of a transaction: what is read in the block is committed."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"the task hub cannot be read: {error}") from error

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: undo what is written in the block if it raises, and keep the rest."""
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO part")
            raise
        finally:
            if self._db.in_transaction:
                self._db.execute("RELEASE part")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Within a transaction: undo what is written in the block, whatever becomes of it."""
        self._db.execute("SAVEPOINT undone")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK TO undone")
            self._db.execute("RELEASE undone")

    def instance(self, id: str) -> Instance | None:
        """The instance, or None."""
        row = self._db.execute("SELECT * FROM instances WHERE id = ?", (id,)).fetchone()
        return Instance(*row) if row else None

    def save_instance(self, instance: Instance) -> None:
        """Insert the instance, or replace the one with its id."""
        self._db.execute(
            "REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(instance)
        )

    def instances(self, query: Query) -> list[Instance]:
        """Instances that match, by id."""
        return self._select("instances", query)

    def targets(self, query: Query) -> list[Instance]:
        """Instances that match, and entities as the instances that they are on the real host, by
        id.
        """
        return self._select(
            "(SELECT * FROM instances UNION ALL SELECT * FROM entity_instances)", query
        )

    def _select(self, source: str, query: Query) -> list[Instance]:
        marks = ",".join("?" * len(query.statuses))
        statuses = f"AND status IN ({marks})" if query.statuses else ""
        rows = self._db.execute(
            f"SELECT * FROM {source} WHERE id >= ? AND substr(id, 1, ?) = ? AND created BETWEEN ? AND ? "  # noqa: S608
            f"{statuses} ORDER BY id LIMIT ?",  # the marks and the source are all that is put in
            (
                query.first,
                len(query.prefix),
                query.prefix,
                query.created_from,
                query.created_to,
                *query.statuses,
                query.limit,
            ),
        )
        return [Instance(*row) for row in rows]

    def entity_instance(self, id: str) -> Instance | None:
        """An entity as the instance that it is on the real host, which runs for ever; None where
        there is none.
        """
        row = self._db.execute("SELECT * FROM entity_instances WHERE id = ?", (id,)).fetchone()
        return Instance(*row) if row else None

    def discard_work(self, id: str, execution: str | None = None) -> None:
        """Delete what an instance has not taken or not completed: its messages, timers and
        activities.

        With an execution, what is for any execution stays: external events.
        """
        only = " AND execution = ?" if execution else ""
        self._db.execute(
            f"DELETE FROM messages WHERE target = ?{only}",  # noqa: S608
            (id, execution) if execution else (id,),
        )
        self._db.execute("DELETE FROM activities WHERE instance = ?", (id,))

    def purge(self, id: str) -> None:
        """Delete an instance or an entity, and all that belongs to it."""
        self.discard_work(id)
        self.delete_history(id)
        self._db.execute("DELETE FROM instances WHERE id = ?", (id,))
        self._db.execute("DELETE FROM entities WHERE id = ?", (id,))

    def reclaim_space(self) -> None:
        """Give the space of deleted rows back to the file system; a part of it, where there is very
        much.
        """
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        for _ in range(min(free, RECLAIMED_PAGES)):
            self._db.execute(
                "PRAGMA incremental_vacuum(1)"
            )  # the sqlite3 module takes one step of it, whatever N is

    def history(self, id: str) -> list[str]:
        """The events of each turn of an instance, oldest first, as comma-separated JSON."""
        rows = self._db.execute(
            "SELECT events FROM history WHERE instance = ? ORDER BY turn", (id,)
        )
        return [events for (events,) in rows]

    def append_history(self, id: str, turn: int, events: str) -> None:
        """Add the events of a turn; turns count from 0."""
        self._db.execute("INSERT INTO history VALUES (?, ?, ?)", (id, turn, events))

    def delete_history(self, id: str) -> None:
        """Delete all turns of an instance."""
        self._db.execute("DELETE FROM history WHERE instance = ?", (id,))

    def entities(self, query: Query) -> list[Entity]:
        """Entities that match, by id."""
        rows = self._db.execute(
            "SELECT id, state, updated FROM entities "
            "WHERE id >= ? AND substr(id, 1, ?) = ? AND updated BETWEEN ? AND ? "
            "ORDER BY id LIMIT ?",
            (
                query.first,
                len(query.prefix),
                query.prefix,
                query.created_from,
                query.created_to,
                query.limit,
            ),
        )
        return [Entity(*row) for row in rows]

    def entity(self, id: str) -> str | None:
        """The state of an entity, or None where it does not exist."""
        row = self._db.execute("SELECT state FROM entities WHERE id = ?", (id,)).fetchone()
        return row[0] if row else None

    def save_entity(self, id: str, state: str | None, now: str) -> None:
        """Set the state of an entity; None deletes it."""
        if state is None:
            self._db.execute("DELETE FROM entities WHERE id = ?", (id,))
        else:
            self._db.execute(
                "INSERT INTO entities VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = ?2, updated = ?3",
                (id, state, now, now),
            )

    def enqueue(self, messages: Iterable[Message]) -> None:
        """Put messages into the inboxes of their targets, in order."""
        self._db.executemany(
            "INSERT INTO messages (target, execution, timer, due, body) VALUES (?, ?, ?, ?, ?)",
            [(m.target, m.execution, m.timer, m.due, m.body) for m in messages],
        )

    def due(self, now: str, limit: int, besides: Collection[str] = ()) -> list[Message]:
        """Messages to take at `now`, at most `limit`: first those for at once, in order of arrival,
        then by `due`.

        Those for targets in `besides` are left out.
        """
        rows = self._db.execute(
            "SELECT target, body, due, execution, timer, seq FROM messages "  # noqa: S608  # marks are all that is put in
            f"WHERE due <= ? {_not_in(besides)} ORDER BY due, seq LIMIT ?",
            (now, *besides, limit),
        )
        return [Message(*row) for row in rows]

    def messages_after(self, seq: int) -> list[Message]:
        """Messages that came after another one, whether they are due or not, in order of arrival."""
        rows = self._db.execute(
            "SELECT target, body, due, execution, timer, seq FROM messages WHERE seq > ? ORDER BY seq",
            (seq,),
        )
        return [Message(*row) for row in rows]

    def last_seq(self) -> int:
        """The `seq` of the latest message, taken or not; 0 where there was none."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        return row[0] if row else 0

    def next_due(self, besides: Collection[str] = ()) -> str | None:
        """When the earliest message is due (empty: at once), or None where there is none but for
        those in `besides`.
        """
        row = self._db.execute(
            f"SELECT due FROM messages WHERE 1 {_not_in(besides)} ORDER BY due LIMIT 1",  # noqa: S608  # as above
            tuple(besides),
        ).fetchone()
        return row[0] if row else None

    def dequeue(self, messages: Iterable[Message]) -> int:
        """Remove messages that were taken; returns how many there were of them."""
        return self._db.executemany(
            "DELETE FROM messages WHERE seq = ?", [(m.seq,) for m in messages]
        ).rowcount

    def put_back(self, messages: Iterable[Message]) -> None:
        """Enqueue messages under the `seq` of ones that were dequeued: they come before all that
        arrived later.
        """
        self._db.executemany(
            "INSERT INTO messages (seq, target, execution, timer, due, body) VALUES (?, ?, ?, ?, ?, ?)",
            [(m.seq, m.target, m.execution, m.timer, m.due, m.body) for m in messages],
        )

    def postpone(self, messages: Iterable[Message], due: str) -> None:
        """Make messages due at another time; those that are gone stay so."""
        self._db.executemany(
            "UPDATE messages SET due = ? WHERE seq = ?", [(due, m.seq) for m in messages]
        )

    def release(self, target: str) -> None:
        """Make the messages of a target due that were put back for NEVER."""
        self._db.execute(
            "UPDATE messages SET due = '' WHERE target = ? AND due = ?", (target, NEVER)
        )

    def cancel_timer(self, target: str, timer: int) -> None:
        """Remove the message of a timer that has not fired."""
        self._db.execute("DELETE FROM messages WHERE target = ? AND timer = ?", (target, timer))

    def schedule(self, activity: Activity) -> Activity:
        """Add an activity to run; returns it with its `seq`."""
        cursor = self._db.execute(
            "INSERT INTO activities (instance, execution, task, name, input) VALUES (?, ?, ?, ?, ?)",
            (activity.instance, activity.execution, activity.task, activity.name, activity.input),
        )
        activity.seq = cursor.lastrowid or 0
        return activity

    def activities(self) -> list[Activity]:
        """All activities that have not completed."""
        rows = self._db.execute(
            "SELECT instance, execution, task, name, input, seq FROM activities ORDER BY seq"
        )
        return [Activity(*row) for row in rows]

    def last_run(self, function: str) -> str | None:
        """When a timer-triggered function last ran, or None if it never did."""
        row = self._db.execute(
            "SELECT last FROM schedules WHERE function = ?", (function,)
        ).fetchone()
        return row[0] if row else None

    def save_last_run(self, function: str, at: str) -> None:
        """Note when a timer-triggered function ran."""
        self._db.execute("REPLACE INTO schedules VALUES (?, ?)", (function, at))

    def complete(self, activity: Activity) -> bool:
        """Remove an activity; False where it was removed before, so that a result counts once."""
        return (
            self._db.execute("DELETE FROM activities WHERE seq = ?", (activity.seq,)).rowcount == 1
        )


def _not_in(targets: Collection[str]) -> str:
    return f"AND target NOT IN ({','.join('?' * len(targets))})" if targets else ""


def concerns_the_file(error: Exception) -> bool:
    """Whether an error is about the file as a whole (disk full, damaged), and not about what was to
    be written.
    """
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
