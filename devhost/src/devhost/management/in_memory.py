"""The management API for the SDK's client in the same process: its requests are handed over, not
sent.
"""

import json

from yarl import URL

from devhost.management.api import PREFIX, Call, Management
from devhost.storage.store import StoreError


class InMemory:
    """Answers requests to the management API as HTTP does."""

    def __init__(self, management: Management, origin: str) -> None:
        self.base = origin + PREFIX
        """What the URLs that it answers begin with."""
        self._management = management
        self._origin = origin

    async def __call__(self, method: str, url: str, body: str | None) -> tuple[int, str]:
        """Answer a request; `body` is JSON, or None."""
        address = URL(url)  # as aiohttp's client reads it
        call = Call(
            method=method,
            path=address.raw_path[len(PREFIX) :],
            origin=self._origin,
            query=dict(address.query),
            body=body or "",
            is_json=body is not None,
        )
        try:
            reply = await self._management.answer(call)
        except StoreError as error:
            return 500, json.dumps({"Message": str(error)})
        return reply.status, reply.body
