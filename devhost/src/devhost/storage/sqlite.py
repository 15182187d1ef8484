"""The store in SQLite: one file, or memory. `store.py` says what its methods do."""

from contextlib import AbstractContextManager
from pathlib import Path

from devhost.storage.activities import ActivityQueries
from devhost.storage.database import Database
from devhost.storage.entities import EntityQueries
from devhost.storage.instances import InstanceQueries
from devhost.storage.messages import MessageQueries


class SqliteStore(InstanceQueries, EntityQueries, MessageQueries, ActivityQueries):
    """A task hub in a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        self._database.close()

    def check_file(self) -> None:
        self._database.check_file()

    def reclaim_space(self) -> None:
        self._database.reclaim_space()

    def transaction(self) -> AbstractContextManager[None]:
        return self._database.transaction()

    def savepoint(self) -> AbstractContextManager[None]:
        return self._database.savepoint()

    def rolled_back(self) -> AbstractContextManager[None]:
        return self._database.rolled_back()


def open_store(path: Path | None = None) -> SqliteStore:
    """Open the task hub in a file, and create it if there is none. None keeps it in memory.

    Raises StoreError if the file is not a task hub, cannot be opened, or is in use by another
    process.
    """
    return SqliteStore(Database(path))
