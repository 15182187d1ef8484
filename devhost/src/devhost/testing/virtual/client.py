"""What a test does with a host in virtual time: let time pass, and send requests."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from yarl import URL

from devhost.http.heads import parse_head
from devhost.http.requests import Request
from devhost.http.server import HttpServer
from devhost.testing.faulty.processes import HostDied
from devhost.testing.responses import NoResponse, Response
from devhost.testing.virtual.loop import VirtualLoop

ORIGIN = "http://localhost:7071"


class Timeline:
    """Time on a virtual event loop."""

    def __init__(self, start: datetime) -> None:
        """`start` is the time of day when it begins."""
        self._start = start
        self._loop: VirtualLoop
        self._began: float

    def _begin_time(self) -> None:
        """Let time begin. Raises RuntimeError if the running event loop is not virtual."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise RuntimeError("a VirtualHost needs a virtual event loop: see virtual_time and run")
        self._loop, self._began = loop, loop.time()

    def now(self) -> datetime:
        """Return the present moment, to the microsecond."""
        return self._start + timedelta(seconds=round(self._loop.time() - self._began, 6))

    async def sleep(self, seconds: float) -> None:
        """Let this many seconds pass, for one of several clients."""
        await asyncio.sleep(seconds)

    async def advance(self, **span: float) -> None:
        """Let time pass, given as for timedelta. What falls due happens at its time."""
        await asyncio.sleep(timedelta(**span).total_seconds())
        await self.run_until_idle()

    async def run_until_idle(self) -> None:
        """Let everything happen that takes no time."""
        while not self._loop.is_idle():  # noqa: ASYNC110  # an event would be one more thing to do
            await asyncio.sleep(0)

    def suspend(self, **span: float) -> None:
        """Let time pass while the machine sleeps. What falls due happens late, when it goes on."""
        self._loop.suspend(timedelta(**span).total_seconds())


class Client(Timeline):
    """Sends requests to a host, and gets its responses."""

    _server: HttpServer

    async def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Send a request as one of several clients: return when it is answered. Raises NoResponse.

        The path may also be one of the management API.
        """
        request = _request(method, path, headers or {}, body)
        try:
            response = await self._server(request)
        except HostDied as death:
            raise NoResponse("the host died") from death

        names = {name.lower(): value for name, value in response.headers}
        return Response(response.status, names, b"" if method == "HEAD" else response.body)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request, and let everything happen that follows from it without time passing.

        As on Azure, a function does not see a parameter of the query that is empty.
        """
        target = str(URL(path, encoded=True).extend_query(params)) if params else path
        response = await self.call(method, target, headers, body)
        await self.run_until_idle()
        return response

    async def get(self, path: str, **options: Any) -> Response:
        """Send a GET. The options are those of `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: bytes = b"", **options: Any) -> Response:
        """Send a POST. The options are those of `request`."""
        return await self.request("POST", path, body, **options)


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Request:
    given = {"Host": URL(ORIGIN).authority}
    if body:
        given["Content-Length"] = str(len(body))
    given |= headers
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]

    async def read() -> bytes:
        return body

    return Request(parse_head("\r\n".join([*lines, "", ""]).encode()), "", read)
