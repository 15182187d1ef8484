"""The app of this project on Azure's worker: every function does there what it does on devhost."""

import asyncio
import http.client
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from azure.durable_functions.models.utils import http_utils
from azure.functions import HttpRequest

import function_app
from devhost.functions.app import App
from devhost.functions.sdk import close_client_session
from devhost.management.urls import client_binding
from devhost.settings.files import read_host_json
from devhost.testing.answers import Answer
from devhost.testing.azure_worker import Function, Worker, behind
from devhost.testing.virtual_host import ORIGIN, VirtualHost, registry_app
from registry import settings
from tests.e2e.process import ROOT, Devhost
from tests.receiver import SECRET
from tests.scenarios.world import Receiver, host_with

SETTINGS = {"PROCESSING_WEBHOOK_URL": "http://127.0.0.1:9/", "PROCESSING_WEBHOOK_SECRET": SECRET}
"""Nobody listens there: what is sent for processing stays pending."""
UNKNOWN, MALFORMED = "0" * 32, "nonsense"
GIFT = {"item": "Bike 🚲", "itemKey": "a-key"}
BY_HOST = {"date", "server", "content-length", "connection"} | {
    name.lower()
    for name in json.loads((ROOT / "host.json").read_text())["extensions"]
    .get("http", {})
    .get("customHeaders", {})
}
"""Headers that the host adds to what a function answers."""

Send = Callable[[str, str, str, dict[str, str], bytes], Answer]
"""Has a function answer: its name, a method, a path with its query, headers, and a body."""


@pytest.fixture
def worker() -> Worker:
    """The worker, which has loaded the app."""
    assert registry_app()
    function_app.app.functions_bindings = (
        None  # the SDK lets an app be indexed once, and devhost has done so
    )
    worker = Worker()
    asyncio.run(worker.load(ROOT))
    return worker


def functions_with(worker: Worker, trigger: str) -> list[Function]:
    return [each for each in worker.functions.values() if each.trigger["type"] == trigger]


class Told(NamedTuple):
    """A request and its answer, in which ids and times have names instead."""

    function: str
    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Side:
    """One of the two that are compared: how a function is reached there, and what may differ in its
    answers.
    """

    send: Send
    origin: str

    def __post_init__(self) -> None:
        self._ids: dict[str, str] = {}

    def ask(
        self, function: Function, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Told:
        """Send a request, and tell it and its answer."""
        answer = self.send(function.name, method, path, headers, body)
        headers = {name.lower(): self._named(value) for name, value in answer.headers.items()}
        text = "" if method == "HEAD" else self._named(answer.body.decode())
        own = {name: value for name, value in headers.items() if name not in BY_HOST}
        return Told(function.name, method, self._named(path), answer.status, own, text)

    def _named(self, text: str) -> str:
        text = re.sub(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)",
            "<time>",
            text.replace(self.origin, ""),
        )
        return re.sub(
            r"[0-9a-f]{32}", lambda id: self._ids.setdefault(id[0], f"<{len(self._ids)}>"), text
        )


def methods_of(function: Function) -> list[str]:
    """The methods of an HTTP function; some, where it answers to all."""
    methods: list[str] = function.trigger.get("methods") or ["GET", "POST"]
    return methods


def template(function: Function) -> str:
    """The path of an HTTP function, with its parameters."""
    parts = (
        part.strip("/") for part in (read_host_json(ROOT).route_prefix, function.trigger["route"])
    )
    return "/" + "/".join(part for part in parts if part)


def path_of(function: Function, id: str) -> str:
    """The path that triggers an HTTP function for a registry."""
    path = template(function).replace("{id}", id).replace("{file}", "page.js")
    assert "{" not in path, f"the test does not know what to give {function.name} in {path}"
    return path


def requests(function: Function, id: str) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Requests that an HTTP function may get for a registry: by each method, in each form that a
    gift comes in.
    """
    path = path_of(function, id)
    for method in methods_of(function):
        yield method, path, {}, b""
        yield method, f"{path}?{urlencode(GIFT)}", {"accept": "text/plain"}, b""
        if method == "POST":
            yield method, path, {"content-type": "application/json"}, json.dumps(GIFT).encode()
            yield (
                method,
                path,
                {"content-type": "text/plain", "idempotency-key": "another"},
                "Book 📚".encode(),
            )
            yield method, path, {"content-type": "application/json"}, b"{"


def story(worker: Worker, side: Side) -> Iterator[Told]:
    """Call every HTTP function: those that say how things are first, then all, for registries of
    each kind.
    """
    functions = functions_with(worker, "httpTrigger")
    opening, finishing = worker.functions["open"], worker.functions["finish"]

    def opened() -> str:
        answer = side.send(opening.name, "POST", path_of(opening, ""), {}, b"")
        assert answer.status == 201, answer
        return json.loads(answer.body)["id"]

    fixed = [each for each in functions if "{id}" not in each.trigger["route"]]
    for function in sorted(fixed, key=lambda each: "POST" in methods_of(each)):
        for request in requests(function, ""):
            yield side.ask(function, *request)
    closed = opened()
    side.send(finishing.name, "POST", path_of(finishing, closed), {}, b"")
    for function in [each for each in functions if each not in fixed]:
        for id in (opened(), closed, UNKNOWN, MALFORMED):
            for request in requests(function, id):
                yield side.ask(function, *request)


def over_http(origin: str) -> Send:
    """Reaches the functions that a devhost serves."""
    address = urlsplit(origin)

    def send(name: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        told = Answer(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )
        connection.close()
        return told

    return send


def by_worker(worker: Worker, loop: asyncio.Runner, origin: str, hub: str) -> Send:
    """Reaches the functions in the worker, which find their task hub at `hub`."""

    def send(name: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(path)
        slots = zip(template(worker.functions[name]).split("/"), parts.path.split("/"), strict=True)
        request = HttpRequest(
            method,
            origin + path,
            headers=headers | {"host": urlsplit(origin).netloc, "accept-encoding": "identity"},
            params=dict(parse_qsl(parts.query)),
            route_params={slot.strip("{}"): value for slot, value in slots if slot.startswith("{")},
            body=body,
        )
        return loop.run(worker.request(name, request, client_binding(hub)))

    return send


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all requests, as the worker has."""
    with asyncio.Runner() as loop:
        http_utils._session_lock = (
            asyncio.Lock()
        )  # the SDK's own is bound to the loop of another test
        yield loop
        loop.run(close_client_session())
    http_utils._session_lock = asyncio.Lock()


@pytest.fixture
def devhosts(tmp_path) -> Iterator[tuple[str, str]]:
    """One that serves the app, and one for the task hub of the worker: so both begin with nothing."""
    for name in ("app", "hub"):
        (tmp_path / name).mkdir()
    with (
        Devhost(tmp_path / "app" / "data", **SETTINGS) as app,
        Devhost(tmp_path / "hub" / "data", **SETTINGS) as hub,
        patch("registry.settings.current", lambda: settings.read(os.environ | SETTINGS)),
    ):
        yield app.url, hub.url


def test_http_functions_answer_as_on_devhost(worker, loop, devhosts) -> None:
    """The same requests have the same status, headers and body; and every function has succeeded."""
    origin, hub = devhosts
    on_devhost = story(worker, Side(over_http(origin), origin))
    on_worker = story(worker, Side(by_worker(worker, loop, origin, hub), origin))
    succeeded = set()
    for expected, told in zip(on_devhost, on_worker, strict=True):
        assert told == expected
        if told.status < 400:
            succeeded.add(told.function)
    assert succeeded == {each.name for each in functions_with(worker, "httpTrigger")}
    assert worker.failures == []


def within(host: VirtualHost) -> Send:
    """Reaches the functions of a host in virtual time."""

    def send(name: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        return host.request(
            method, path, body, **{name.replace("-", "_"): value for name, value in headers.items()}
        )

    return send


def months(worker: Worker, app: App) -> tuple[list[Told], list[str]]:
    """Registries are finished or run out of time, are sent, and are forgotten; what is told, and
    what was sent.
    """
    receiver = Receiver()
    with host_with(receiver, app=app, config=read_host_json(ROOT), timers=False) as host:
        side = Side(within(host), ORIGIN)
        told = list(story(worker, side))
        for days in (1, 40):
            host.advance(minutes=10)
            host.leap(days=days)
            for timer in app.timers:
                host.fire(timer.name)
            told += story(worker, side)
        return told, [delivery.body["status"] for delivery in receiver.deliveries]


def test_every_function_does_its_work(worker) -> None:
    """Orchestrators, entities, activities and timers too: months of registries pass as they do
    without the worker.
    """
    app = registry_app()
    assert months(worker, behind(worker, app)) == months(worker, app)
    assert set(worker.succeeded) == set(worker.functions) == {each.name for each in app.functions}
    assert worker.failures == []
