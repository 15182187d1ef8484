"""A real host in the test's own process, on a free port."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.durable_functions.models.utils import http_utils

from devhost.composition import BuildHost, build_host
from devhost.functions.app import App
from devhost.runner import running
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.sqlite import open_store


@contextmanager
def serving(
    app: App,
    path: Path | None = None,
    build: BuildHost = build_host,
    config: HostJson = DEFAULTS,
) -> Iterator[str]:
    """Serve the app for the length of the block; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    async def make():
        return running(app, open_store(path), build=build, grace_period=1, config=config)

    try:
        context = run(make())
        served = run(context.__aenter__())
        try:
            yield served.origin
        finally:
            run(context.__aexit__(None, None, None))
            http_utils._session_lock = asyncio.Lock()  # the SDK's own is bound to this loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
