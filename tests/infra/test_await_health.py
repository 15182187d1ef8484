"""The hook that waits for the app, against servers that answer as the platform and the host do."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from infra import await_health
from tests.e2e.process import Devhost
from tests.support.program import ROOT

HEALTHY = (200, json.dumps({"status": "Healthy", "version": "1.0"}))
DETAIL = "REGISTRY_MAX_ITEMS is 'many', but must be a whole number from 1 to 1000"
PROBLEM = {"type": "/api/docs#misconfigured", "status": 503, "detail": DETAIL}
MISCONFIGURED = (503, json.dumps(PROBLEM))
NOT_RUNNING = (503, "Function host is not running.")


class Time:
    """A clock that moves by pauses only."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@contextmanager
def answering(answer: Callable[[], tuple[int, str]]) -> Iterator[str]:
    """The URL of a server that answers /api/health like this; with status 0 it hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer() if self.path == "/api/health" else (418, "")
            if not status:
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def unused_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def wait(url: str, time: Time | None = None) -> int:
    time = time or Time()
    environment = {
        "FUNCTION_APP_URL": url,
        "FUNCTION_APP_NAME": "func-1",
        "AZURE_RESOURCE_GROUP": "rg-1",
    }
    return await_health.main(environment, time.clock, time.pause)


def test_a_running_app_is_announced(tmp_path, capsys) -> None:
    """With the address of its page, and how to get its key; here it is this app on devhost."""
    with Devhost(tmp_path / "data") as devhost:
        assert wait(devhost.url) == 0
    printed = capsys.readouterr().out
    assert f"{devhost.url} is the page, {devhost.url}/api/docs the API" in printed
    assert "az functionapp keys list --name func-1 --resource-group rg-1" in printed
    assert f"{devhost.url}/?code=KEY" in printed


def test_it_waits_until_the_app_comes_up(capsys) -> None:
    """And shows each new answer, and one that stays the same every half a minute."""
    answers = iter([NOT_RUNNING] * 8 + [(404, "")] * 2 + [HEALTHY])
    time = Time()
    with answering(lambda: next(answers)) as url:
        assert wait(url, time) == 0
    assert time.now == 50
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  after")]
    assert [line.split(":")[0] for line in lines] == ["  after 0 s", "  after 30 s", "  after 40 s"]


@pytest.mark.parametrize(
    ("answer", "explanation"),
    [
        ((404, ""), "404: the app has no functions."),
        (MISCONFIGURED, f"503: {DETAIL}."),
        (NOT_RUNNING, "503 from the host, which does not start."),
        ((403, "<html>This web app is stopped."), "403: the app is stopped"),
        ((500, "[]"), "500 without a reason"),
        ((200, "<html>Your app is up and running"), "is this the app?"),
    ],
    ids=["no functions", "misconfigured", "no host", "stopped", "broken", "another app"],
)
def test_it_explains_why_an_app_does_not_come_up(answer, explanation, capsys) -> None:
    """After ten minutes it says what the last answer means, and where to look."""
    time = Time()
    with answering(lambda: answer) as url:
        assert wait(url, time) == 1
    assert time.now == await_health.PATIENCE

    printed = capsys.readouterr().err
    assert explanation in printed.splitlines()[0]
    assert "az functionapp config appsettings list --name func-1 --resource-group rg-1" in printed
    assert "func-1 in https://portal.azure.com" in printed


@pytest.mark.parametrize("how", ["refused", "hung up"])
def test_no_answer(how, capsys) -> None:
    """Nobody listens, or the server hangs up."""
    with answering(lambda: (0, "")) as hanging_up:
        assert wait(unused_url() if how == "refused" else hanging_up) == 1
    assert "The app does not come up: no answer: " in capsys.readouterr().err


def test_no_such_name() -> None:
    """It takes the platform a while to publish it."""
    assert await_health.ask("http://no-such-name.invalid/api/health").startswith("no answer: ")


def test_without_a_deployment(capsys) -> None:
    """It says what is missing, and how to run it."""
    assert await_health.main({"FUNCTION_APP_URL": "https://example.org"}) == 1

    printed = capsys.readouterr().err
    assert printed.startswith("AZURE_RESOURCE_GROUP, FUNCTION_APP_NAME missing: set them, or run")


def test_ctrl_c_ends_it() -> None:
    """With a line, and without a traceback."""
    environment = os.environ | {
        "FUNCTION_APP_URL": unused_url(),
        "FUNCTION_APP_NAME": "x",
        "AZURE_RESOURCE_GROUP": "y",
    }
    command = [sys.executable, "infra/await_health.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as waiting:
        assert "Waiting for" in waiting.stdout.readline()
        assert "after 0 s: no answer" in waiting.stdout.readline()  # it is in its pause then
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) == 1
        assert waiting.stderr.read().strip().startswith("Stopped waiting")
