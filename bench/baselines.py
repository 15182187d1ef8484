"""What devhost is measured against: a bare aiohttp handler, and a plain FastAPI + SQLite version of
add.

Run as `python -m bench.baselines aiohttp PORT` or `python -m bench.baselines fastapi PORT
DATABASE`.
"""

import sqlite3
import sys
import uuid

import uvicorn
from aiohttp import web
from fastapi import FastAPI


def bare_aiohttp(port: int) -> None:
    """Answer each add with a constant: what the HTTP server alone costs."""

    async def add(request: web.Request) -> web.Response:
        return web.json_response({"itemsCount": 1})

    app = web.Application()
    app.router.add_post("/api/add/{id}", add)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


def fastapi_sqlite(port: int, path: str) -> None:
    """Insert each item into a table and commit: an add without guarantees under retries."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("CREATE TABLE items (registry TEXT, key TEXT, item TEXT)")
    db.execute("CREATE INDEX items_registry ON items (registry)")
    app = FastAPI()

    @app.post("/api/add/{id}")
    async def add(id: str, item: str) -> dict[str, object]:
        key = uuid.uuid4().hex
        db.execute("INSERT INTO items VALUES (?, ?, ?)", (id, key, item))
        (count,) = db.execute("SELECT count(*) FROM items WHERE registry = ?", (id,)).fetchone()
        return {"id": id, "item": item, "itemKey": key, "itemsCount": count}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    if sys.argv[1] == "aiohttp":
        bare_aiohttp(int(sys.argv[2]))
    else:
        fastapi_sqlite(int(sys.argv[2]), sys.argv[3])
