"""What call_http does: one request, and then polling for as long as the answers are 202, as the Durable extension has
it (TaskHttpActivityShim and CallHttpAsync).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import aiohttp

from devhost.engine import Outcome

DEFAULT_POLL_SECONDS = 30.0
TIMEOUT = aiohttp.ClientTimeout(total=100)
"""Of .NET's HttpClient."""


async def poll(request: dict[str, Any]) -> AsyncIterator[dict[str, Any] | Outcome]:
    """Send the request and follow its 202 answers.

    Gives each request that is to come next, before it waits for its time, and in the end the outcome. Raises
    aiohttp.ClientError or TimeoutError when there is no answer.
    """
    if request.get("tokenSource"):
        yield Outcome(error="devhost has no managed identity: call_http with a token source works in Azure only")
        return
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        while True:
            if seconds := request.pop("after", None):
                await asyncio.sleep(seconds)
            response = await _send(session, request)
            headers = {name.lower(): value for name, value in response["headers"].items()}
            if response["statusCode"] != 202 or "location" not in headers:
                yield Outcome(result=json.dumps(response))
                return
            request = {
                "method": "GET",
                "uri": urljoin(request["uri"], headers["location"]),
                "headers": request.get("headers"),
                "after": _seconds(headers.get("retry-after")),
            }
            yield dict(request)


async def _send(session: aiohttp.ClientSession, request: dict[str, Any]) -> dict[str, Any]:
    headers = dict(request.get("headers") or {})
    content = request.get("content")
    if content is not None and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "text/plain"
    async with session.request(request["method"], request["uri"], data=content, headers=headers) as response:
        text = await response.text()
        return {"statusCode": response.status, "headers": dict(response.headers), "content": text}


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else DEFAULT_POLL_SECONDS
