"""The app on devhost in virtual time: many clients at once, minutes pass without waiting, and a
seed fixes everything.

It is the real host over a task hub in memory. Only what touches the outside is replaced: the event
loop's time, the app's clock, chance (uuids too), and HTTP, which is handed over in memory.

    with VirtualHost(REGISTRY_OPEN_SECONDS=60) as host:
        id = host.open()
        host.advance(minutes=1)
        assert host.get(f"/api/peek/{id}")["status"] == "Closed"

Many clients at once are coroutines:

    async def client() -> None:
        answer = await host.call("POST", "/api/open")
        await host.sleep(60)

    host.run_all(client(), client())
"""

import asyncio
import heapq
import importlib
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch
from urllib.parse import unquote

import aiohttp
import requests
from azure.durable_functions.models.utils import http_utils
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from devhost.composition import build_host
from devhost.engine.decisions import WorkItem
from devhost.engine.workers import Done, Execute
from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.functions.loading import load
from devhost.http.functions import FunctionEndpoint
from devhost.http.heads import parse_head
from devhost.http.requests import Request
from devhost.http.routing import route_table
from devhost.http.server import HttpServer
from devhost.management.admin import AdminEndpoint
from devhost.management.endpoint import ManagementEndpoint
from devhost.management.lists import CONTINUATION
from devhost.management.messages import ManagementRequest
from devhost.management.urls import PREFIX, client_binding
from devhost.settings.files import HostJson, read_host_json
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store
from devhost.testing.answers import Answer, Unanswered
from devhost.testing.faults import Faults
from devhost.testing.faulty_host import build_faulty_host
from devhost.testing.faulty_work_items import clock_skew
from devhost.testing.processes import HostDied

Result = TypeVar("Result")
Receiver = Callable[[str, str, Mapping[str, str], bytes], int | Awaitable[int]]
"""The rest of the web: method, URL, headers (names in lower case) and body of a request; returns
the status.

It may be a coroutine function, and sleep. An OSError that it raises is a broken connection, a
TimeoutError no answer.
"""

ORIGIN = "http://localhost:7071"
START = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
TICK = 1e-6
"""Seconds; the task hub knows moments to the microsecond."""
ROOT = Path(__file__).parents[4]


class VirtualTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose place in a set does not depend on its address, so that sets of tasks are gone
    through alike.
    """

    _numbers = itertools.count()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number


class InlineWorkers:
    """Executes work items where it is asked to, so that no thread races the virtual time."""

    def __init__(self, execute: Execute, on_late: object) -> None:
        self._execute = execute

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        """Execute items; all are done in time."""
        return [Done(item, self._execute(item)) for item in items], []

    def stop(self) -> None:
        """There is nothing to end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without sockets and threads, whose time jumps to what comes next when nothing
    is ready.

    `time` counts seconds from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = TICK
        self._selector = SimpleNamespace(select=self._select, close=lambda: None)
        self.set_task_factory(lambda loop, coro, **options: VirtualTask(coro, loop=loop, **options))

    def time(self) -> float:
        return self._now

    def leap(self, seconds: float) -> None:
        """Let time pass in which nothing is done, as on a machine that is too busy: all that falls
        due is late.
        """
        self._now += seconds

    def call_at(
        self, when: float, callback: Any, *arguments: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Time passes before whatever is to come later, however soon that is: who sleeps sees
        another time then.
        """
        if when > self._now:
            when = max(when, self._now + TICK)
        return super().call_at(when, callback, *arguments, context=context)

    def is_idle(self) -> bool:
        """Whether nothing is to be done until time passes."""
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        return not self._ready and not (
            self._scheduled and self._scheduled[0]._when < self._now + TICK
        )

    def run_in_executor(
        self, executor: Any, function: Callable[..., Any], *arguments: Any
    ) -> "asyncio.Future[Any]":
        """Call the function now: no thread races the virtual time."""
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def _select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("all tasks wait, and nothing will ever happen")
        if timeout > 0:
            self._now = max(self._now, self._scheduled[0]._when)
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Costs(Counter[str]):
    """What the app has asked of the task hub, by name: "signal RegistryList.add", "read
    RegistryList", "status".
    """

    @property
    def messages(self) -> int:
        """Starts, signals and events, and what else changes something."""
        return self.total() - self.reads

    @property
    def reads(self) -> int:
        """Reads of entities, looks at instances, and pages of queries."""
        return sum(
            count for name, count in self.items() if name.split()[0] in ("read", "status", "query")
        )


class VirtualHost:
    """A host in one thread, in a time of its own. Use it as a context manager."""

    def __init__(
        self,
        app: App | Path | None = None,
        *,
        seed: int = 0,
        store: Store | None = None,
        start: datetime = START,
        receiver: Receiver | None = None,
        timers: bool = True,
        faults: Faults | None = None,
        config: HostJson | None = None,
        **environment: object,
    ) -> None:
        """`app` is a folder with a function_app.py, by default this project's; or one that was
        indexed.

        From a folder it is imported for each host, and for each new worker where one dies: so that
        nothing is left in its modules of what was before. During the block the app's modules are
        those, whatever a test has imported.

        Where `timers` is false, timer-triggered functions run by `fire` only. What is named in
        capitals are settings of the app, as its environment has them. A `store` that is given stays
        open; `start` is when time begins. `faults` decides what goes wrong: by default nothing
        does. `config` stands in for the host.json of the app.
        """
        self.costs = Costs()
        self.receiver = receiver
        """The rest of the web; None refuses connections."""
        self._app, self._seed, self._start, self._timers = app or ROOT, seed, start, timers
        self.faults, self._config = faults, config
        self._environment: dict[str, object] = environment
        self._settings: Any = None
        self._own_store = store is None
        self.store = store or open_store()
        self._patches = ExitStack()
        self._loop = VirtualLoop()

    def __enter__(self) -> "VirtualHost":
        try:
            self._runner = self._patches.enter_context(
                asyncio.Runner(loop_factory=lambda: self._loop)
            )
            self._patches.callback(lambda: None if self._own_store is False else self.store.close())
            self._fix_chance()
            self.app, config = self._load()
            self._config = self._config or config
            self._replace_clock_and_settings()
            self._replace_http()
            self.run(self._begin(self._config))
            self._patches.callback(lambda: self.run(self._end()))
        except BaseException:
            self._patches.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()

    # Time

    def now(self) -> datetime:
        """The present moment, to the microsecond."""
        return self._start + timedelta(seconds=round(self._loop.time(), 6))

    def utc_now(self) -> datetime:
        """The clock that the app sees: to the millisecond, and a little off where the host has
        faults.
        """
        now = self.now() + timedelta(seconds=clock_skew.get())
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def sleep(self, seconds: float) -> None:
        """Let this many seconds pass, for a client."""
        await asyncio.sleep(seconds)

    def run(self, work: Awaitable[Result]) -> Result:
        """Run a client to its end, and everything else meanwhile."""

        async def wait() -> Result:
            return await work

        return self._runner.run(wait())

    def run_all(self, *work: Awaitable[Result]) -> list[Result]:
        """Run clients side by side until all have come to their end."""

        async def wait() -> list[Result]:
            return await asyncio.gather(*work)

        return self._runner.run(wait())

    def advance(self, **span: float) -> None:
        """Let time pass, as timedelta counts it, and whatever is due happen at its time."""
        self.run(asyncio.sleep(timedelta(**span).total_seconds()))
        self.settle()

    def leap(self, **span: float) -> None:
        """Let time pass in which the machine does nothing; what fell due meanwhile happens late,
        once time goes on.
        """
        self._loop.leap(timedelta(**span).total_seconds())

    def settle(self) -> None:
        """Let everything happen that takes no time."""

        async def wait() -> None:
            while not self._loop.is_idle():  # noqa: ASYNC110  # no time passes, and nobody could tell
                await asyncio.sleep(0)

        self.run(wait())

    # Calls

    async def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send a request to the app (or to the management API). Raises Unanswered."""
        try:
            answer = await self._front(self._request(method, path, headers or {}, body))
        except HostDied as death:
            raise Unanswered("the host died") from death
        shown = {name.lower(): value for name, value in answer.headers}
        return Answer(answer.status, shown, b"" if method == "HEAD" else answer.body)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request, and let all that it causes happen; header names are given with _ for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.run(self.call(method, path, given, body))
        self.settle()
        return answer

    def get(self, path: str) -> Any:
        """The JSON of a GET that succeeds."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def post(self, path: str, body: bytes = b"", **headers: str) -> Answer:
        return self.request("POST", path, body, **headers)

    def open(self) -> str:
        """Open a registry; returns its id."""
        answer = self.post("/api/open")
        assert answer.status == 201, answer
        id: str = json.loads(answer.body)["id"]
        return id

    def add(self, id: str, text: str, key: str = "") -> Answer:
        """Add a gift to a registry."""
        headers = {"Idempotency_Key": key} if key else {}
        return self.request("POST", str(URL(f"/api/add/{id}").with_query(item=text)), **headers)

    def fire(self, name: str) -> None:
        """Run a timer-triggered function now, and what follows at once."""
        (function,) = [each for each in self.app.timers if each.name == name]
        self.run(self.host.fire(function))
        self.settle()

    # The app's surroundings

    def choose(self, **environment: object) -> None:
        """Change settings of the app, as a restart with others does. Raises what the app raises for
        them.
        """
        self._environment |= environment
        given = {name: str(value) for name, value in self._environment.items()}
        self._settings = sys.modules["registry.settings"].read(given)

    @contextmanager
    def counting(self) -> Iterator[Costs]:
        """Count what the app asks of the task hub in the block."""
        whole, self.costs = self.costs, Costs()
        try:
            yield self.costs
        finally:
            self.costs = Costs(whole + self.costs)

    def _fix_chance(self) -> None:
        chance = random.Random(f"{self._seed} chance")  # noqa: S311
        self._patches.callback(random.setstate, random.getstate())
        random.seed(self._seed)
        for source in ("os.urandom", "random._urandom"):
            self._patches.enter_context(patch(source, chance.randbytes))

    def _load(self) -> tuple[App, HostJson]:
        if isinstance(self._app, App):
            return self._app, HostJson()
        self._patches.enter_context(_in_place_of_the_app())
        # An earlier commit of the app may have what Azure refuses (0d91084 has: list[str] at an
        # activity's parameter).
        with (
            nullcontext()
            if self._app == ROOT
            else patch("devhost.functions.indexing.check_signature")
        ):
            config = self._config or read_host_json(self._app)
            return load(self._app, config), config

    def _load_again(self) -> App:
        """The app for a new worker, which knows nothing of what the one before had in its modules."""
        self.app, _ = self._load()
        self._replace_clock_and_settings()
        return self._chosen_functions()

    def _chosen_functions(self) -> App:
        """The app, without timers where they do not run by themselves."""
        return (
            self.app
            if self._timers
            else App([each for each in self.app.functions if each not in self.app.timers])
        )

    def _replace_clock_and_settings(self) -> None:
        if clock := sys.modules.get("registry.clock"):
            members = {
                "utc_now": self.utc_now,
                "monotonic": self._loop.time,
                "sleep": asyncio.sleep,
            }
            self._patches.enter_context(patch.multiple(clock, **members))
        if settings := sys.modules.get("registry.settings"):
            self.choose()
            self._patches.enter_context(patch.object(settings, "current", lambda: self._settings))
        if pace := getattr(sys.modules.get("registry.durable.list_client"), "read_delay", None):
            # what other hosts of this process have taught it is not known here
            self._patches.enter_context(patch("registry.durable.list_client.read_delay", type(pace)()))

    def _replace_http(self) -> None:
        async def request(
            session: aiohttp.ClientSession, method: str, url: Any, **options: Any
        ) -> InMemoryResponse:
            return await self._fetch(session, method, url, **options)

        def send(
            _: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            return self._send(request)

        self._patches.enter_context(patch("aiohttp.ClientSession._request", request))
        self._patches.enter_context(patch("requests.sessions.Session.send", send))

    async def _begin(self, config: HostJson) -> None:
        # The SDK's own session would look after sockets every two seconds.
        http_utils._session_lock = asyncio.Lock()
        http_utils._client_session = aiohttp.ClientSession(connector=aiohttp.BaseConnector())
        load_again = None if isinstance(self._app, App) else self._load_again
        app = self._chosen_functions()
        build = build_faulty_host(self.faults, load_again) if self.faults else build_host
        self.host, self.management = build(app, self.store, config, self.now, workers=InlineWorkers)
        table = route_table(self.app.http, config.route_prefix)
        self._front = HttpServer(
            FunctionEndpoint(self.host, table),
            [ManagementEndpoint(self.management, ORIGIN), AdminEndpoint(self.host, table.errors)],
        )
        self.host.start(client_binding(ORIGIN, config.hub_name))

    async def _end(self) -> None:
        with patch.object(self.store, "close"):  # it may be given to the next host
            await self.host.stop()
        http_utils._session_lock = asyncio.Lock()

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Request:
        given = (
            {"Host": URL(ORIGIN).authority}
            | ({"Content-Length": str(len(body))} if body else {})
            | dict(headers)
        )
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in given.items()),
            "",
            "",
        ]

        async def read() -> bytes:
            return body

        return Request(parse_head("\r\n".join(lines).encode()), "", read)

    async def _fetch(
        self,
        session: aiohttp.ClientSession,
        method: str,
        address: str | URL,
        *,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        headers: Any = None,
        timeout: Any = aiohttp.client.sentinel,  # noqa: ASYNC109  # as aiohttp has it
        **_: Any,
    ) -> "InMemoryResponse":
        url = session._build_url(address).extend_query(params or {})
        given = CIMultiDict(session._prepare_headers(headers))
        if json is not None:
            data = session._json_serialize(json)
            given.setdefault("Content-Type", "application/json")
        body = data.encode() if isinstance(data, str) else data or b""
        if not isinstance(body, bytes):
            raise TypeError(f"a request in memory has no body of type {type(body).__name__}")
        limit = session.timeout if timeout is aiohttp.client.sentinel else timeout
        async with asyncio.timeout(
            limit.total if isinstance(limit, aiohttp.ClientTimeout) else limit
        ):
            if url.raw_path.lower().startswith(PREFIX):
                return await self._manage(method, url, given, body)
            try:
                status = self._received(method, url, given, body)
                return InMemoryResponse(
                    await status if isinstance(status, Awaitable) else status, method, url
                )
            except TimeoutError:
                raise
            except OSError as error:
                raise aiohttp.ClientConnectionError(str(error)) from error

    async def _manage(
        self, method: str, url: URL, headers: "CIMultiDict[str]", body: bytes
    ) -> "InMemoryResponse":
        call = ManagementRequest(
            method=method,
            path=url.raw_path[len(PREFIX) :],
            origin=ORIGIN,
            query=dict(url.query),
            body=body.decode(),
            is_json=headers.get("Content-Type", "").startswith("application/json"),
            continuation=headers.get(CONTINUATION, ""),
        )
        self.costs[_name(call)] += 1
        reply = await self.management.answer(call)
        return InMemoryResponse(reply.status, method, url, reply.body.encode(), reply.headers)

    def _received(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes
    ) -> int | Awaitable[int]:
        if self.receiver is None:
            raise ConnectionRefusedError(f"nobody listens at {url}")
        return self.receiver(
            method, str(url), {name.lower(): value for name, value in headers.items()}, body
        )

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        body = request.body or b""
        response = requests.Response()
        response.request, response.url, response.raw = request, str(request.url), BytesIO()
        try:
            status = self._received(
                str(request.method),
                URL(response.url),
                request.headers,
                body.encode() if isinstance(body, str) else body,
            )
        except TimeoutError as error:
            raise requests.Timeout(str(error)) from error
        except OSError as error:
            raise requests.ConnectionError(str(error)) from error
        assert isinstance(status, int), (
            "what posts with requests needs a receiver that is no coroutine"
        )
        response.status_code = status
        return response


class InMemoryResponse:
    """What a use of aiohttp's client gets."""

    def __init__(
        self,
        status: int,
        method: str,
        url: URL,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.method, self.url = status, method, url
        self.headers = CIMultiDictProxy(CIMultiDict(headers or {}))
        self.ok = status < 400
        self._body = body

    async def __aenter__(self) -> "InMemoryResponse":
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def read(self) -> bytes:
        return self._body

    async def text(self) -> str:
        return self._body.decode()

    async def json(self, **_: Any) -> Any:
        return json.loads(self._body) if self._body.strip() else None

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass

    def raise_for_status(self) -> None:
        if not self.ok:
            info: Any = None
            raise aiohttp.ClientResponseError(info, (), status=self.status)


@cache
def registry_app() -> App:
    """The app of this project; the SDK lets it be indexed once."""
    return index(importlib.import_module("function_app").app)


@contextmanager
def _in_place_of_the_app() -> Iterator[None]:
    """Leave room in the block for other modules under the names of the app's, and a path to find
    them.
    """
    path, own = (
        list(sys.path),
        {name: module for name, module in sys.modules.items() if _is_of_the_app(name)},
    )
    for name in own:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if _is_of_the_app(name)]:
            del sys.modules[name]
        sys.modules.update(own)


def _is_of_the_app(name: str) -> bool:
    return name == "function_app" or name.partition(".")[0] == "registry"


def _name(call: ManagementRequest) -> str:
    """What a request to the management API is, for people who count."""
    parts = [unquote(part) for part in call.path.strip("/").split("/")]
    match call.method, parts:
        case "POST", ["orchestrators", name, *_]:
            return f"start {name}"
        case "POST", ["entities", name, _]:
            return f"signal {name}.{call.query.get('op', '')}"
        case "POST", ["instances", _, "raiseEvent", name]:
            return f"event {name}"
        case "POST", ["instances", _, operation]:
            return operation
        case "GET", ["entities", name, _]:
            return f"read {name}"
        case "GET", ["instances", _]:
            return "status"
        case "GET", _:
            return "query"
        case "DELETE", _:
            return "purge"
    return f"{call.method} {call.path}"
