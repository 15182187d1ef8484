"""The management API for the SDK's client in the same process, without HTTP between them."""

from yarl import URL

from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest, store_error
from devhost.management.urls import PREFIX
from devhost.storage.store import StoreError


class InMemory:
    """Answers the client's requests as it would get them answered over HTTP."""

    def __init__(self, api: ManagementApi, origin: str) -> None:
        self.base = origin + PREFIX
        """The beginning of the URLs that it answers."""
        self._api = api
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
            response = await self._api.answer(request)
        except StoreError as error:
            response = store_error(error)
        return response.status, response.body
