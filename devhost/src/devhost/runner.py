"""Runs an app: connects its functions, its task hub and the HTTP server."""

import asyncio
import ipaddress
import logging
import os
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from devhost.composition import BuildHost, build_host
from devhost.engine.dispatcher import Clock
from devhost.functions.app import App
from devhost.functions.sdk import handed_over
from devhost.host import Host
from devhost.http.functions import FunctionEndpoint
from devhost.http.host_filter import HostFilter
from devhost.http.listener import Listener
from devhost.http.routing import Route, route_table
from devhost.http.server import HttpServer
from devhost.management.admin import AdminEndpoint
from devhost.management.endpoint import ManagementEndpoint
from devhost.management.in_memory import InMemory
from devhost.management.urls import client_binding
from devhost.printable import printable, printable_lines
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.store import Store

log = logging.getLogger("devhost")

SHUTDOWN_SECONDS = 5.0
"""How long requests that are being served may take once the host stops."""
THREADS = 1000
"""For functions that are not async; Azure's worker has as many."""


@dataclass(frozen=True)
class Running:
    """A host that is running."""

    origin: str
    """Its address, as http://host:port."""
    host: Host
    table: list[Route]


def _threads() -> int:
    count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return int(count) if count.isdecimal() and int(count) else THREADS


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@asynccontextmanager
async def running(
    app: App,
    store: Store,
    port: int = 0,
    *,
    address: str = "127.0.0.1",
    config: HostJson = DEFAULTS,
    clock: Clock = utc_now,
    build: BuildHost = build_host,
    grace_period: float = SHUTDOWN_SECONDS,
    allowed_hosts: Collection[str] = (),
    in_memory: bool = True,
) -> AsyncIterator[Running]:
    """Serve an app within the block; port 0 takes a free one.

    Requests must name this machine or one of `allowed_hosts` as their Host. If `in_memory`, the
    SDK's client reaches the management API without HTTP. At the end of the block, requests that are
    being served have `grace_period` seconds to be answered, and then background tasks of functions,
    which are cancelled, as many to end; then the store is closed.

    Raises AppError for routes with which the real host would not start, and OSError where the port
    cannot be taken.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_threads()))
    table = route_table(app.http, config.route_prefix)
    for name, error in table.errors.items():
        log.error("The '%s' function is in error: %s", printable(name), printable_lines(error))
    host, management = build(app, store, config, clock)
    listener = Listener()
    origin = f"http://{_reachable(address)}:{await listener.bind(address, port)}"
    server = HttpServer(
        FunctionEndpoint(host, table),
        [ManagementEndpoint(management, origin), AdminEndpoint(host, table.errors)],
        HostFilter({address.lower(), *map(str.lower, allowed_hosts)}),
        config.custom_headers,
    )
    exchange = InMemory(management, origin)
    try:
        with handed_over(exchange.base, exchange) if in_memory else nullcontext():
            await listener.serve(server)
            host.start(client_binding(origin, config.hub_name))
            yield Running(origin, host, table.routes)
            await server.drain(grace_period)
            await host.end_background_tasks(grace_period)
    finally:
        await listener.stop(grace_period)
        await host.stop()


def _reachable(address: str) -> str:
    """The address for URLs that lead to a server listening on `address`."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address  # a name
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return f"[{ip}]" if ip.version == 6 else str(ip)
