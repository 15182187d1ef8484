"""The HTTP front: finds the function that a request triggers, and translates both ways. No logic beyond that."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from azure.functions import meta

from devhost.host import Host
from devhost.invocation import log_failure
from devhost.sdk import convert_in, convert_out
from devhost.server.management import CONTINUATION, PREFIX, Call, Management
from devhost.server.routing import ENCODED_SLASH, Route
from devhost.store import StoreError

log = logging.getLogger("devhost")
requests_log = logging.getLogger("devhost.requests")

LARGEST_BODY = 100 * 1024 * 1024
"""Bytes; what Azure Functions accepts by default."""
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
"""A Host header, which becomes part of the URL that a function sees; others are refused."""


def server(front: Front) -> web.Server:
    """An aiohttp server without routing and log of its own."""
    loop = asyncio.get_running_loop()

    def request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_BODY)

    log.addFilter(_without_trace_of_bad_requests)
    return web.Server(front, request_factory=request_factory, access_log=None, logger=log)


def _without_trace_of_bad_requests(record: logging.LogRecord) -> bool:
    """What a client sent wrong is a line; aiohttp would show a trace."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        # without its message, which quotes the request
        record.msg, record.args, record.exc_info = "refused a request: %s", (type(error).__name__,), None
    return True


class Front:
    """Serves the requests of an aiohttp server."""

    def __init__(self, host: Host, management: Management, routes: list[Route]) -> None:
        self._host = host
        self._management = management
        self._routes = routes
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

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; one to a function leaves a line in the log, without query and parameters."""
        path = request.rel_url.raw_path
        if path.lower().startswith(PREFIX):
            return await self._manage(request, path[len(PREFIX) :])
        if self._draining:
            return web.Response(status=503, headers={"Connection": "close", "Retry-After": "1"})
        began = time.monotonic()
        self._serving += 1
        try:
            shown, response = await self._serve(request, path)
        finally:
            self._serving -= 1
            if self._draining and not self._serving:
                self._idle.set()
        milliseconds = (time.monotonic() - began) * 1000
        requests_log.info("%s %s %d %.0f ms", request.method, shown, response.status, milliseconds)
        return response

    async def _manage(self, request: web.BaseRequest, path: str) -> web.Response:
        try:
            body = await request.text() if request.can_read_body else ""
        except (ValueError, LookupError):
            return web.json_response({"Message": "The body is not text in the charset that it names."}, status=400)
        call = Call(
            method=request.method,
            path=path,
            origin=self.origin,
            query=dict(request.rel_url.query),
            body=body,
            is_json=request.content_type == "application/json",
            continuation=request.headers.get(CONTINUATION, ""),
        )
        try:
            reply = await self._management.answer(call)
        except StoreError as error:
            return web.json_response({"Message": str(error)}, status=500)
        content_type = "application/json" if reply.body else None
        return web.Response(status=reply.status, text=reply.body, headers=reply.headers, content_type=content_type)

    async def _serve(self, request: web.BaseRequest, path: str) -> tuple[str, web.StreamResponse]:
        if not HOST.fullmatch(request.host):
            return path, web.Response(status=400, text="The Host header is not valid.")
        decoded = unquote(ENCODED_SLASH.sub("%252F", path), errors="replace")
        for route in self._routes:
            if request.method in route.methods and (match := route.pattern.fullmatch(decoded)):
                return route.template, await self._invoke(request, route, match.groupdict())
        return path, web.Response(status=404)

    async def _invoke(
        self, request: web.BaseRequest, route: Route, parameters: dict[str, str | None]
    ) -> web.StreamResponse:
        function = route.function
        try:
            argument = await _to_function(request, parameters)
            result = await self._host.invoke(function, argument, request.headers)
            return _from_function(result)
        except web.HTTPException as error:
            return web.Response(status=error.status, text=error.text)
        except Exception as error:
            log_failure(function.name, error)
            return web.Response(status=500)


async def _to_function(request: web.BaseRequest, parameters: dict[str, str | None]) -> Any:
    """The HttpRequest that the function takes; like the real host, without query values that are empty."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.rel_url.raw_query_string, errors="replace"):
        _join(query, name, value)
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        _join(headers, name.lower(), value)
    http = {
        "method": _text(request.method),
        "url": _text(f"{request.scheme}://{request.host}{request.rel_url.raw_path_qs}"),
        "headers": {name: _text(value) for name, value in headers.items()},
        "query": {name: _text(value) for name, value in query.items()},
        "params": {name: _text(value) for name, value in parameters.items() if value is not None},
        "body": meta.Datum(await request.read(), "bytes"),
    }
    return convert_in("httpTrigger", http, "http")


def _join(values: dict[str, str], name: str, value: str) -> None:
    """Values of one name become one, with a comma between them, as on the real host."""
    values[name] = f"{values[name]},{value}" if name in values else value


def _text(value: str) -> meta.Datum:
    return meta.Datum(value, "string")


def _from_function(result: Any) -> web.Response:
    if result is None:
        return web.Response(status=204)
    datum = convert_out("http", result)
    if datum.type == "string":
        return web.Response(text=datum.value)
    http = datum.value
    response = web.Response(status=int(http["status_code"].value), body=http["body"].value)
    for name, value in http["headers"].items():
        response.headers[name] = value.value
    for cookie in http["cookies"] or []:
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
