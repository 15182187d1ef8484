"""Connections: requests are read from them and responses written to them, by the rules of Kestrel."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from devhost.http.heads import Head, HeadError, end_of_head, parse_head
from devhost.http.responses import PHRASES, Response, encode

log = logging.getLogger("devhost")

LARGEST_BODY = 100 * 1024 * 1024
"""Bytes; what Azure Functions accepts by default."""
BUFFERED = 2**18
"""Bytes that a client may be ahead."""
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;|$)")
CHUNK_LINE = 1024
"""Bytes of the line that begins a chunk."""


@dataclass(frozen=True)
class Limits:
    """What clients may take of the host's time and connections."""

    head_seconds: float = 10.0
    """From the first byte of a request's head to its last, and from the connection to the first
    request.
    """
    idle_seconds: float = 130.0
    """Between two requests, and between two parts of a body."""
    connections: int = 1000
    farewell_seconds: float = 2.0
    """How long a client that still sends is listened to after the last response, or it might never
    read that.
    """


@dataclass(frozen=True)
class Request:
    """A request, whose body is read when it is asked for."""

    head: Head
    address: str
    """The address of this machine that the client connected to."""
    read: Callable[[], Awaitable[bytes]]
    """Reads the body; one that is chunked is empty, as functions get it on the real host."""


class ClientGone(Exception):
    """The client ended the connection, or was silent for too long."""


Handler = Callable[[Request], Awaitable[Response]]


class Connection(asyncio.Protocol):
    """A connection of a client: one request after the other."""

    transport: asyncio.Transport

    def __init__(self, handler: Handler, others: "set[Connection]", limits: Limits) -> None:
        self._handler = handler
        self._others = others
        self._limits = limits
        self._received = bytearray()
        self._unread = 0
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self.closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._address = str((transport.get_extra_info("sockname") or [""])[0])
        if len(self._others) >= self._limits.connections:
            self._send(Response(503, closes=True))
            self._say_farewell()
            return
        self._others.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._received += data
        if len(self._received) > BUFFERED:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        self._wake()
        return True  # what was asked is still answered

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._others.discard(self)
        self.closed.set()
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def end(self) -> None:
        """End it, whatever is being asked, once what was said has been sent."""
        self._task.cancel()
        self.transport.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self, seconds: float) -> None:
        """Wait for more bytes. Raises ClientGone."""
        if self._ended:
            raise ClientGone
        self.transport.resume_reading()
        loop = asyncio.get_running_loop()
        before = len(self._received)
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await waiter
        finally:
            timer.cancel()
        if len(self._received) == before:
            raise ClientGone

    async def _serve(self) -> None:
        try:
            seconds = self._limits.head_seconds
            while await self._serve_one(seconds):
                seconds = self._limits.idle_seconds
        except HeadError as error:
            log.info("refused a request: %d %s", error.status, PHRASES[error.status])
            self._send(Response(error.status, closes=True))
        except ClientGone:
            pass
        except Exception:
            log.exception("a connection failed")
        except (
            asyncio.CancelledError
        ):  # the end of the host, or of one that dies as an unkind one does
            self.transport.close()
            raise
        self._say_farewell()

    async def _serve_one(self, seconds: float) -> bool:
        """Serve a request; False where it is the last. Raises HeadError or ClientGone."""
        head = parse_head(await self._read_head(seconds))
        self._unread = head.length
        response = await self._handler(Request(head, self._address, lambda: self._read_body(head)))
        stays = self._send(response, head)
        if not self._writable.is_set():
            await self._drain()
        return stays and await self._skip_body(head)

    async def _drain(self) -> None:
        """Wait until the client has read most of what was written. Raises ClientGone."""
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                await self._writable.wait()
        except TimeoutError as error:
            raise ClientGone from error

    async def _read_head(self, seconds: float) -> bytes:
        while self._received.startswith((b"\r\n", b"\n")) or not self._received:
            if self._received:
                del self._received[: self._received.index(b"\n") + 1]
            else:
                await self._more(seconds)
        give_up = asyncio.get_running_loop().time() + self._limits.head_seconds
        while (end := end_of_head(self._received)) is None:
            left = give_up - asyncio.get_running_loop().time()
            if left <= 0:
                raise HeadError(408)
            try:
                await self._more(left)
            except ClientGone:
                if self._ended:
                    raise
        return self._take(end)

    async def _read_body(self, head: Head) -> bytes:
        """The body of the request that is being served. Raises ClientGone."""
        if (
            self._unread
            and not self._received
            and head.headers.get("expect", "").lower() == "100-continue"
        ):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        while self._unread:
            if not self._received:
                await self._more(self._limits.idle_seconds)
            part = self._take(self._unread)
            self._unread -= len(part)
            body += part
        return bytes(body)

    async def _skip_body(self, head: Head) -> bool:
        """Leave behind what is left of a body; False where the next request cannot be found. Raises
        ClientGone.
        """
        if head.chunked:
            return await self._skip_chunks()
        if self._unread > LARGEST_BODY or (self._unread and "expect" in head.headers):
            return False
        while self._unread:
            if not self._received:
                await self._more(self._limits.idle_seconds)
            self._unread -= len(self._take(self._unread))
        return True

    async def _skip_chunks(self) -> bool:
        while (line := await self._line()) is not None:
            size = CHUNK_SIZE.match(line)
            if size is None:
                return False
            self._unread = int(size[1], 16)
            if not self._unread:
                while line := await self._line():
                    pass  # of the trailer
                return line is not None
            self._unread += 2
            while self._unread > 0:
                if not self._received:
                    await self._more(self._limits.idle_seconds)
                self._unread -= len(self._take(self._unread))
        return False

    async def _line(self) -> bytes | None:
        """A line; None where it has no end."""
        while (end := self._received.find(b"\n") + 1) == 0:
            if len(self._received) > CHUNK_LINE:
                return None
            await self._more(self._limits.idle_seconds)
        return self._take(end).rstrip(b"\r\n")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _send(self, response: Response, head: Head | None = None) -> bool:
        """Write a response; returns whether the connection stays open."""
        sent, stays = encode(response, head.method if head else "", head.stays if head else False)
        if not self.transport.is_closing():
            self.transport.write(sent)
        return stays

    def _say_farewell(self) -> None:
        """Close, but not before the client could read what was sent."""
        if self._ended or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._ended = True
        self._received.clear()
        self.transport.resume_reading()
        try:
            self.transport.write_eof()
        except OSError:  # the client has cut the connection
            self.transport.abort()
            return
        asyncio.get_running_loop().call_later(self._limits.farewell_seconds, self.transport.abort)
