"""What call_http does: one request.

The SDK does not ask for the asynchronous pattern, so a 202 is a response like any other.
"""

import json
from typing import Any

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=100)
"""The default of .NET's HttpClient."""
NOT_SENT_BY_DOTNET = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add."""
CONTENT_HEADERS = {
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
"""Headers that .NET keeps with the content of a response, so that no orchestrator gets them."""


class NoIdentity(Exception):
    """A request has a token source, but there is no managed identity outside of Azure."""

    def __init__(self) -> None:
        super().__init__(
            "devhost has no managed identity: call_http with a token source works in Azure only"
        )


async def send(request: dict[str, Any]) -> str:
    """Send the request of a call_http. Returns the response as JSON.

    Raises aiohttp.ClientError or TimeoutError if there is none, and NoIdentity.
    """
    if request.get("tokenSource"):
        raise NoIdentity

    content = request.get("content")
    headers = dict(request.get("headers") or {})
    if content is not None and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "text/plain; charset=utf-8"

    async with (
        aiohttp.ClientSession(timeout=TIMEOUT, skip_auto_headers=NOT_SENT_BY_DOTNET) as session,
        session.request(
            request["method"], request["uri"], data=content, headers=headers
        ) as response,
    ):
        return json.dumps(
            {
                "statusCode": response.status,
                "headers": _headers(response),
                "content": await response.text(),
            }
        )


def _headers(response: aiohttp.ClientResponse) -> dict[str, str | list[str]]:
    """The headers as .NET shows them: several of one name are a list."""
    headers: dict[str, str | list[str]] = {}
    for name, value in response.headers.items():
        if name.lower() in CONTENT_HEADERS:
            continue
        values = response.headers.getall(name)
        headers[name] = value if len(values) == 1 else values
    return headers
