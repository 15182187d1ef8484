"""HTTP requests that an app sends, answered in memory: by its own host, or by a test's receiver."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from unittest.mock import patch

import aiohttp
import requests
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from devhost.testing.responses import Response, Send

Receiver = Callable[[str, str, Mapping[str, str], bytes], int | Awaitable[int]]
"""Stands for every other server: gets the method, the URL, the headers (names in lower case) and
the body of a request, and returns the status of the response.

It may be a coroutine function, and take its time. An OSError that it raises is a broken connection
for the app, a TimeoutError is a response that did not come in time.
"""


UNSET = object()


class OutgoingHttp:
    """Answers what the app sends with aiohttp or requests."""

    def __init__(self, origin: str, send_to_host: Send) -> None:
        self.receiver: Receiver | None = None
        """Where it is None, connections are refused."""
        self._origin = URL(origin).origin()
        self._send_to_host = send_to_host

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the two clients in the block."""

        async def request(
            session: aiohttp.ClientSession, method: str, url: Any, **options: Any
        ) -> InMemoryResponse:
            return await self._send_with_aiohttp(session, method, url, **options)

        def send(
            session: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            return self._send_with_requests(request)

        with (
            patch("aiohttp.ClientSession._request", request),
            patch("requests.sessions.Session.send", send),
        ):
            yield

    async def _send_with_aiohttp(
        self,
        session: aiohttp.ClientSession,
        method: str,
        address: str | URL,
        *,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        headers: Any = None,
        timeout: Any = UNSET,  # noqa: ASYNC109  # a parameter of aiohttp
        **_: Any,
    ) -> "InMemoryResponse":
        url = session._build_url(address).extend_query(params or {})
        given = CIMultiDict(session._prepare_headers(headers))
        if json is not None:
            data = session._json_serialize(json)
            given.setdefault("Content-Type", "application/json")

        limit = session.timeout if timeout is UNSET else timeout
        seconds = limit.total if isinstance(limit, aiohttp.ClientTimeout) else limit
        async with asyncio.timeout(seconds):
            response = await self._response(method, url, given, _bytes(data))
        return InMemoryResponse(method, url, response)

    async def _response(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes
    ) -> Response:
        if url.origin() == self._origin:
            return await self._send_to_host(method, url.raw_path_qs, dict(headers), body)
        try:
            status = self._receive(method, url, headers, body)
            return Response(await status if isinstance(status, Awaitable) else status, {}, b"")
        except TimeoutError:
            raise
        except OSError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error

    def _send_with_requests(self, request: requests.PreparedRequest) -> requests.Response:
        response = requests.Response()
        response.request, response.url, response.raw = request, str(request.url), BytesIO()
        try:
            status = self._receive(
                str(request.method), URL(response.url), request.headers, _bytes(request.body)
            )
        except TimeoutError as error:
            raise requests.Timeout(str(error)) from error
        except OSError as error:
            raise requests.ConnectionError(str(error)) from error

        if not isinstance(status, int):
            raise TypeError("a receiver of what is sent with requests must not be a coroutine")
        response.status_code = status
        return response

    def _receive(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes
    ) -> int | Awaitable[int]:
        if self.receiver is None:
            raise ConnectionRefusedError(f"nobody listens at {url}")
        return self.receiver(method, str(url), _lower_case(headers), body)


class InMemoryResponse:
    """What users of aiohttp's client get as the response."""

    def __init__(self, method: str, url: URL, response: Response) -> None:
        self.method, self.url, self.status = method, url, response.status
        self.headers = CIMultiDictProxy(CIMultiDict(response.headers))
        self.ok = self.status < 400
        self._body = response.body

    async def __aenter__(self) -> "InMemoryResponse":
        return self

    async def __aexit__(self, *error: object) -> None:
        """There is no connection to give back."""

    async def read(self) -> bytes:
        return self._body

    async def text(self) -> str:
        return self._body.decode()

    async def json(self, **_: Any) -> Any:
        return json.loads(self._body) if self._body.strip() else None

    def release(self) -> None:
        """There is no connection to give back."""

    def close(self) -> None:
        """There is no connection to close."""

    def raise_for_status(self) -> None:
        if not self.ok:
            info: Any = None
            raise aiohttp.ClientResponseError(info, (), status=self.status)


def _bytes(body: Any) -> bytes:
    content = body.encode() if isinstance(body, str) else body or b""
    if not isinstance(content, bytes):
        raise TypeError(f"a request in memory has no body of type {type(body).__name__}")
    return content


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
