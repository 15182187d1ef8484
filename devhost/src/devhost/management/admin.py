"""The host's own paths: /admin, and what else lies under /runtime/webhooks.

devhost has what probes and developers ask for. Most of it needs a key on the real host; devhost has
no keys, so it accepts any.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping

from devhost.functions.invocation import FunctionInfo
from devhost.host import Host
from devhost.http.heads import Head
from devhost.http.requests import Request
from devhost.http.responses import Response
from devhost.http.targets import parse_query
from devhost.management.endpoint import JSON, LARGEST_BODY, TOO_LARGE

PING, WARMUP = "/admin/host/ping", "/admin/warmup"
OF_HOST = (
    "config|drain|extensionbundle|functionkeys|keys|log|processes|resume|scale|status|synctriggers"
    "|systemkeys"
)
WITH_KEY = re.compile(rf"/admin/(functions|vfs|host/({OF_HOST}))(/.*)?|/runtime/webhooks/.*")
"""The paths that need a key on the real host."""
NOT_CACHED = [("Cache-Control", "no-store,no-cache"), ("Pragma", "no-cache")]
STATUS = {
    "id": "devhost",
    "state": "Running",
    "version": "4.1037.0.0",
    "versionDetails": "4.1037.0",
    "platformVersion": "",
    "instanceId": "",
    "computerName": "",
    "functionAppContentEditingState": "Unknown",
}


class AdminEndpoint:
    """Answers requests to the host itself."""

    serves_while_draining = False

    def __init__(self, host: Host, errors: Mapping[str, str]) -> None:
        """`errors` are the reasons why functions are left out, by their names."""
        self._host = host
        self._errors = errors
        self._functions = {each.name.lower(): each for each in host.app.functions}
        self._began = time.monotonic()
        self._fired: set[asyncio.Task[None]] = set()

    def answers(self, path: str) -> bool:
        """Whether a path, in lower case, is the host's own."""
        is_open = path.removesuffix("/") in (PING, WARMUP)
        return is_open or WITH_KEY.fullmatch(path) is not None

    async def answer(self, request: Request) -> Response:
        """Answer a request to the host."""
        head = request.head
        if head.length > LARGEST_BODY:
            return TOO_LARGE

        body = await request.read()
        path = head.path.lower().removesuffix("/")
        if path == PING:
            return Response(200, NOT_CACHED)
        if path == WARMUP:
            return Response(200)
        if path.startswith("/admin/vfs"):
            return Response(403 if _has_key(head) else 401)
        if not _has_key(head):
            return Response(401, [("WWW-Authenticate", "Bearer")])
        return self._answer_with_key(head, path, body)

    def _answer_with_key(self, head: Head, path: str, body: bytes) -> Response:
        match head.method, path.split("/")[2:]:
            case _, ["host", "status"]:
                return self._host_status()
            case "GET", ["functions", name, "status"] if name in self._functions:
                return self._function_status(self._functions[name])
            case "POST", ["functions", name] if name in self._functions:
                return self._run(self._functions[name], head, body)
        return Response(404)

    def _host_status(self) -> Response:
        uptime = round((time.monotonic() - self._began) * 1000)
        return _json(STATUS | {"processUptime": uptime})

    def _function_status(self, function: FunctionInfo) -> Response:
        error = self._errors.get(function.name)
        return _json({} if error is None else {"errors": [error]})

    def _run(self, function: FunctionInfo, head: Head, body: bytes) -> Response:
        """Run a timer-triggered function now; the triggers of others can be used as they are."""
        content_type = head.headers.get("content-type", "").partition(";")[0]
        if content_type.strip().lower() != JSON:
            return Response(415)
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return Response(400)
        if function not in self._host.app.timers:
            return Response(404)

        task = asyncio.get_running_loop().create_task(self._host.fire(function))
        self._fired.add(task)
        task.add_done_callback(self._fired.discard)
        return Response(202)


def _has_key(head: Head) -> bool:
    """Whether a request names a key in its header or query."""
    names = {name.lower() for name in parse_query(head.query[1:])}
    return "code" in names or head.headers.get("x-functions-key", "") != ""


def _json(value: object) -> Response:
    content_type = ("Content-Type", f"{JSON}; charset=utf-8")
    return Response(200, [content_type], json.dumps(value).encode())
