"""What call_http does: one request. The SDK says nothing of the asynchronous pattern, so a 202 is
an answer too.
"""

import json
from typing import Any

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=100)
"""Of .NET's HttpClient."""
NOT_ASKED_FOR = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp sends of its own accord, and .NET does not."""
OF_CONTENT = {
    "allow",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "expires",
    "last-modified",
}
"""Headers that .NET keeps with the content of a response: an orchestrator does not get them."""


class NoIdentity(Exception):
    """A request has a token source, and there is no managed identity outside of Azure."""

    def __init__(self) -> None:
        super().__init__(
            "devhost has no managed identity: call_http with a token source works in Azure only"
        )


async def send(request: dict[str, Any]) -> str:
    """Send the request; returns the response as JSON.

    Raises aiohttp.ClientError or TimeoutError where there is none, and NoIdentity.
    """
    if request.get("tokenSource"):
        raise NoIdentity
    headers, content = dict(request.get("headers") or {}), request.get("content")
    if content is not None and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    session = aiohttp.ClientSession(timeout=TIMEOUT, skip_auto_headers=NOT_ASKED_FOR)
    async with (
        session,
        session.request(
            request["method"], request["uri"], data=content, headers=headers
        ) as response,
    ):
        shown = {
            name: value if len(values := response.headers.getall(name)) == 1 else values
            for name, value in response.headers.items()
            if name.lower() not in OF_CONTENT
        }
        return json.dumps(
            {"statusCode": response.status, "headers": shown, "content": await response.text()}
        )
