"""Queries of instances and their histories."""

from dataclasses import astuple

from devhost.storage.database import Database
from devhost.storage.rows import Instance, Query

TARGETS = "(SELECT * FROM instances UNION ALL SELECT * FROM entity_instances)"


class InstanceQueries:
    """Reads and writes instances, and entities in their form as instances."""

    _database: Database

    def instance(self, id: str) -> Instance | None:
        row = self._database.row("SELECT * FROM instances WHERE id = ?", (id,))
        return Instance(*row) if row else None

    def entity_instance(self, id: str) -> Instance | None:
        row = self._database.row("SELECT * FROM entity_instances WHERE id = ?", (id,))
        return Instance(*row) if row else None

    def instances(self, query: Query) -> list[Instance]:
        return self._select("instances", query)

    def targets(self, query: Query) -> list[Instance]:
        return self._select(TARGETS, query)

    def _select(self, source: str, query: Query) -> list[Instance]:
        marks = ",".join("?" * len(query.statuses))
        statuses = f"AND status IN ({marks})" if query.statuses else ""
        rows = self._database.rows(
            f"""
            SELECT * FROM {source}
            WHERE id >= ? AND substr(id, 1, ?) = ? AND created BETWEEN ? AND ? {statuses}
            ORDER BY id LIMIT ?
            """,  # noqa: S608  # only the source and question marks are put in
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

    def save_instance(self, instance: Instance) -> None:
        self._database.execute(
            "REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            astuple(instance),
        )

    def history(self, id: str) -> list[str]:
        rows = self._database.rows(
            "SELECT events FROM history WHERE instance = ? ORDER BY turn", (id,)
        )
        return [events for (events,) in rows]

    def append_history(self, id: str, turn: int, events: str) -> None:
        self._database.execute("INSERT INTO history VALUES (?, ?, ?)", (id, turn, events))

    def delete_history(self, id: str) -> None:
        self._database.execute("DELETE FROM history WHERE instance = ?", (id,))

    def discard_work(self, id: str, execution: str | None = None) -> None:
        if execution is None:
            self._database.execute("DELETE FROM messages WHERE target = ?", (id,))
        else:
            self._database.execute(
                "DELETE FROM messages WHERE target = ? AND execution = ?", (id, execution)
            )
        self._database.execute("DELETE FROM activities WHERE instance = ?", (id,))

    def purge(self, id: str) -> None:
        self.discard_work(id)
        self.delete_history(id)
        self._database.execute("DELETE FROM instances WHERE id = ?", (id,))
        self._database.execute("DELETE FROM entities WHERE id = ?", (id,))
