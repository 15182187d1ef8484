"""The file of a task hub: how SQLite opens it, what it must be, and whether it is still there."""

import sqlite3
from importlib.resources import files
from pathlib import Path

APPLICATION_ID = 0x486F5265
"""Marks the file as a task hub of devhost (PRAGMA application_id)."""
SCHEMA_VERSION = 3


class File:
    """A file that is open, by its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = self._now()

    def is_in_place(self) -> bool:
        """Whether its path still leads to it."""
        return self._now() == self._identity

    def _now(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the file, made ready for use. Raises sqlite3.Error."""
    db = sqlite3.connect(
        path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0
    )
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a file that is still empty
    # One process at a time: the lock is the operating system's, so it ends with the process,
    # however that ends.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    # With a write-ahead log a commit outlives a SIGKILL; only a power cut may cost the last ones.
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("BEGIN EXCLUSIVE")
    _prepare(db)
    db.execute("COMMIT")
    # So that the file alone is a task hub, whatever becomes of the log beside it.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.text_factory = _text
    return db


def _text(content: bytes) -> str | bytes:
    """Text; or what is none as it is, so that it fails whoever reads it, and not the statement."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _prepare(db: sqlite3.Connection) -> None:
    """Make the tables in an empty file, and accept only what this version made."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables == 0:
        for statement in files("devhost.storage").joinpath("schema.sql").read_text().split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif application != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is a database of another program")
    elif version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"it was made by another version of devhost (schema {version})")
    elif (check := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {' '.join(check.split())}")


def explain(error: sqlite3.Error, path: Path | None) -> str:
    """Why a file cannot be opened."""
    if "locked" in str(error):
        return f"{path} is in use by another devhost"
    return f"{path} cannot be used as a task hub: {error}"
