"""Reads the requests of one connection: heads, bodies, and bodies that nobody asked for."""

import asyncio
import re
from collections.abc import Callable

from devhost.http.heads import Head, HeadError, end_of_head, parse_head
from devhost.http.incoming import ClientGone, Incoming
from devhost.http.requests import LARGEST_BODY, Limits

CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;|$)")
LONGEST_CHUNK_LINE = 1024
"""Bytes of the line that begins a chunk."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestReader:
    """Reads one request after the other."""

    def __init__(self, incoming: Incoming, limits: Limits, write: Callable[[bytes], None]) -> None:
        """`write` sends bytes to the client, for an interim response."""
        self._incoming = incoming
        self._limits = limits
        self._write = write
        self._unread = 0

    async def read_head(self, seconds: float) -> Head:
        """Read the next head, which must begin within so many seconds.

        Raises HeadError or ClientGone.
        """
        await self._skip_empty_lines(seconds)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.head_seconds
        while (end := end_of_head(self._incoming.received)) is None:
            await self._wait_for_head(deadline - loop.time())

        head = parse_head(self._incoming.take(end))
        self._unread = head.length
        return head

    async def _skip_empty_lines(self, seconds: float) -> None:
        received = self._incoming.received
        while received.startswith((b"\r\n", b"\n")) or not received:
            if received:
                self._incoming.take(received.index(b"\n") + 1)
            else:
                await self._incoming.more(seconds)

    async def _wait_for_head(self, seconds: float) -> None:
        """Wait for more of the head. Raises HeadError 408 once the time is over."""
        if seconds <= 0:
            raise HeadError(408)
        try:
            await self._incoming.more(seconds)
        except ClientGone:
            if self._incoming.ended:
                raise

    async def read_body(self, head: Head) -> bytes:
        """Read the body of the current request. Raises ClientGone."""
        expects = head.headers.get("expect", "").lower()
        if self._unread and not self._incoming and expects == "100-continue":
            self._write(CONTINUE)

        body = bytearray()
        while self._unread:
            body += await self._take_unread()
        return bytes(body)

    async def skip_body(self, head: Head) -> bool:
        """Pass over the rest of the current request's body.

        Returns False where the next request cannot be found. Raises ClientGone.
        """
        if head.chunked:
            return await self._skip_chunks()
        if self._unread > LARGEST_BODY or (self._unread and "expect" in head.headers):
            return False
        while self._unread:
            await self._take_unread()
        return True

    async def _take_unread(self) -> bytes:
        part = await self._incoming.take_some(self._unread, self._limits.idle_seconds)
        self._unread -= len(part)
        return part

    async def _skip_chunks(self) -> bool:
        while (line := await self._take_line()) is not None:
            size = CHUNK_SIZE.match(line)
            if size is None:
                return False

            self._unread = int(size[1], 16)
            if not self._unread:
                return await self._skip_trailer()

            self._unread += len(b"\r\n")
            while self._unread:
                await self._take_unread()
        return False

    async def _skip_trailer(self) -> bool:
        while line := await self._take_line():
            pass
        return line is not None

    async def _take_line(self) -> bytes | None:
        return await self._incoming.take_line(LONGEST_CHUNK_LINE, self._limits.idle_seconds)
