"""An engine in a time that stands still until a test moves it, for looks at single turns."""

import json
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from devhost.engine.client import MOST_TAKEN, Engine, Outcome
from devhost.engine.failure_details import Cause
from devhost.functions.app import App
from devhost.functions.loading import index
from devhost.management.api import PREFIX, Call, Reply, handle
from devhost.replay.protocol import from_timestamp, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.database import Database
from devhost.storage.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.sample_app import make_app

ORIGIN = "http://virtual"
CLIENT = "azure.durable_functions.models.DurableOrchestrationClient"


def turns(engine: Engine, now: datetime, limit: int = MOST_TAKEN) -> int:
    """Take, execute and complete work items of at most `limit` messages; returns how many items
    there were.
    """
    items = engine.take(now, limit)
    for item in items:
        engine.complete(item, engine.execute(item), now)
    return len(items)


class EngineHost:
    """What a call causes has happened when it returns, but for activities, which complete when a
    test says so.

    Time passes by `advance`. The SDK's client reaches the engine.
    """

    def __init__(self, app: App, path: Path | None = None, config: HostJson = DEFAULTS) -> None:
        """`path` keeps the task hub in a file."""
        self.clock = FakeClock()
        self.database = Database(path)
        self.store = SqliteStore(self.database)
        self.app = app
        self.engine = Engine(self.store, app.durable, config)
        self._patches = ExitStack()

    def __enter__(self) -> Any:
        transport = {
            "post_async_request": self._sdk_post,
            "get_async_request": self._sdk_get,
            "delete_async_request": self._sdk_delete,
        }
        self._patches.enter_context(patch.multiple(sys.modules[CLIENT], **transport))
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()
        self.store.close()

    def advance(self, **span: float) -> None:
        """Let time pass, and whatever is due happen at its time."""
        end = self.clock.now + timedelta(**span)
        while (due := self.engine.next_due()) is not None and due <= timestamp(end):
            self.clock.now = max(self.clock.now, from_timestamp(due) if due else self.clock.now)
            self.run()
        self.clock.now = end
        self.run()

    def run(self) -> None:
        """Run turns until nothing is due."""
        with self.store.transaction():
            while turns(self.engine, self.clock.now):
                pass

    def manage(self, call: Call) -> Reply:
        """Serve a request to the management API, and run the turns that follow."""
        with self.store.transaction():
            reply = handle(self.engine, call, self.clock.now)
        self.run()
        return reply

    async def _sdk_post(
        self, url: str, data: Any = None, *correlation: Any, **more: Any
    ) -> list[Any]:
        return self._answer(None, "POST", url, "" if data is None else json.dumps(data))

    async def _sdk_get(self, url: str, *correlation: Any) -> list[Any]:
        return self._answer("", "GET", url)

    async def _sdk_delete(self, url: str, *correlation: Any) -> list[Any]:
        return self._answer(None, "DELETE", url)

    def _answer(self, empty: Any, method: str, url: str, body: str = "") -> list[Any]:
        parts = urlsplit(url)
        call = Call(
            method, parts.path.removeprefix(PREFIX), ORIGIN, dict(parse_qsl(parts.query)), body
        )
        reply = self.manage(call)
        return [reply.status, json.loads(reply.body) if reply.body else empty]

    def start(self, name: str, input=None, id: str | None = None) -> str:
        body = json.dumps(json.dumps(input))
        reply = self.manage(
            Call("POST", f"orchestrators/{name}" + (f"/{id}" if id else ""), ORIGIN, body=body)
        )
        assert reply.status == 202, reply
        return json.loads(reply.body)["id"]

    def raise_event(self, id: str, name: str, data: object = None) -> int:
        body = json.dumps(json.dumps(data))
        return self.manage(
            Call("POST", f"instances/{id}/raiseEvent/{name}", ORIGIN, body=body)
        ).status

    def complete(self, result: str | None = None, error: str | None = None) -> None:
        """Complete the oldest activity."""
        activity = self.store.activities()[0]
        cause = Cause(f"Activity function '{activity.name}' failed: {error}") if error else None
        with self.store.transaction():
            self.engine.complete_activity(activity, Outcome(result, cause))
        self.run()

    def status(self, id: str) -> tuple[str, object]:
        instance = self.store.instance(id)
        return instance.status, json.loads(instance.output or "null")


class SampleHost(EngineHost):
    """The sample app."""

    def __init__(self, path: Path | None = None, config: HostJson = DEFAULTS) -> None:
        super().__init__(index(make_app()), path, config)
