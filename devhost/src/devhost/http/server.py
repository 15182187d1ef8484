"""The HTTP front: finds who answers a request, a function or the management API, and translates
both ways.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qsl

from devhost.functions.invocation import log_failure
from devhost.host import Host
from devhost.http.connection import LARGEST_BODY, Request
from devhost.http.heads import HOST, Head
from devhost.http.host_filter import HostFilter
from devhost.http.messages import from_function, to_function
from devhost.http.responses import Response
from devhost.http.routing import Route, RouteTable
from devhost.http.targets import encode_path
from devhost.management.admin import Admin, not_found
from devhost.management.api import ManagementApi
from devhost.management.lists import CONTINUATION
from devhost.management.messages import ManagementRequest
from devhost.management.urls import PREFIX
from devhost.storage.store import StoreError

log = logging.getLogger("devhost")
requests_log = logging.getLogger("devhost.requests")

LARGEST_MANAGEMENT_BODY = 2**20
"""Bytes of a request to the management API."""
JSON = "application/json"
MISDIRECTED = b"devhost serves only this machine: start it with --allow-host NAME to be reached by another name.\n"
FOREIGN = b"devhost serves no page of another origin.\n"
TOO_LARGE = Response(
    413, [("Content-Type", "text/plain")], b"The body has more than 1 MiB.\n", closes=True
)
GUARD = HostFilter()


class HttpServer:
    """Serves requests."""

    def __init__(
        self,
        host: Host,
        management: ManagementApi,
        table: RouteTable,
        guard: HostFilter = GUARD,
        custom_headers: Mapping[str, str] = {},
    ) -> None:
        self._host = host
        self._management = management
        self._table = table
        self._guard = guard
        self._custom_headers = custom_headers
        self._admin = Admin(host, table.errors)
        self._serving = 0
        self._idle = asyncio.Event()
        self._draining = False
        self.origin = ""
        """The address, as http://host:port; known once the server listens."""

    async def drain(self, seconds: float) -> None:
        """Take no more requests for functions, and let those end that are being served.

        The management API goes on meanwhile: functions need it.
        """
        self._draining = True
        if self._serving:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), seconds)

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        response = await self._answer(request)
        return response.with_headers(self._custom_headers) if self._custom_headers else response

    async def _answer(self, request: Request) -> Response:
        head = request.head
        if not _has_url(head):
            return Response(500)
        if refused := self._guard.refusal(head, request.address):
            return Response(
                refused,
                [("Content-Type", "text/plain")],
                MISDIRECTED if refused == 421 else FOREIGN,
            )
        path = head.path.lower()
        if path.startswith(PREFIX):
            return await self._manage(request)
        if self._draining:
            return Response(503, [("Retry-After", "1")], closes=True)
        if self._admin.answers(path):
            return (
                self._admin.answer(head, await request.read())
                if head.length <= LARGEST_MANAGEMENT_BODY
                else TOO_LARGE
            )
        return await self._serve(request)

    async def _manage(self, request: Request) -> Response:
        head = request.head
        content_type, _, charset = head.headers.get("content-type", "").lower().partition(";")
        if head.length > LARGEST_MANAGEMENT_BODY:
            return TOO_LARGE
        path = head.target if head.target.lower().startswith(PREFIX) else encode_path(head.path)
        try:
            body = (await request.read()).decode(
                charset.partition("charset=")[2].strip(' "') or "utf-8"
            )
        except (ValueError, LookupError):
            return _json(400, '{"Message": "The body is not text in the charset that it names."}')
        call = ManagementRequest(
            method=head.method,
            path=path[len(PREFIX) :],
            origin=self.origin,
            query=_joined(parse_qsl(head.query[1:], keep_blank_values=True)),
            body=body,
            is_json=content_type.strip() == JSON,
            continuation=head.headers.get(CONTINUATION, ""),
        )
        try:
            reply = await self._management.answer(call)
        except StoreError as error:
            return _json(500, json.dumps({"Message": str(error)}))
        return _json(reply.status, reply.body, reply.headers)

    async def _serve(self, request: Request) -> Response:
        """Let a function answer; that leaves a line in the log, without query and parameters."""
        head = request.head
        began = time.monotonic()
        self._serving += 1
        try:
            found = self._table.find(head.method, head.path)
            response = await self._invoke(request, *found) if found else not_found(head)
        finally:
            self._serving -= 1
            if self._draining and not self._serving:
                self._idle.set()
        shown = found[0].template if found else head.target
        level = (
            logging.DEBUG
            if head.method in ("GET", "HEAD") and response.status in (200, 304)
            else logging.INFO
        )
        requests_log.log(
            level,
            "%s %s %d %.0f ms",
            head.method,
            shown,
            response.status,
            (time.monotonic() - began) * 1000,
        )
        return response

    async def _invoke(self, request: Request, route: Route, parameters: dict[str, str]) -> Response:
        function = route.function
        if request.head.length > LARGEST_BODY:
            return Response(500, closes=True)
        body = await request.read()
        try:
            argument = to_function(request.head, body, parameters, function.converter)
            return from_function(await self._host.invoke(function, argument, request.head.headers))
        except Exception as error:
            log_failure(function.name, error)
            return Response(500)


def _has_url(head: Head) -> bool:
    """Whether a URL can be made of what the Host header says."""
    found = HOST.fullmatch(head.host)
    return found is not None and found["name"] != "" and int(found["port"] or 0) < 2**16


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Values of one name become one, with a comma between them."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _json(status: int, body: str, headers: Mapping[str, str] = {}) -> Response:
    content_type = [("Content-Type", f"{JSON}; charset=utf-8")] if body else []
    return Response(status, [*headers.items(), *content_type], body.encode())
