import asyncio
import json

import azure.functions as func
import pytest

from devhost.functions.indexing import index
from devhost.runner import running
from devhost.storage.sqlite import open_store
from tests.conformance.wire import Answer, ask


def answer(
    target: str,
    method: str = "GET",
    key: str = "any",
    body: str = "",
    content_type: str = "application/json",
) -> Answer:
    """Ask a host for one of its own paths; its function `x` is in error, `hourly` has a timer."""
    return asyncio.run(_answer(f"{method} {target}", key, body, content_type))[0]


async def _answer(line: str, key: str, body: str, content_type: str) -> tuple[Answer, list[str]]:
    app, ran = func.FunctionApp(), asyncio.Queue()

    @app.route("same")
    def w(req: func.HttpRequest): ...

    @app.route("same")
    def x(req: func.HttpRequest): ...

    @app.timer_trigger("timer", "0 0 3 1 1 *")
    async def hourly(timer: func.TimerRequest) -> None:
        await ran.put("hourly")

    head = f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    head += f"Content-Length: {len(body)}\r\n"
    head += f"x-functions-key: {key}\r\n\r\n" if key else "\r\n"
    async with running(index(app), open_store(), grace_period=0.1) as served:
        found = await ask(int(served.origin.rpartition(":")[2]), {"raw": head + body})
        return found, [await ran.get()] if found["status"].startswith("HTTP/1.1 202") else []


def test_probes_need_no_key() -> None:
    """Any method will do; the response is not cached."""
    pinged = answer("/admin/host/ping", "POST", key="")
    assert (pinged["status"], pinged["body"]) == ("HTTP/1.1 200 OK", "")
    assert "Cache-Control: no-store,no-cache" in pinged["headers"]
    assert answer("/ADMIN/warmup/", key="")["status"] == "HTTP/1.1 200 OK"


def test_the_home_page_can_be_switched_off(monkeypatch) -> None:
    """Then `/` is 204. devhost has no home page, so that otherwise it is 404."""
    assert answer("/")["status"] == "HTTP/1.1 404 Not Found"
    monkeypatch.setenv("AzureWebJobsDisableHomepage", "True")
    assert answer("/", "POST")["status"] == "HTTP/1.1 204 No Content"
    assert answer("/x")["status"] == "HTTP/1.1 404 Not Found"


def test_the_host_status_is_running() -> None:
    """Any key will do."""
    assert json.loads(answer("/admin/host/status")["body"])["state"] == "Running"
    assert json.loads(answer("/admin/host/status?Code=x", key="")["body"])["state"] == "Running"


@pytest.mark.parametrize(
    "target", ["/admin/host/status", "/admin/functions/x", "/runtime/webhooks/blobs", "/admin/vfs/"]
)
def test_a_request_without_a_key_is_401(target) -> None:
    assert answer(target, key="")["status"] == "HTTP/1.1 401 Unauthorized"


def test_the_status_of_a_function_has_the_reason_why_it_does_not_run() -> None:
    reason = "The route specified conflicts with the route defined by function 'w'."
    assert json.loads(answer("/admin/functions/X/status")["body"]) == {"errors": [reason]}
    assert json.loads(answer("/admin/functions/w/status")["body"]) == {}


def test_a_timer_function_runs_on_demand() -> None:
    """The response does not wait for it."""
    found, ran = asyncio.run(
        _answer("POST /admin/functions/hourly", "any", "{}", "application/json; charset=utf-8")
    )
    assert (found["status"], ran) == ("HTTP/1.1 202 Accepted", ["hourly"])


@pytest.mark.parametrize(
    ("name", "body", "content_type", "status"),
    [
        ("nosuch", "{}", "application/json", "404 Not Found"),
        ("w", "{}", "application/json", "404 Not Found"),
        ("hourly", "", "application/json", "400 Bad Request"),
        ("hourly", "{}", "text/plain", "415 Unsupported Media Type"),
    ],
)
def test_only_timer_functions_run_on_demand(name, body, content_type, status) -> None:
    """Others are 404; a body that is not JSON is refused."""
    found = answer(f"/admin/functions/{name}", "POST", body=body, content_type=content_type)
    assert found["status"] == f"HTTP/1.1 {status}"


def test_paths_that_the_real_host_does_not_have_are_404() -> None:
    """Even without a key."""
    assert answer("/admin/host/nosuch", key="")["status"] == "HTTP/1.1 404 Not Found"
    assert answer("/admin/functionsx", key="")["status"] == "HTTP/1.1 404 Not Found"


def test_paths_that_only_the_real_host_has_are_404() -> None:
    """With a key; the app's files are forbidden."""
    assert answer("/admin/host/keys")["status"] == "HTTP/1.1 404 Not Found"
    assert answer("/admin/functions/w/nosuch")["status"] == "HTTP/1.1 404 Not Found"
    assert answer("/admin/vfs/")["status"] == "HTTP/1.1 403 Forbidden"
