"""Queries of messages: the inboxes of instances and entities, and the timers that are set."""

from collections.abc import Collection, Iterable

from devhost.storage.database import Database
from devhost.storage.rows import NEVER, Message

COLUMNS = "target, body, due, execution, timer, seq"


class MessageQueries:
    """Reads and writes messages."""

    _database: Database

    def enqueue(self, messages: Iterable[Message]) -> None:
        self._database.execute_many(
            "INSERT INTO messages (target, execution, timer, due, body) VALUES (?, ?, ?, ?, ?)",
            ((each.target, each.execution, each.timer, each.due, each.body) for each in messages),
        )

    def put_back(self, messages: Iterable[Message]) -> None:
        self._database.execute_many(
            "INSERT INTO messages (seq, target, execution, timer, due, body) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                (each.seq, each.target, each.execution, each.timer, each.due, each.body)
                for each in messages
            ),
        )

    def due(self, now: str, limit: int, excluding: Collection[str] = ()) -> list[Message]:
        rows = self._database.rows(
            f"""
            SELECT {COLUMNS} FROM messages
            WHERE due <= ? {_not_in(excluding)}
            ORDER BY due, seq LIMIT ?
            """,  # noqa: S608  # only names of columns and question marks are put in
            (now, *excluding, limit),
        )
        return [Message(*row) for row in rows]

    def next_due(self, excluding: Collection[str] = ()) -> str | None:
        row = self._database.row(
            f"""
            SELECT due FROM messages
            WHERE 1 {_not_in(excluding)}
            ORDER BY due LIMIT 1
            """,  # noqa: S608
            tuple(excluding),
        )
        return row[0] if row else None

    def dequeue(self, messages: Iterable[Message]) -> int:
        return self._database.execute_many(
            "DELETE FROM messages WHERE seq = ?", ((each.seq,) for each in messages)
        )

    def reschedule(self, messages: Iterable[Message], due: str) -> None:
        self._database.execute_many(
            "UPDATE messages SET due = ? WHERE seq = ?", ((due, each.seq) for each in messages)
        )

    def release(self, target: str) -> None:
        self._database.execute(
            "UPDATE messages SET due = '' WHERE target = ? AND due = ?", (target, NEVER)
        )

    def cancel_timer(self, target: str, timer: int) -> None:
        self._database.execute(
            "DELETE FROM messages WHERE target = ? AND timer = ?", (target, timer)
        )


def _not_in(targets: Collection[str]) -> str:
    return f"AND target NOT IN ({','.join('?' * len(targets))})" if targets else ""
