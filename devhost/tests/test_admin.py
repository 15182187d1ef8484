import asyncio
import json

import azure.functions as func
import pytest

from devhost.functions.loading import index
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
    """What the host itself answers; `x` of its functions is in error, and `hourly` has a timer."""
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

    head = f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    head += f"x-functions-key: {key}\r\n\r\n" if key else "\r\n"
    async with running(index(app), open_store(), patience=0.1) as served:
        found = await ask(int(served.origin.rpartition(":")[2]), {"raw": head + body})
        return found, [await ran.get()] if found["status"].startswith("HTTP/1.1 202") else []


def test_who_asks_whether_it_lives_is_told() -> None:
    """Without a key, by any method, and nothing of it is cached."""
    pinged = answer("/admin/host/ping", "POST", key="")
    assert (pinged["status"], pinged["body"]) == ("HTTP/1.1 200 OK", "")
    assert "Cache-Control: no-store,no-cache" in pinged["headers"]
    assert answer("/ADMIN/warmup/", key="")["status"] == "HTTP/1.1 200 OK"


def test_the_home_page_can_be_switched_off(monkeypatch) -> None:
    """Then `/` is there, and empty; devhost has none, so that else it is not found."""
    assert answer("/")["status"] == "HTTP/1.1 404 Not Found"
    monkeypatch.setenv("AzureWebJobsDisableHomepage", "True")
    assert answer("/", "POST")["status"] == "HTTP/1.1 204 No Content"
    assert answer("/x")["status"] == "HTTP/1.1 404 Not Found"


def test_its_status_is_that_it_runs() -> None:
    """Told to who names a key, whichever that is."""
    assert json.loads(answer("/admin/host/status")["body"])["state"] == "Running"
    assert json.loads(answer("/admin/host/status?Code=x", key="")["body"])["state"] == "Running"


@pytest.mark.parametrize(
    "target", ["/admin/host/status", "/admin/functions/x", "/runtime/webhooks/blobs", "/admin/vfs/"]
)
def test_who_names_no_key_is_unauthorized(target) -> None:
    """As in Azure."""
    assert answer(target, key="")["status"] == "HTTP/1.1 401 Unauthorized"


def test_a_function_says_why_it_does_not_run() -> None:
    """Those that run have no errors."""
    reason = "The route specified conflicts with the route defined by function 'w'."
    assert json.loads(answer("/admin/functions/X/status")["body"]) == {"errors": [reason]}
    assert json.loads(answer("/admin/functions/w/status")["body"]) == {}


def test_a_timer_function_runs_on_demand() -> None:
    """The answer does not wait for its end."""
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
def test_what_cannot_be_run_is_refused(name, body, content_type, status) -> None:
    """A function that is not there or has no timer, and a request that is not JSON."""
    found = answer(f"/admin/functions/{name}", "POST", body=body, content_type=content_type)
    assert found["status"] == f"HTTP/1.1 {status}"


def test_what_the_real_host_has_not_either_is_not_found() -> None:
    """Whoever asks."""
    assert answer("/admin/host/nosuch", key="")["status"] == "HTTP/1.1 404 Not Found"
    assert answer("/admin/functionsx", key="")["status"] == "HTTP/1.1 404 Not Found"


def test_what_is_not_offered_is_not_found() -> None:
    """With a key; the files of the app are forbidden."""
    assert answer("/admin/host/keys")["status"] == "HTTP/1.1 404 Not Found"
    assert answer("/admin/functions/w/nosuch")["status"] == "HTTP/1.1 404 Not Found"
    assert answer("/admin/vfs/")["status"] == "HTTP/1.1 403 Forbidden"
