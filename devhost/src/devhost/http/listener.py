"""The listener: accepts connections, and knows those that are open."""

import asyncio
from contextlib import suppress

from devhost.http.connection import Connection
from devhost.http.requests import Handler, Limits

LIMITS = Limits()


class Listener:
    """Listens on a port, from `bind` and `serve` to `stop`."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._handler: Handler
        self.connections: set[Connection] = set()
        """Those that are open."""

    async def bind(self, address: str, port: int) -> int:
        """Take a port, or a free one for 0, and return its number. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection,
            address,
            port,
            backlog=self._limits.connections,
            start_serving=False,
        )
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def _connection(self) -> Connection:
        return Connection(self._handler, self.connections, self._limits)

    async def serve(self, handler: Handler) -> None:
        """Let a handler answer the requests that come. Raises OSError."""
        self._handler = handler
        await self._server.start_serving()

    async def stop(self, seconds: float) -> None:
        """Stop listening, and close the connections; pending requests stay unanswered.

        Clients have so many seconds to read what was sent.
        """
        self._server.close()
        connections = list(self.connections)
        for connection in connections:
            connection.end()

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for connection in connections:
                    await connection.closed.wait()
