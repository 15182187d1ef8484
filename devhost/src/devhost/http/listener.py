"""The listener: takes connections, and knows those that are open."""

import asyncio
from contextlib import suppress

from devhost.http.connection import Connection, Handler, Limits

LIMITS = Limits()


class Listener:
    """Listens, and has requests answered by a handler."""

    def __init__(self, handler: Handler, limits: Limits = LIMITS) -> None:
        self._handler = handler
        self._limits = limits
        self.connections: set[Connection] = set()
        """Those that are open."""

    async def start(self, address: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._handler, self.connections, self._limits),
            address,
            port,
            backlog=self._limits.connections,
        )
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def stop(self, seconds: float) -> None:
        """Listen no more, and end the connections; what is not answered yet never will be.

        Clients have so long to read what was.
        """
        self._server.close()
        open = list(self.connections)
        for connection in open:
            connection.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for connection in open:
                    await connection.closed.wait()
