"""The app on Azure's worker: every function does there what it does on devhost."""

import asyncio
import http.client
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from azure.functions import HttpRequest

from devhost.testing import ORIGIN, App, Response, run
from devhost.testing.azure_worker import (
    Function,
    Worker,
    client_binding,
    close_client_session,
    on_worker,
)
from tests.e2e.process import ROOT, Devhost
from tests.receiver import SECRET
from tests.support.registry_host import Receiver, RegistryHost, registry_app

SETTINGS = {"PROCESSING_WEBHOOK_URL": "http://127.0.0.1:9/", "PROCESSING_WEBHOOK_SECRET": SECRET}
"""Nobody listens there, so deliveries stay pending."""
UNKNOWN, MALFORMED = "0" * 32, "nonsense"
ITEM = {"item": "Bike 🚲", "itemKey": "a-key"}
HOST_JSON = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]
BY_HOST = {"date", "server", "content-length", "connection"} | {
    name.lower() for name in HOST_JSON.get("customHeaders", {})
}
"""Headers that the host adds to the response of a function."""

Request = tuple[str, str, dict[str, str], bytes]
"""A method, a path with its query, headers, and a body."""
Send = Callable[[str, str, str, dict[str, str], bytes], Awaitable[Response]]
"""Sends a request to the function of a name."""


@pytest.fixture
def worker() -> Worker:
    """The worker, which has loaded the app."""
    assert registry_app()
    return load_on_worker()


def load_on_worker() -> Worker:
    """Load the app that is imported on a worker, from a thread without an event loop."""
    # The SDK lets an app be indexed once, and devhost has done so.
    sys.modules["function_app"].app.functions_bindings = None
    worker = Worker()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, worker.load(ROOT)).result()
    return worker


def functions_with(worker: Worker, trigger: str) -> list[Function]:
    return [each for each in worker.functions.values() if each.trigger["type"] == trigger]


class Exchange(NamedTuple):
    """A request and its response, in which ids and times have names instead."""

    function: str
    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Side:
    """One of the two that are compared: how a function is reached there, and at which address."""

    send: Send
    origin: str

    def __post_init__(self) -> None:
        self._ids: dict[str, str] = {}

    async def exchange(self, function: Function, request: Request) -> Exchange:
        """Send a request; returns it with its response."""
        response = await self.send(function.name, request)
        headers = {name.lower(): self._named(value) for name, value in response.headers.items()}
        own = {name: value for name, value in headers.items() if name not in BY_HOST}
        method, path, *_ = request
        text = "" if method == "HEAD" else self._named(response.text)
        return Exchange(function.name, method, self._named(path), response.status, own, text)

    def _named(self, text: str) -> str:
        text = text.replace(self.origin, "")
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"
        text = re.sub(time, "<time>", text)
        return re.sub(r"[0-9a-f]{32}", self._name, text)

    def _name(self, id: re.Match[str]) -> str:
        return self._ids.setdefault(id[0], f"<{len(self._ids)}>")


def methods_of(function: Function) -> list[str]:
    """The methods of an HTTP function; some of them, if it has all."""
    methods: list[str] = function.trigger.get("methods") or ["GET", "POST"]
    return methods


def template(function: Function) -> str:
    """The path of an HTTP function, with its parameters."""
    parts = [HOST_JSON["routePrefix"].strip("/"), function.trigger["route"].strip("/")]
    return "/" + "/".join(part for part in parts if part)


def path_of(function: Function, id: str) -> str:
    """The path that triggers an HTTP function for a registry."""
    path = template(function).replace("{id}", id).replace("{file}", "page.js")
    assert "{" not in path, f"the test does not know what to give {function.name} in {path}"
    return path


def requests(function: Function, id: str) -> Iterator[Request]:
    """Requests for a registry: by each method, with an item in each form that it may have."""
    path = path_of(function, id)
    for method in methods_of(function):
        yield method, path, {}, b""
        yield method, f"{path}?{urlencode(ITEM)}", {"accept": "text/plain"}, b""
        if method == "POST":
            json_type = {"content-type": "application/json"}
            text_type = {"content-type": "text/plain", "idempotency-key": "another"}
            yield method, path, json_type, json.dumps(ITEM).encode()
            yield method, path, text_type, "Book 📚".encode()
            yield method, path, json_type, b"{"


async def exchanges(worker: Worker, side: Side) -> AsyncIterator[Exchange]:
    """Call every HTTP function: those without an id first, then all for registries of each kind."""
    functions = functions_with(worker, "httpTrigger")
    opening, finishing = worker.functions["open"], worker.functions["finish"]

    async def open_one() -> str:
        response = await side.send(opening.name, ("POST", path_of(opening, ""), {}, b""))
        assert response.status == 201, response
        return response.json()["id"]

    without_id = [each for each in functions if "{id}" not in each.trigger["route"]]
    for function in sorted(without_id, key=lambda each: "POST" in methods_of(each)):
        for request in requests(function, ""):
            yield await side.exchange(function, request)

    closed = await open_one()
    await side.send(finishing.name, ("POST", path_of(finishing, closed), {}, b""))
    for function in [each for each in functions if each not in without_id]:
        for id in (await open_one(), closed, UNKNOWN, MALFORMED):
            for request in requests(function, id):
                yield await side.exchange(function, request)


def over_http(origin: str) -> Send:
    """Reaches the functions that a devhost serves."""
    address = urlsplit(origin)

    def exchange(method: str, path: str, headers: dict[str, str], body: bytes) -> Response:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        response = Response(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return response

    async def send(name: str, request: Request) -> Response:
        return await asyncio.to_thread(exchange, *request)

    return send


def on(worker: Worker, origin: str, hub: str) -> Send:
    """Reaches the functions of the worker, which find their task hub at `hub`."""

    async def send(name: str, request: Request) -> Response:
        method, path, headers, body = request
        parts = urlsplit(path)
        slots = zip(template(worker.functions[name]).split("/"), parts.path.split("/"), strict=True)
        more = {"host": urlsplit(origin).netloc, "accept-encoding": "identity"}
        http_request = HttpRequest(
            method,
            origin + path,
            headers=headers | more,
            params=dict(parse_qsl(parts.query)),
            route_params={slot.strip("{}"): value for slot, value in slots if slot.startswith("{")},
            body=body,
        )
        return await worker.request(name, http_request, client_binding(hub))

    return send


@pytest.fixture
def devhosts(tmp_path) -> Iterator[tuple[str, str]]:
    """One that serves the app, and one for the task hub of the worker, so that both are empty."""
    for name in ("app", "hub"):
        (tmp_path / name).mkdir()
    with (
        Devhost(tmp_path / "app" / "data", **SETTINGS) as app,
        Devhost(tmp_path / "hub" / "data", **SETTINGS) as hub,
        settings_of_the_worker(),
    ):
        yield app.url, hub.url


def settings_of_the_worker() -> Any:
    """The settings of the worker's app, which was imported without any."""
    from registry import settings

    return patch("registry.settings.current", lambda: settings.read(os.environ | SETTINGS))


def test_http_functions_answer_as_on_devhost(worker, devhosts) -> None:
    """The same requests get the same status, headers and body, and every function succeeds."""
    origin, hub = devhosts

    async def collect(side: Side) -> list[Exchange]:
        return [each async for each in exchanges(worker, side)]

    async def collect_both() -> tuple[list[Exchange], list[Exchange]]:
        on_devhost = await collect(Side(over_http(origin), origin))
        on_worker = await collect(Side(on(worker, origin, hub), origin))
        await close_client_session()
        return on_devhost, on_worker

    on_devhost, on_azure = asyncio.run(collect_both())
    for expected, made in zip(on_devhost, on_azure, strict=True):
        assert made == expected
    succeeded = {each.function for each in on_azure if each.status < 400}
    assert succeeded == {each.name for each in functions_with(worker, "httpTrigger")}
    assert worker.failures == []


async def use_for_months(worker: Worker, host: RegistryHost) -> list[Exchange]:
    """Registries are finished or time out, are sent, and are purged; returns all exchanges."""

    async def send(name: str, request: Request) -> Response:
        method, path, headers, body = request
        return await host.request(method, path, body, headers=headers)

    side = Side(send, ORIGIN)
    made = [each async for each in exchanges(worker, side)]
    for days in (1, 40):
        await host.advance(minutes=10)
        host.suspend(days=days)
        for timer in host.app.timers:
            await host.run_timer(timer.name)
        made += [each async for each in exchanges(worker, side)]
    return made


def test_every_function_does_its_work() -> None:
    """Orchestrators, entities, activities and timers too: months pass as without the worker."""
    workers: list[Worker] = []

    def on_azure(app: App) -> App:
        workers.append(load_on_worker())
        return on_worker(workers[-1], app)

    async def use(wrap) -> tuple[list[Exchange], list[str]]:
        receiver = Receiver()
        async with RegistryHost(receiver, timers=False, wrap=wrap) as host:
            made = await use_for_months(workers[0], host)
            return made, [delivery.body["status"] for delivery in receiver.deliveries]

    with_worker = run(use(on_azure))
    assert with_worker == run(use(None))
    (worker,) = workers
    assert set(worker.succeeded) == set(worker.functions)
    assert worker.failures == []
