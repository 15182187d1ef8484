"""A Target that is reached over sockets, in real time, and a receiver for its deliveries."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
from aiohttp import web
from yarl import URL

from devhost.testing import NoResponse, Response
from tests.support.promises.checker import Receiver

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)


class Sockets:
    """Sends requests to a host at a URL, which may be started again."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Send one request. Raises NoResponse."""
        url = URL(self._url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body or None
            ) as answer:
                shown = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, shown, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoResponse from error


@asynccontextmanager
async def sockets(url: str) -> AsyncIterator[Sockets]:
    """A Target at a URL that has a scheme, a host and a port."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        yield Sockets(session, url)


@asynccontextmanager
async def receiving(receiver: Receiver, port: int) -> AsyncIterator[None]:
    """Receive deliveries to a port of this machine in the block."""

    async def receive(request: web.Request) -> web.Response:
        return web.Response(
            status=receiver.receive(request.headers["webhook-id"], json.loads(await request.read()))
        )

    app = web.Application()
    app.router.add_post("/gifts", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
