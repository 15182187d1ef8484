"""The management API for the SDK's client in the same process: its requests are handed over, not
sent.
"""

import json

from yarl import URL

from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest
from devhost.management.urls import PREFIX
from devhost.storage.store import StoreError


class InMemory:
    """Answers requests to the management API as HTTP does."""

    def __init__(self, management: ManagementApi, origin: str) -> None:
        self.base = origin + PREFIX
        """What the URLs that it answers begin with."""
        self._management = management
        self._origin = origin

    async def __call__(self, method: str, url: str, body: str | None) -> tuple[int, str]:
        """Answer a request; `body` is JSON, or None."""
        address = URL(url)  # as aiohttp's client reads it
        request = ManagementRequest(
            method=method,
            path=address.raw_path[len(PREFIX) :],
            origin=self._origin,
            query=dict(address.query),
            body=body or "",
            is_json=body is not None,
        )
        try:
            response = await self._management.answer(request)
        except StoreError as error:
            return 500, json.dumps({"Message": str(error)})
        return response.status, response.body
