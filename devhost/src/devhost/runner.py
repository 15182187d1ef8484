"""The composition: an app on a task hub, served over HTTP."""

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
from devhost.http.host_filter import Guard
from devhost.http.listener import Listener
from devhost.http.routing import Route, route_table
from devhost.http.server import Front
from devhost.management.api import client_binding
from devhost.management.in_memory import InMemory
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.store import Store

log = logging.getLogger("devhost")

SHUTDOWN_SECONDS = 5.0
"""How long what is being served has to come to its end."""
THREADS = 1000
"""As many as Azure's worker has for functions that are not async: none of them waits for another.
"""


@dataclass(frozen=True)
class Running:
    """What is running, and where."""

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
    patience: float = SHUTDOWN_SECONDS,
    allowed_hosts: Collection[str] = (),
    in_memory: bool = True,
) -> AsyncIterator[Running]:
    """Serve an app for the length of the block; port 0 is a free one.

    Only who names this machine as the Host is served, or one of `allowed_hosts`. What the SDK's
    client asks of the management API is handed over in memory, or sent over HTTP. At the end of the
    block, requests that are being served have `patience` seconds to be answered; then the store is
    closed. Raises AppError for routes that the real host would not run with, and OSError where the
    port cannot be had.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_threads()))
    table = route_table(app.http, config.route_prefix)
    for name, error in table.errors.items():
        log.error("The '%s' function is in error: %s", name, error)
    host, management = build(app, store, config, clock)
    guard = Guard({address.lower(), *map(str.lower, allowed_hosts)})
    front = Front(host, management, table, guard, config.custom_headers)
    listener = Listener(front)
    listening_on = await listener.start(address, port)
    try:
        front.origin = f"http://{_reachable(address)}:{listening_on}"
        exchange = InMemory(management, front.origin)
        with handed_over(exchange.base, exchange) if in_memory else nullcontext():
            host.start(client_binding(front.origin, config.hub_name))
            yield Running(front.origin, host, table.routes)
            await front.drain(patience)
    finally:
        await listener.stop(patience)
        await host.stop()


def _reachable(address: str) -> str:
    """An address, as a URL has it, under which this machine reaches what listens on `address`."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address  # a name
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return f"[{ip}]" if ip.version == 6 else str(ip)
