"""A connection of a client, which is served by the rules of Kestrel, the real host's server."""

import asyncio
import logging

from devhost.http.heads import Head, HeadError
from devhost.http.incoming import ClientGone, Incoming
from devhost.http.reader import RequestReader
from devhost.http.requests import Handler, Limits, Request
from devhost.http.responses import PHRASES, Response, encode
from devhost.printable import printable_traceback

log = logging.getLogger("devhost")


class Connection(asyncio.Protocol):
    """Answers the requests of one client, one after the other."""

    transport: asyncio.Transport

    def __init__(self, handler: Handler, others: "set[Connection]", limits: Limits) -> None:
        """`others` are the open connections; this one adds and removes itself."""
        self._handler = handler
        self._others = others
        self._limits = limits
        self.closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._address = str((transport.get_extra_info("sockname") or [""])[0])
        self._incoming = Incoming(transport)
        self._reader = RequestReader(self._incoming, self._limits, transport.write)

        if len(self._others) >= self._limits.connections:
            self._send(Response(503, closes=True))
            self._say_farewell()
            return

        self._others.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._incoming.feed(data)

    def eof_received(self) -> bool:
        if self._incoming.ended:
            return False
        self._incoming.end()
        return True  # the requests that have come are still answered

    def connection_lost(self, error: Exception | None) -> None:
        self._others.discard(self)
        self.closed.set()
        self._writable.set()
        self._incoming.end()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def end(self) -> None:
        """Close the connection once everything written has been sent; answer no more requests."""
        self._task.cancel()
        self.transport.close()

    async def _serve(self) -> None:
        try:
            await self._serve_all()
        except HeadError as error:
            log.info("refused a request: %d %s", error.status, PHRASES[error.status])
            self._send(Response(error.status, closes=True))
        except ClientGone:
            pass
        except Exception as error:
            log.error("a connection failed: %s", printable_traceback(error))
        except asyncio.CancelledError:  # the host stops, or a simulated crash ends it
            self.transport.close()
            raise
        self._say_farewell()

    async def _serve_all(self) -> None:
        """Serve requests until one is the last. Raises HeadError or ClientGone."""
        seconds = self._limits.head_seconds
        while await self._serve_one(seconds):
            seconds = self._limits.idle_seconds

    async def _serve_one(self, seconds: float) -> bool:
        """Serve a request; returns whether another may follow. Raises HeadError or ClientGone."""
        head = await self._reader.read_head(seconds)
        request = Request(head, self._address, lambda: self._reader.read_body(head))
        response = await self._handler(request)

        stays_open = self._send(response, head)
        if not self._writable.is_set():
            await self._drain()
        return stays_open and await self._reader.skip_body(head)

    async def _drain(self) -> None:
        """Wait until the client has read most of what was written. Raises ClientGone."""
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                await self._writable.wait()
        except TimeoutError as error:
            raise ClientGone from error

    def _send(self, response: Response, head: Head | None = None) -> bool:
        """Write a response; returns whether the connection stays open."""
        method = head.method if head else ""
        may_stay = head.stays if head else False
        sent, stays_open = encode(response, method, may_stay)
        if not self.transport.is_closing():
            self.transport.write(sent)
        return stays_open

    def _say_farewell(self) -> None:
        """Close, but give the client time to read what was sent."""
        if self._incoming.ended or not self.transport.can_write_eof():
            self.transport.close()
            return

        self._incoming.discard()
        try:
            self.transport.write_eof()
        except OSError:  # the client has cut the connection
            self.transport.abort()
            return
        asyncio.get_running_loop().call_later(self._limits.farewell_seconds, self.transport.abort)
