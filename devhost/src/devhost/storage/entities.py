"""Queries of entities."""

from devhost.storage.database import Database
from devhost.storage.rows import Entity, Query


class EntityQueries:
    """Reads and writes the states of entities."""

    _database: Database

    def entity(self, id: str) -> str | None:
        row = self._database.row("SELECT state FROM entities WHERE id = ?", (id,))
        return row[0] if row else None

    def entities(self, query: Query) -> list[Entity]:
        rows = self._database.rows(
            """
            SELECT id, state, updated FROM entities
            WHERE id >= ? AND substr(id, 1, ?) = ? AND updated BETWEEN ? AND ?
            ORDER BY id LIMIT ?
            """,
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

    def save_entity(self, id: str, state: str | None, now: str) -> None:
        if state is None:
            self._database.execute("DELETE FROM entities WHERE id = ?", (id,))
            return
        self._database.execute(
            """
            INSERT INTO entities VALUES (?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated = excluded.updated
            """,
            (id, state, now, now),
        )
