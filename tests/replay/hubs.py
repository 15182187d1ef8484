"""Task hubs as released versions left them: their rows, kept as JSON."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from devhost.testing import Store, open_store, run
from tests.support.registry_host import Receiver, RegistryHost

FOLDER = Path(__file__).parent / "hubs"
TABLES = ("instances", "history", "entities", "messages", "activities", "schedules")


class Hub(NamedTuple):
    """A task hub that a released version has left."""

    store: Store
    left_at: datetime
    ids: dict[str, str]
    """The registries in it, by what they are an example of."""


async def fill(host: RegistryHost, receiver: Receiver) -> dict[str, str]:
    """Make a registry of each kind; returns their ids by kind."""
    ids = {}

    async def open_with(kind: str, *items: str) -> None:
        ids[kind] = await host.open()
        for item in items:
            await host.add(ids[kind], item, item)

    await open_with("delivered", "Bike")
    await host.finish(ids["delivered"])
    await open_with("sent again", "Bike", "Book")
    await host.finish(ids["sent again"])
    await open_with("overdue", "Bike")
    await host.advance(minutes=2)

    receiver.always = 503
    await open_with("pending", "Ball")
    await host.finish(ids["pending"])
    await host.post(f"/api/process/{ids['sent again']}")
    await host.advance(minutes=1)
    await open_with("open", "Bike", "Book", "Ball")
    await host.post(f"/api/remove/{ids['open']}?itemKey=Ball")
    await host.advance(seconds=90)

    # The machine sleeps over the end of one of them, and the version is replaced meanwhile.
    host.suspend(minutes=1)
    return ids


def record(file: Path, app: Path) -> None:
    """Write a task hub as an app in a folder leaves it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hub.db"
        ids, left_at = run(_leave(path, app))
        rows = _read_rows(path)
    rows_as_text = ",\n".join(f" {json.dumps(name)}: {_lines(rows[name])}" for name in TABLES)
    head = json.dumps({"left_at": left_at, "ids": ids})
    file.write_text(f"{head[:-1]},\n{rows_as_text}\n}}\n")


async def _leave(path: Path, app: Path) -> tuple[dict[str, str], str]:
    """Run an app on the task hub in a file; returns the ids by kind, and when it stops."""
    store, receiver = open_store(path), Receiver()
    async with RegistryHost(receiver, app=app, store=store) as host:
        ids = await fill(host, receiver)
        left_at = host.now().isoformat()
    store.close()
    return ids, left_at


def _lines(rows: list[dict[str, object]]) -> str:
    return "[" + ",\n  ".join(json.dumps(row) for row in rows) + "]"


def _read_rows(path: Path) -> dict[str, list[dict[str, object]]]:
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    rows = {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")] for table in TABLES}
    db.close()
    return rows


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Hub]:
    """The task hub that a version left, in a new file in the folder."""
    document = json.loads((FOLDER / f"{name}.json").read_text())
    path = folder / "hub.db"
    open_store(path).close()

    db = sqlite3.connect(path)
    for table in TABLES:
        for row in document[table]:
            columns, marks = ", ".join(row), ", ".join("?" * len(row))
            db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [*row.values()])
    db.commit()
    db.close()

    store = open_store(path)
    try:
        yield Hub(store, datetime.fromisoformat(document["left_at"]), document["ids"])
    finally:
        store.close()
