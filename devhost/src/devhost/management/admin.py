"""What the real host itself has under /admin and /runtime/webhooks: devhost has what probes and
developers ask for.

Most of it needs a key there; devhost has none, so that any will do.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Mapping

from devhost.functions.invocation import FunctionInfo
from devhost.host import Host
from devhost.http.heads import Head
from devhost.http.responses import Response
from devhost.http.targets import parse_query

OPEN = ("/admin/host/ping", "/admin/warmup")
OF_HOST = "config|drain|extensionbundle|functionkeys|keys|log|processes|resume|scale|status|synctriggers|systemkeys"
WITH_KEY = re.compile(rf"/admin/(functions|vfs|host/({OF_HOST}))(/.*)?|/runtime/webhooks/.*")
"""What the real host has besides."""
NOT_CACHED = [("Cache-Control", "no-store,no-cache"), ("Pragma", "no-cache")]


class Admin:
    """Answers what belongs to no function of the app."""

    def __init__(self, host: Host, errors: Mapping[str, str]) -> None:
        self._host = host
        self._errors = errors
        self._functions = {each.name.lower(): each for each in host.app.functions}
        self._began = time.monotonic()
        self._fired: set[asyncio.Task[None]] = set()

    def answers(self, path: str) -> bool:
        """Whether a path, in lower case, is the host's own."""
        return path.removesuffix("/") in OPEN or WITH_KEY.fullmatch(path) is not None

    def answer(self, head: Head, body: bytes) -> Response:
        """The response to a request for a path of its own."""
        path = head.path.lower().removesuffix("/")
        if path == "/admin/host/ping":
            return Response(200, NOT_CACHED)
        if path == "/admin/warmup":
            return Response(200)
        if path.startswith("/admin/vfs"):
            return Response(403 if _has_key(head) else 401)
        if not _has_key(head):
            return Response(401, [("WWW-Authenticate", "Bearer")])
        match head.method, path.split("/")[2:]:
            case _, ["host", "status"]:
                return self._status()
            case "GET", ["functions", name, "status"] if name in self._functions:
                return self._status_of(self._functions[name])
            case "POST", ["functions", name] if name in self._functions:
                return self._run(self._functions[name], head, body)
        return Response(404)

    def _status(self) -> Response:
        uptime = round((time.monotonic() - self._began) * 1000)
        status = {
            "id": "devhost",
            "state": "Running",
            "version": "4.1037.0.0",
            "versionDetails": "4.1037.0",
        }
        more = {
            "platformVersion": "",
            "instanceId": "",
            "computerName": "",
            "processUptime": uptime,
        }
        return _json(status | more | {"functionAppContentEditingState": "Unknown"})

    def _status_of(self, function: FunctionInfo) -> Response:
        error = self._errors.get(function.name)
        return _json({} if error is None else {"errors": [error]})

    def _run(self, function: FunctionInfo, head: Head, body: bytes) -> Response:
        """Run a timer-triggered function out of its turn: other ones have triggers that anybody can
        pull.
        """
        if (
            head.headers.get("content-type", "").partition(";")[0].strip().lower()
            != "application/json"
        ):
            return Response(415)
        try:
            json.loads(body)
        except ValueError:
            return Response(400)
        if function not in self._host.app.timers:
            return Response(404)
        task = asyncio.get_running_loop().create_task(self._host.fire(function))
        self._fired.add(task)
        task.add_done_callback(self._fired.discard)
        return Response(202)


def not_found(head: Head) -> Response:
    """The response where there is no function: the home page, which devhost has not, can be
    switched off.
    """
    is_off = os.environ.get("AzureWebJobsDisableHomepage", "").lower() == "true"  # noqa: SIM112  # its name
    return Response(204 if is_off and head.path == "/" else 404)


def _has_key(head: Head) -> bool:
    """Whether a request names a key in its header or query."""
    names = {name.lower() for name in parse_query(head.query[1:])}
    return "code" in names or head.headers.get("x-functions-key", "") != ""


def _json(value: object) -> Response:
    return Response(
        200, [("Content-Type", "application/json; charset=utf-8")], json.dumps(value).encode()
    )
