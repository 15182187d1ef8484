"""Queries of activities, and of the last runs of timer-triggered functions."""

from devhost.storage.database import Database
from devhost.storage.rows import Activity


class ActivityQueries:
    """Reads and writes activities that have not completed."""

    _database: Database

    def schedule(self, activity: Activity) -> Activity:
        activity.seq = self._database.insert(
            """
            INSERT INTO activities (instance, execution, task, name, input)
            VALUES (?, ?, ?, ?, ?)
            """,
            (activity.instance, activity.execution, activity.task, activity.name, activity.input),
        )
        return activity

    def activities(self) -> list[Activity]:
        rows = self._database.rows(
            "SELECT instance, execution, task, name, input, seq FROM activities ORDER BY seq"
        )
        return [Activity(*row) for row in rows]

    def complete(self, activity: Activity) -> bool:
        removed = self._database.execute("DELETE FROM activities WHERE seq = ?", (activity.seq,))
        return removed == 1

    def last_run(self, function: str) -> str | None:
        row = self._database.row("SELECT last FROM schedules WHERE function = ?", (function,))
        return row[0] if row else None

    def save_last_run(self, function: str, at: str) -> None:
        self._database.execute("REPLACE INTO schedules VALUES (?, ?)", (function, at))
