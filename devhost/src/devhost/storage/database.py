"""The SQLite database of a task hub: runs statements, and owns begin, commit and rollback.

Whatever SQLite refuses becomes a StoreError, or a RowError if only one row is refused.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devhost.storage.file import File, connect
from devhost.storage.store import RowError, StoreError

RECLAIMED_PAGES = 10_000
"""At most so many pages of 4 KiB are given back at once, which takes about a tenth of a second."""

Row = tuple[Any, ...]
Values = Sequence[object]


class Database:
    """A connection to the file of a task hub, or to one in memory."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, and create it if there is none. None keeps the task hub in memory.

        Raises StoreError if the file is not a task hub, cannot be opened, or is in use by another
        process.
        """
        self._connection = connect(path)
        self._file = File(path) if path else None
        self._is_closed = False

    def close(self) -> None:
        """Close the connection. Everything that was committed stays."""
        self._is_closed = True
        self._connection.close()

    def check_file(self) -> None:
        """Raise StoreError if the file was deleted or replaced."""
        if self._file is not None and not self._file.is_in_place():
            raise StoreError(f"{self._file.path} was deleted or replaced")

    def reclaim_space(self) -> None:
        """Give free pages back to the file system, at most RECLAIMED_PAGES of them."""
        (free,) = self.row("PRAGMA freelist_count") or (0,)

        # The sqlite3 module takes one step of the pragma, whatever number it is given.
        for _ in range(min(free, RECLAIMED_PAGES)):
            self.execute("PRAGMA incremental_vacuum(1)")

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that the block writes, or nothing if it raises."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._roll_back("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: undo what the block writes if it raises, and keep the rest."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._roll_back("ROLLBACK TO part", "RELEASE part")
            raise
        self.execute("RELEASE part")

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Within a transaction: undo what the block writes, whether it raises or not."""
        self.execute("SAVEPOINT trial")
        try:
            yield
        finally:
            self._roll_back("ROLLBACK TO trial", "RELEASE trial")

    def _roll_back(self, *statements: str) -> None:
        """Roll back, unless SQLite has done so by itself, as on a full disk."""
        if self._connection.in_transaction:
            for statement in statements:
                self.execute(statement)

    # Statements

    def row(self, statement: str, values: Values = ()) -> Row | None:
        """The first row that a query finds."""
        try:
            row: Row | None = self._connection.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._translated(error, "read") from error
        return row

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        """All rows that a query finds."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error, "read") from error

    def execute(self, statement: str, values: Values = ()) -> int:
        """Run a statement. Returns how many rows it changed."""
        try:
            return self._connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise self._translated(error, "written") from error

    def execute_many(self, statement: str, rows: Iterable[Values]) -> int:
        """Run a statement for each row. Returns how many rows were changed in all."""
        try:
            return self._connection.executemany(statement, rows).rowcount
        except sqlite3.Error as error:
            raise self._translated(error, "written") from error

    def insert(self, statement: str, values: Values) -> int:
        """Insert a row. Returns its `seq`."""
        try:
            return self._connection.execute(statement, values).lastrowid or 0
        except sqlite3.Error as error:
            raise self._translated(error, "written") from error

    def _translated(self, error: sqlite3.Error, done: str) -> StoreError | RowError:
        text = f"the task hub cannot be {done}: {error}"
        is_of_the_file = (
            self._is_closed
            or isinstance(error, sqlite3.OperationalError)
            or type(error) is sqlite3.DatabaseError
        )
        return StoreError(text) if is_of_the_file else RowError(text)
