"""The bytes that a client has sent and that nobody has read yet."""

import asyncio

BUFFERED = 2**18
"""Bytes to buffer before the client has to wait."""


class ClientGone(Exception):
    """The client ended the connection, or was silent for too long."""


class Incoming:
    """A buffer that the transport fills and that is read from the front."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._received = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False
        """Whether nothing more will come."""

    def __bool__(self) -> bool:
        return bool(self._received)

    @property
    def received(self) -> bytearray:
        """All that can be read at once; look, but leave it unchanged."""
        return self._received

    def feed(self, data: bytes) -> None:
        """Add what has come from the client."""
        if self.ended:
            return
        self._received += data
        if len(self._received) > BUFFERED:
            self._transport.pause_reading()
        self.wake()

    def end(self) -> None:
        """The client sends no more."""
        self.ended = True
        self.wake()

    def discard(self) -> None:
        """Ignore what was received, and whatever follows."""
        self.ended = True
        self._received.clear()
        self._transport.resume_reading()

    def wake(self) -> None:
        """Let the reader that is waiting go on."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def more(self, seconds: float) -> None:
        """Wait for more bytes, for at most so many seconds. Raises ClientGone."""
        if self.ended:
            raise ClientGone
        self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        before = len(self._received)
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
        if len(self._received) == before:
            raise ClientGone

    def take(self, count: int) -> bytes:
        """Remove at most so many bytes from the front."""
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    async def take_some(self, most: int, seconds: float) -> bytes:
        """Remove from one to `most` bytes; waits for the first. Raises ClientGone."""
        if not self._received:
            await self.more(seconds)
        return self.take(most)

    async def take_line(self, longest: int, seconds: float) -> bytes | None:
        """Remove a line, and return it without its end; None if it is too long.

        Raises ClientGone.
        """
        while (end := self._received.find(b"\n") + 1) == 0:
            if len(self._received) > longest:
                return None
            await self.more(seconds)
        return self.take(end).rstrip(b"\r\n")
