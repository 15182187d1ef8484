"""The file of a task hub: opens it, checks what it is, and tells whether it is still there."""

import sqlite3
from importlib.resources import files
from pathlib import Path

from devhost.storage.store import StoreError

APPLICATION_ID = 0x486F5265
"""Marks the file as a task hub of devhost (PRAGMA application_id)."""
SCHEMA_VERSION = 3


class File:
    """A file that is open, by its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = self._current_identity()

    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that was opened."""
        return self._current_identity() == self._identity

    def _current_identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the task hub in a file, or in memory, and create its tables if it has none.

    Raises StoreError if it is not a task hub, cannot be opened, or is in use.
    """
    try:
        return _open(path)
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise StoreError(f"{path} is in use by another devhost") from error
        raise StoreError(f"{path} cannot be used as a task hub: {error}") from error


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0
    )
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    # Has an effect only while the file is empty.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # One process at a time. The operating system ends the lock with the process, however it ends.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    # With a write-ahead log, commits survive a SIGKILL. Only a power cut may lose the last ones.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")

    connection.execute("BEGIN EXCLUSIVE")
    if _is_empty(connection):
        _create_tables(connection)
    else:
        _check(connection)
    connection.execute("COMMIT")

    # The file alone is then a task hub, even if its log is lost.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.text_factory = _text


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(tables == 0)


def _create_tables(connection: sqlite3.Connection) -> None:
    schema = files("devhost.storage").joinpath("schema.sql").read_text()
    for statement in schema.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError unless this version of devhost made the file, and it is sound."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is a database of another program")

    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"it was made by another version of devhost (schema {version})")

    (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if check != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {' '.join(check.split())}")


def _text(content: bytes) -> str | bytes:
    """Decode text. Bytes that are not UTF-8 stay bytes, so that only their reader fails."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
