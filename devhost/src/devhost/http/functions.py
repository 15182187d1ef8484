"""HTTP-triggered functions: finds the function that a request is for, calls it, and logs that."""

import asyncio
import logging
import os
import time
from contextlib import suppress

from devhost.functions.invocation import log_failure
from devhost.host import Host
from devhost.http.heads import Head
from devhost.http.messages import from_function, to_function
from devhost.http.requests import LARGEST_BODY, Request
from devhost.http.responses import Response
from devhost.http.routing import Route, RouteTable
from devhost.printable import printable

requests_log = logging.getLogger("devhost.requests")


class FunctionEndpoint:
    """Answers by the functions of the app; a path without a function is 404."""

    serves_while_draining = False

    def __init__(self, host: Host, table: RouteTable) -> None:
        self._host = host
        self._table = table
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def answers(self, path: str) -> bool:
        """Every path: this endpoint is asked last."""
        return True

    async def answer(self, request: Request) -> Response:
        """Let a function answer, and write a line to the log, without query and parameters."""
        began = time.monotonic()
        found = self._table.find(request.head.method, request.head.path)
        self._running += 1
        self._idle.clear()
        try:
            response = await self._invoke(request, *found) if found else _not_found(request.head)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

        route = found[0].template if found else request.head.target
        _log_request(request.head.method, route, response.status, time.monotonic() - began)
        return response

    async def wait_until_idle(self, seconds: float) -> None:
        """Wait until no function is running, but not longer than so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    async def _invoke(self, request: Request, route: Route, parameters: dict[str, str]) -> Response:
        function, head = route.function, request.head
        if head.length > LARGEST_BODY:
            return Response(500, closes=True)

        body = await request.read()
        try:
            argument = to_function(head, body, parameters, function.converter)
            return from_function(await self._host.invoke(function, argument, head.headers))
        except Exception as error:
            log_failure(function.name, error)
            return Response(500)


def _not_found(head: Head) -> Response:
    """The response where there is no function.

    The real host has a home page at `/`, which a setting turns off: then it answers 204.
    """
    setting = os.environ.get("AzureWebJobsDisableHomepage", "")  # noqa: SIM112  # its name
    has_no_home_page = setting.lower() == "true"
    return Response(204 if has_no_home_page and head.path == "/" else 404)


def _log_request(method: str, route: str, status: int, seconds: float) -> None:
    """Log a request; one that only reads, and succeeds, is a detail."""
    is_detail = method in ("GET", "HEAD") and status in (200, 304)
    level = logging.DEBUG if is_detail else logging.INFO
    if requests_log.isEnabledFor(level):
        asked = f"{printable(method)} {printable(route)}"
        requests_log.log(level, "%s %d %.0f ms", asked, status, seconds * 1000)
