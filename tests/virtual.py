"""The app on devhost's engine, one call at a time. New tests use tests/support/virtual.py."""

import asyncio
import json
import random
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from azure.functions import HttpRequest, HttpResponse

from devhost.app import App, convert_in, convert_out
from devhost.engine import Engine, Outcome
from devhost.http import routes
from devhost.orchestration import from_timestamp, timestamp
from devhost.schedule import Schedule
from devhost.store import Activity, Store
from devhost.webhooks import PREFIX, Call, Reply, client_binding, handle
from registry import settings
from tests.clock import FakeClock
from tests.support.virtual import registry_app

ORIGIN = "http://virtual"
CLIENT = "azure.durable_functions.models.DurableOrchestrationClient"
Delivery = Literal["at once", "late", "twice", "twice, late"]


@dataclass
class Deliveries:
    """How the signals of clients arrive: at least once, but when, and how often, is for a test to say."""

    next: list[Delivery] = field(default_factory=list)
    held: list[Call] = field(default_factory=list)
    shuffle: random.Random = field(default_factory=lambda: random.Random(1))


class VirtualHost:
    """A host in one thread: what a call causes has happened when it returns, and time passes by `advance`."""

    def __init__(self, path: Path | None = None, app: App | None = None, **chosen: Any) -> None:
        """`chosen` are settings of the app; `path` keeps the task hub in a file."""
        self.clock = FakeClock()
        self.deliveries = Deliveries()
        self.clock.on_sleep = self.deliver_held
        self._settings = settings.Settings(**chosen)
        self.app = app or registry_app()
        self.runs_activities = True
        self.store = Store(path)
        self.engine = Engine(self.store, self.app.durable)
        self._routes = routes(self.app.http, "api")
        self._patches = ExitStack()

    def __enter__(self) -> "VirtualHost":
        transport = {
            "post_async_request": self._sdk_post,
            "get_async_request": self._sdk_get,
            "delete_async_request": self._sdk_delete,
        }
        self._patches.enter_context(patch.multiple(_module(CLIENT), **transport))
        self._patches.enter_context(patch("registry.settings.current", lambda: self._settings))
        self._patches.enter_context(self.clock.installed())
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()
        self.store.close()

    def choose(self, **chosen: Any) -> None:
        """Change settings of the app, as a restart with other ones does."""
        self._settings = settings.Settings(**chosen)

    def advance(self, **span: float) -> None:
        """Let time pass, and whatever is due happen at its time."""
        end = self.clock.now + timedelta(**span)
        while (due := self.store.next_due()) is not None and due <= timestamp(end):
            self.clock.now = max(self.clock.now, from_timestamp(due) if due else self.clock.now)
            self.settle()
        self.clock.now = end
        self.settle()

    def settle(self) -> None:
        """Run turns, and the activities that they schedule, until nothing is due. Not within a request."""
        self.run()
        while self.runs_activities and (scheduled := self.store.activities()):
            for activity in scheduled:
                outcome = asyncio.run(self._outcome(activity))
                with self.store.transaction():
                    self.engine.complete(activity, outcome)
                self.run()

    async def _outcome(self, activity: Activity) -> Outcome:
        function = self.app.activities[activity.name.casefold()]
        try:
            argument = convert_in("activityTrigger", activity.input, "json")
            result = await function.invoke(argument, client_binding(ORIGIN))
            return Outcome(result=convert_out("activityTrigger", result).value)
        except Exception as error:
            return Outcome(error=f"{type(error).__name__}: {error}")

    def fire(self, name: str) -> None:
        """Run a timer-triggered function, and what follows."""
        (function,) = [each for each in self.app.timers if each.name == name]
        schedule = Schedule(name, function.trigger["schedule"])
        request = json.dumps(schedule.request(self.clock.now, past_due=False))
        argument = convert_in("timerTrigger", request, "json")
        asyncio.run(function.invoke(argument, client_binding(ORIGIN)))
        self.settle()

    def run(self) -> None:
        """Run turns until nothing is due."""
        with self.store.transaction():
            while self.engine.turns(self.clock.now):
                pass

    def manage(self, call: Call) -> Reply:
        """A request to the management API, and the turns that follow."""
        with self.store.transaction():
            reply = handle(self.engine, call, self.clock.now)
        self.run()
        return reply

    def deliver_held(self) -> None:
        """Let the signals arrive that are under way, in any order."""
        held, self.deliveries.held = self.deliveries.held, []
        self.deliveries.shuffle.shuffle(held)
        for call in held:
            self.manage(call)
        self.run()

    def request(self, method: str, url: str, body: bytes = b"", **headers: str) -> HttpResponse:
        """Call the function that the URL triggers; header names are given with _ for -."""
        parts = urlsplit(url)
        for route in self._routes:
            if method in route.methods and (match := route.pattern.fullmatch(parts.path)):
                query = dict(parse_qsl(parts.query))
                request = HttpRequest(
                    method,
                    ORIGIN + url,
                    headers={name.replace("_", "-"): value for name, value in headers.items()},
                    params=query,
                    route_params=match.groupdict(),
                    body=body,
                )
                response = asyncio.run(route.function.invoke(request, client_binding(ORIGIN), request.headers))
                self.settle()
                return response
        raise LookupError(url)

    def get(self, url: str) -> Any:
        """The JSON of a GET that succeeds."""
        response = self.request("GET", url)
        assert response.status_code == 200, response.get_body()
        return json.loads(response.get_body())

    def post(self, url: str, **headers: str) -> HttpResponse:
        return self.request("POST", url, **headers)

    def open(self) -> str:
        """Open a registry; returns its id."""
        response = self.post("/api/open")
        assert response.status_code == 201, response.get_body()
        return json.loads(response.get_body())["id"]

    def add(self, id: str, text: str, key: str = "") -> HttpResponse:
        headers = {"Idempotency_Key": key} if key else {}
        return self.post(f"/api/add/{id}?item={text}", **headers)

    async def _sdk_post(self, url: str, data: Any = None, *correlation: Any, **more: Any) -> list[Any]:
        call = _call("POST", url, "" if data is None else json.dumps(data))
        if call.path.startswith("entities/"):
            how = self.deliveries.next.pop(0) if self.deliveries.next else "at once"
            if how != "at once":
                self.deliveries.held.append(call)
            if how in ("late", "twice, late"):
                self.deliveries.held += [call] if how == "twice, late" else []
                return [202, None]
        return _answer(self.manage(call), None)

    async def _sdk_get(self, url: str, *correlation: Any) -> list[Any]:
        return _answer(self.manage(_call("GET", url)), "")

    async def _sdk_delete(self, url: str, *correlation: Any) -> list[Any]:
        return _answer(self.manage(_call("DELETE", url)), None)


def _module(name: str) -> Any:
    """The SDK's module, which its package hides behind a class of the same name."""
    return sys.modules[name]


def _call(method: str, url: str, body: str = "") -> Call:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return Call(method, parts.path.removeprefix(PREFIX), ORIGIN, query, body)


def _answer(reply: Reply, empty: Any) -> list[Any]:
    return [reply.status, json.loads(reply.body) if reply.body else empty]
