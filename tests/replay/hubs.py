"""Task hubs as older versions left them, kept as the rows of a store.

Those of commits 5df348e and 0d91084 were recorded once, by running these versions on a VirtualHost;
both had no histories of their own to keep, so a redeploy may fail their orchestrations. What became
of each registry is named.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from devhost.storage.database import Database
from devhost.storage.sqlite import SqliteStore
from devhost.storage.store import Store

FOLDER = Path(__file__).parent / "hubs"
TABLES = ("instances", "history", "entities", "messages", "activities")


class Hub(NamedTuple):
    """A task hub that an older version has left."""

    store: Store
    left_at: datetime
    ids: dict[str, str]
    """The registries in it, by what they are an example of."""


@contextmanager
def hub(name: str) -> Iterator[Hub]:
    """The task hub that was kept under a name, in memory."""
    document = json.loads((FOLDER / f"{name}.json").read_text())
    database = Database(None)
    store = SqliteStore(database)
    with store.transaction():
        for table in TABLES:
            for row in document[table]:
                if table == "entities":
                    row += row[2:3] * (
                        4 - len(row)
                    )  # older versions did not say since when there is one
                database.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    try:
        yield Hub(store, datetime.fromisoformat(document["left_at"]), document["ids"])
    finally:
        store.close()
