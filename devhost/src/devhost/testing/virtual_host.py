"""A function app on a host in virtual time: hours pass at once, and a seed fixes everything.

It is the real host, over a task hub in memory. Only what surrounds it is replaced: the time of the
event loop and of the app's modules, chance, and HTTP, which is handed over in memory.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Self, cast

from devhost.composition import build_host
from devhost.functions.app import App
from devhost.functions.background import END_SECONDS
from devhost.functions.sdk import handed_over
from devhost.http.functions import FunctionEndpoint
from devhost.http.routing import route_table
from devhost.http.server import HttpServer
from devhost.management.admin import AdminEndpoint
from devhost.management.endpoint import ManagementEndpoint
from devhost.management.in_memory import InMemory
from devhost.management.urls import client_binding
from devhost.settings.files import HostJson, read_host_json
from devhost.storage.rows import Entity, Instance, Query
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store
from devhost.testing.faults import Faults
from devhost.testing.faulty.host import build_faulty_host
from devhost.testing.faulty.work_items import clock_skew
from devhost.testing.faulty.wrapping import Wrapper
from devhost.testing.virtual.app_modules import AppModules
from devhost.testing.virtual.client import ORIGIN, Client
from devhost.testing.virtual.clock import VirtualClock
from devhost.testing.virtual.hub_requests import Costs, Decide, ObservedManagement
from devhost.testing.virtual.loop import run
from devhost.testing.virtual.outgoing_http import OutgoingHttp, Receiver
from devhost.testing.virtual.surroundings import (
    InlineWorkers,
    changed_environment,
    fixed_chance,
    set_environment,
    waiting_long,
)

START = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)


def virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine function, which runs on a virtual event loop.

    Fixtures and parameters stay as they are. A VirtualHost that a fixture returns is entered before
    the test, and left after it.
    """

    async def enter_hosts(*arguments: Any, **named: Any) -> None:
        async with AsyncExitStack() as stack:
            for value in (*arguments, *named.values()):
                if isinstance(value, VirtualHost):
                    await stack.enter_async_context(value)
            await test(*arguments, **named)

    @wraps(test)
    def run_test(*arguments: Any, **named: Any) -> None:
        run(enter_hosts(*arguments, **named))

    return run_test


class VirtualHost(Client):
    """A host in virtual time, as an async context manager on a virtual event loop."""

    def __init__(
        self,
        app: App | Path | str,
        *,
        settings: Mapping[str, object] | None = None,
        seed: int = 0,
        store: Store | None = None,
        start: datetime = START,
        receiver: Receiver | None = None,
        faults: Faults | None = None,
        timers: bool = True,
        config: HostJson | None = None,
        wrap: Callable[[App], App] | None = None,
    ) -> None:
        """`app` is a folder with a function_app.py, or an App that was indexed.

        From a folder it is imported anew for each host, and for each worker that takes the place of
        one that died, and in its modules `datetime` and `time` are virtual. Nothing is changed in
        the modules of an App that was indexed.

        `settings` are added to the environment. `start` is when virtual time begins. A `store` is
        left open, so that another host can go on with its task hub. `receiver` answers requests to
        other servers; without one, connections are refused. `faults` says what goes wrong. Without
        `timers`, timer-triggered functions only run when `run_timer` is called. `config` stands in
        for the folder's host.json. `wrap` gets the app that was loaded and returns the one that
        runs, as `Recorder.watch` does.
        """
        super().__init__(start)
        self.faults = faults
        self._given_store = store
        self._source = app
        self._settings = dict(settings or {})
        self._seed, self._timers = seed, timers
        self._config = config or (HostJson() if isinstance(app, App) else read_host_json(Path(app)))
        self._wrap = wrap
        self._http = OutgoingHttp(ORIGIN, self.call)
        self.receiver = receiver

    async def __aenter__(self) -> Self:
        self._begin_time()
        async with AsyncExitStack() as stack:
            self.store = self._given_store or open_store()
            if self._given_store is None:
                stack.callback(self.store.close)
            stack.enter_context(fixed_chance(self._seed))
            stack.enter_context(changed_environment(self._settings))
            stack.enter_context(self._http.installed())
            stack.enter_context(waiting_long())
            self._prepare_app(stack)
            await self._begin()
            stack.push_async_callback(self._end)
            self._cleanup = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._cleanup.aclose()

    async def restart(self, **settings: object) -> None:
        """Stop the host, and start it with these settings besides those it has, on the same hub."""
        await self._end()
        set_environment(settings)
        await self._begin()

    def stop_faults(self) -> None:
        """Let nothing go wrong from now on. What is late already stays so."""
        if self.faults is not None:
            self.faults.stop()

    async def run_timer(self, name: str) -> None:
        """Run a timer-triggered function now, and what follows without time passing."""
        (function,) = [each for each in self.app.timers if each.name == name]
        await self.host.fire(function)
        await self.run_until_idle()

    @property
    def receiver(self) -> Receiver | None:
        """Answers what the app sends to other servers."""
        return self._http.receiver

    @receiver.setter
    def receiver(self, receiver: Receiver | None) -> None:
        self._http.receiver = receiver

    # The task hub

    def instance(self, id: str) -> Instance | None:
        """An orchestration instance, or None where there is none."""
        return self.store.instance(id)

    def instances(self) -> list[Instance]:
        """All orchestration instances, by id."""
        return self.store.instances(Query(limit=1_000_000))

    def entity(self, name: str, key: str) -> str | None:
        """The state of an entity, as JSON, or None where there is none."""
        return self.store.entity(f"@{name.lower()}@{key}")

    def entities(self, name: str) -> list[Entity]:
        """The entities of a class, by key."""
        return self.store.entities(Query(prefix=f"@{name.lower()}@", limit=1_000_000))

    def counting(self) -> AbstractContextManager[Costs]:
        """Count what is asked of the task hub in the block."""
        return self.management.counting()

    def intercepting(self, decide: Decide) -> AbstractContextManager[None]:
        """Let `decide` answer requests to the task hub in the block, or leave them with None."""
        return self.management.intercepted(decide)

    # Start and stop

    def _prepare_app(self, stack: AsyncExitStack) -> None:
        clock = self._clock = VirtualClock(self.app_now, self._loop.time, self._loop.suspend)
        stack.callback(clock.uninstall)
        if not isinstance(self._source, App):
            self._modules = AppModules(Path(self._source))
            stack.callback(self._modules.restore)

    def app_now(self) -> datetime:
        """Return what the clock of the running function shows: faults may put it a second out."""
        return self.now() + timedelta(seconds=clock_skew.get())

    def _load(self) -> App:
        """The app for a new worker."""
        if isinstance(self._source, App):
            app = self._source
        else:
            app, modules = self._modules.load(self._config)
            self._clock.install(modules)

        self.app = self._wrap(app) if self._wrap else app
        if self._timers:
            return self.app
        return App([each for each in self.app.functions if each not in self.app.timers])

    async def _begin(self) -> None:
        app = self._load()
        load_app = None if isinstance(self._source, App) else self._load
        build = build_faulty_host(self.faults, load_app) if self.faults else build_host
        store = cast("Store", StoreLeftOpen(self.store))
        self.host, api = build(app, store, self._config, self.now, InlineWorkers)
        self.management = ObservedManagement(api)

        routes = route_table(app.http, self._config.route_prefix)
        self._server = HttpServer(
            FunctionEndpoint(self.host, routes),
            [
                ManagementEndpoint(self.management, ORIGIN),
                AdminEndpoint(self.host, routes.errors),
            ],
            custom_headers=self._config.custom_headers,
        )

        exchange = InMemory(self.management, ORIGIN)
        self._handed_over = handed_over(exchange.base, exchange)
        self._handed_over.__enter__()
        self.host.start(client_binding(ORIGIN, self._config.hub_name))

    async def _end(self) -> None:
        await self.host.end_background_tasks(END_SECONDS)
        self._handed_over.__exit__(None, None, None)
        await self.host.stop()


class StoreLeftOpen(Wrapper):
    """A store that its host does not close: whoever opened it does."""

    def close(self) -> None:
        """Leave it open."""
