"""The engine in a time that stands still until a test moves it, to look at single turns."""

import json
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from devhost.engine.client import DurableClient
from devhost.engine.failure_details import FailureDetails
from devhost.engine.work_items import MOST_TAKEN, ActivityOutcome, WorkItems
from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.management.api import handle
from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.management.urls import PREFIX
from devhost.replay.protocol import from_timestamp, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.database import Database
from devhost.storage.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.sample_app import make_app

ORIGIN = "http://virtual"
CLIENT = "azure.durable_functions.models.DurableOrchestrationClient"


def turns(work_items: WorkItems, now: datetime, limit: int = MOST_TAKEN) -> int:
    """Take, execute and complete work items of at most `limit` messages; returns how many items
    there were.
    """
    items = work_items.take(now, limit)
    for item in items:
        work_items.complete(item, work_items.execute(item), now)
    return len(items)


class EngineHost:
    """What a call causes has happened when it returns, but for activities, which complete when a
    test says so.

    Time passes by `advance`. The SDK's client reaches the task hub.
    """

    def __init__(self, app: App, path: Path | None = None, config: HostJson = DEFAULTS) -> None:
        """`path` keeps the task hub in a file."""
        self.clock = FakeClock()
        self.database = Database(path)
        self.store = SqliteStore(self.database)
        self.app = app
        self.use(config)
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

    def use(self, config: HostJson) -> None:
        """Run the app with this host.json, as after a deployment."""
        self.client = DurableClient(self.store, self.app.durable, config)
        self.work_items = WorkItems(self.store, self.app.durable, config)

    def advance(self, **span: float) -> None:
        """Let time pass, and whatever is due happen at its time."""
        end = self.clock.now + timedelta(**span)
        while (due := self.work_items.next_due()) is not None and due <= timestamp(end):
            self.clock.now = max(self.clock.now, from_timestamp(due) if due else self.clock.now)
            self.run()
        self.clock.now = end
        self.run()

    def run(self) -> None:
        """Run turns until nothing is due."""
        with self.store.transaction():
            while turns(self.work_items, self.clock.now):
                pass

    def manage(self, call: ManagementRequest) -> ManagementResponse:
        """Serve a request to the management API, and run the turns that follow."""
        with self.store.transaction():
            reply = handle(self.client, call, self.clock.now)
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
        call = ManagementRequest(
            method, parts.path.removeprefix(PREFIX), ORIGIN, dict(parse_qsl(parts.query)), body
        )
        reply = self.manage(call)
        return [reply.status, json.loads(reply.body) if reply.body else empty]

    def start(self, name: str, input=None, id: str | None = None) -> str:
        body = json.dumps(json.dumps(input))
        reply = self.manage(
            ManagementRequest(
                "POST", f"orchestrators/{name}" + (f"/{id}" if id else ""), ORIGIN, body=body
            )
        )
        assert reply.status == 202, reply
        return json.loads(reply.body)["id"]

    def raise_event(self, id: str, name: str, data: object = None) -> int:
        body = json.dumps(json.dumps(data))
        return self.manage(
            ManagementRequest("POST", f"instances/{id}/raiseEvent/{name}", ORIGIN, body=body)
        ).status

    def complete(self, result: str | None = None, error: str | None = None) -> None:
        """Complete the oldest activity."""
        activity = self.store.activities()[0]
        failure = (
            FailureDetails(f"Activity function '{activity.name}' failed: {error}")
            if error
            else None
        )
        with self.store.transaction():
            self.work_items.complete_activity(activity, ActivityOutcome(result, failure))
        self.run()

    def status(self, id: str) -> tuple[str, object]:
        instance = self.store.instance(id)
        return instance.status, json.loads(instance.output or "null")


class SampleHost(EngineHost):
    """The sample app."""

    def __init__(self, path: Path | None = None, config: HostJson = DEFAULTS) -> None:
        super().__init__(index(make_app()), path, config)
