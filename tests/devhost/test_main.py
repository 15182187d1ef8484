import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parent.parent.parent
APP = """
    import asyncio
    import logging
    import time
    import azure.functions as func
    app = func.FunctionApp()
    @app.route("hello")
    def hello(req: func.HttpRequest) -> str:
        logging.info("somebody came")
        return "hello"
    @app.route("slow")
    async def slow(req: func.HttpRequest) -> str:
        await asyncio.sleep(1)
        return "done"
    @app.route("stuck")
    def stuck(req: func.HttpRequest):
        time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a small app."""
    (tmp_path / "function_app.py").write_text(textwrap.dedent(APP))
    return tmp_path


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "devhost", *map(str, options)]


def fails(*options: object, **environment: str) -> str:
    """Run a devhost that cannot start; returns its one line."""
    done = subprocess.run(
        command(*options), capture_output=True, text=True, cwd=ROOT, timeout=30, env=os.environ | environment
    )
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


class Running:
    """A devhost that has printed that it is ready."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.process = subprocess.Popen(
            command("--app", folder, "--port", 0, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.printed = []
        for line in self.process.stdout:
            self.printed.append(line)
            if ready := re.search(r"ready on (http://\S+),", line):
                self.url = ready[1]
                return
        pytest.fail("".join(self.printed))

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop it; returns what it printed since it was ready."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=20)[0]


def test_what_is_being_served_is_answered_before_the_end(folder) -> None:
    """While nothing new is taken."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(requests.get, f"{running.url}/api/slow")
        time.sleep(0.3)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert requests.get(f"{running.url}/api/hello").status_code == 503
        assert slow.result().text == "done"
    running.process.communicate(timeout=20)
    assert running.process.returncode == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_data_file_that_goes_away_ends_it(folder, replaced) -> None:
    """With one line, whatever a function is stuck in: nothing that is written would be found again."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        stuck = pool.submit(requests.get, f"{running.url}/api/stuck")
        time.sleep(0.3)
        data = folder / ".devhost" / "taskhub.db"
        data.rename(folder / "kept.db")
        if replaced:
            shutil.copy(folder / "kept.db", data)
        printed = running.process.communicate(timeout=20)[0].splitlines()
        assert stuck.exception() is not None
    assert running.process.returncode == 1
    assert printed[-1] == f"devhost: {data} was deleted or replaced"


def test_a_second_signal_ends_it_at_once(folder) -> None:
    """Whatever a function is stuck in."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        stuck = pool.submit(requests.get, f"{running.url}/api/stuck")
        time.sleep(0.3)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        began = time.monotonic()
        running.stop(signal.SIGINT)
        assert time.monotonic() - began < 5
        assert stuck.exception() is not None
    assert running.process.returncode == 128 + signal.SIGINT


def test_a_function_that_is_stuck_does_not_keep_it(folder) -> None:
    """It is given some seconds to answer; what its thread does after that counts as not done."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        stuck = pool.submit(requests.get, f"{running.url}/api/stuck")
        time.sleep(0.3)
        assert running.stop().splitlines()[-1] == "devhost: stopping"
        assert stuck.exception() is not None
    assert running.process.returncode == 0


@pytest.mark.parametrize(("host", "shown"), [("::1", "[::1]"), ("0.0.0.0", "127.0.0.1")])
def test_another_address_to_listen_on(folder, host, shown) -> None:
    """The URLs are such that this machine reaches them."""
    running = Running(folder, "--host", host)
    assert running.url.startswith(f"http://{shown}:")
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    running.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(folder, number) -> None:
    """It prints its functions and then a line for each request, and Ctrl-C or SIGTERM ends it cleanly."""
    running = Running(folder)
    assert f"\thello: [GET,POST,DELETE,HEAD,PATCH,PUT,OPTIONS] {running.url}/api/hello\n" in running.printed
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    rest = running.stop(number)
    assert running.process.returncode == 0
    logged, request, stopping = rest.splitlines()
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] somebody came", logged)
    assert re.fullmatch(r"\[.+Z\] GET /api/hello 200 \d+ ms", request)
    assert stopping == "devhost: stopping"
    assert (folder / ".devhost" / "taskhub.db").is_file()


def test_it_says_how_unkind_it_was(folder) -> None:
    """What went wrong, at its end."""
    running = Running(folder, "--unkind", 7)
    assert "devhost: unkind, with seed 7: expect what goes wrong on Azure now and then\n" in running.printed
    management = f"{running.url}/runtime/webhooks/durabletask/entities/nothing/a"
    for _ in range(20):
        requests.get(management)
    stopping, wrong = running.stop().splitlines()[-2:]
    assert stopping == "devhost: stopping"
    assert re.fullmatch(r"devhost: was unkind: answer delayed \d+(, [a-z ]+ \d+)*", wrong)


def test_a_port_that_is_taken(folder) -> None:
    """One line, and another exit code."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "address already in use" in fails("--app", folder, "--port", port)


def test_a_data_folder_that_cannot_be_used(folder) -> None:
    """Because it is a file."""
    file = folder / "file"
    file.write_text("")
    assert str(file) in fails("--app", folder, "--port", 0, "--data", file)


def test_an_app_that_fails_to_import(folder) -> None:
    """What went wrong, and where."""
    (folder / "function_app.py").write_text("x = 1 / 0")
    line = fails("--app", folder, "--port", 0)
    assert line == (
        f"devhost: {folder}/function_app.py failed to import at {folder}/function_app.py:1: "
        f"ZeroDivisionError: division by zero"
    )


def test_a_setting_that_is_not_allowed() -> None:
    """The setting, its value, and what is allowed."""
    line = fails("--app", ROOT, "--port", 0, REGISTRY_OPEN_SECONDS="soon")
    assert "REGISTRY_OPEN_SECONDS is 'soon', but must be a whole number from 1 to 86400" in line


def test_several_settings_that_are_not_allowed() -> None:
    """A line for each."""
    done = subprocess.run(
        command("--app", ROOT, "--port", 0),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        env=os.environ | {"REGISTRY_OPEN_SECONDS": "soon", "REGISTRY_MAX_ITEMS": "0"},
    )
    first, second = done.stderr.splitlines()
    assert "REGISTRY_OPEN_SECONDS is 'soon'" in first
    assert second == "REGISTRY_MAX_ITEMS is '0', but must be a whole number from 1 to 1000"


def test_a_second_devhost_on_the_same_data(folder) -> None:
    """One line for the second; the first goes on."""
    running = Running(folder)
    assert "taskhub.db is in use by another devhost" in fails("--app", folder, "--port", 0)
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    running.stop()


def test_it_explains_itself() -> None:
    """--help names each option."""
    done = subprocess.run(command("--help"), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 0
    for option in ("--port", "--host", "--app", "--data", "--unkind"):
        assert option in done.stdout


@pytest.mark.parametrize("port", ["-1", "65536", "http", "\N{SUPERSCRIPT TWO}"])
def test_a_port_that_is_no_port(port) -> None:
    """Named, with what is allowed."""
    done = subprocess.run(command(f"--port={port}"), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 2
    assert f"{port!r} is not a port from 0 to 65535" in done.stderr
