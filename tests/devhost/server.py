"""A real host in the test's own process, on a free port."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from azure.durable_functions.models.utils import http_utils

from devhost.app import App
from devhost.config import DEFAULTS
from devhost.host import Host
from devhost.http import Front, routes, server
from devhost.store import Store
from devhost.unkind import Unkind
from devhost.unkind_host import UnkindHost


@contextmanager
def serving(app: App, path: Path | None = None, unkind: Unkind | None = None) -> Iterator[str]:
    """Serve the app for the length of the block; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def now() -> datetime:
        return datetime.now(UTC)

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    async def start() -> tuple[Host, web.ServerRunner, str]:
        host = Host(app, Store(path), now) if unkind is None else UnkindHost(app, Store(path), now, unkind, DEFAULTS)
        front = Front(host, routes(app.http, "api"))
        runner = web.ServerRunner(server(front), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        front.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        host.start(front.origin)
        return host, runner, front.origin

    async def stop(host: Host, runner: web.ServerRunner) -> None:
        await runner.cleanup()
        await host.stop()
        http_utils._session_lock = asyncio.Lock()  # the SDK's own is bound to this loop

    try:
        host, runner, origin = run(start())
        try:
            yield origin
        finally:
            run(stop(host, runner))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
