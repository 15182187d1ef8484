import importlib
import inspect
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from devhost.process import raise_file_limit
from devhost.runner import SHUTDOWN_SECONDS

ROOT = Path(__file__).parents[3]
APP = """
    import asyncio
    import logging
    import os
    import sys
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
    @app.route("blocks")
    async def blocks(req: func.HttpRequest):
        time.sleep(60)
    @app.route("where")
    def where(req: func.HttpRequest) -> str:
        names = (
            "AzureWebJobsScriptRoot",
            "FUNCTIONS_WORKER_RUNTIME",
            "PYTHON_THREADPOOL_THREAD_COUNT",
        )
        return "|".join([os.getcwd(), *(os.environ[name] for name in names)])
    @app.route("exit/{how}")
    async def exit(req: func.HttpRequest) -> str:
        async def leave():
            sys.exit(3)
        await (leave() if req.route_params["how"] == "now" else asyncio.create_task(leave()))
    @app.timer_trigger("timer", schedule="0 0 3 * * *")
    def clean(timer: func.TimerRequest): ...
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a small app."""
    (tmp_path / "function_app.py").write_text(textwrap.dedent(APP))
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    return tmp_path


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "devhost", *map(str, options)]


def fails(*options: object, **environment: str) -> str:
    """Run a devhost that cannot start; returns its one line."""
    done = subprocess.run(
        command(*options),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        env=os.environ | environment,
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


def test_running_requests_are_answered_before_the_end(folder) -> None:
    """New ones are refused meanwhile."""
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
def test_it_ends_when_its_data_file_goes_away(folder, replaced) -> None:
    """With one line, within a second, whatever a function is stuck in."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        stuck = pool.submit(requests.get, f"{running.url}/api/stuck")
        time.sleep(0.3)
        data = folder / ".devhost" / "taskhub.db"
        began = time.monotonic()
        data.rename(folder / "kept.db")
        if replaced:
            shutil.copy(folder / "kept.db", data)
        printed = running.process.communicate(timeout=20)[0].splitlines()
        assert time.monotonic() - began < 1
        assert stuck.exception() is not None
    assert running.process.returncode == 1
    assert printed[-1] == f"devhost: {data} was deleted or replaced"


@pytest.mark.parametrize("function", ["stuck", "blocks"])
def test_a_second_signal_ends_it_at_once(folder, function) -> None:
    """Even if a function blocks the event loop."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        stuck = pool.submit(requests.get, f"{running.url}/api/{function}")
        time.sleep(0.3)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        began = time.monotonic()
        running.stop(signal.SIGINT)
        assert time.monotonic() - began < 5
        assert stuck.exception() is not None
    assert running.process.returncode == 128 + signal.SIGINT


def test_a_stuck_function_does_not_prevent_the_end(folder) -> None:
    """It has five seconds to answer; what its thread does later is not committed."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        stuck = pool.submit(requests.get, f"{running.url}/api/stuck")
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        printed = running.process.communicate(timeout=2 * SHUTDOWN_SECONDS - 1)[0]
        assert printed.splitlines()[-1] == "devhost: stopping"
        assert stuck.exception() is not None
    assert running.process.returncode == 0


@pytest.mark.parametrize(("host", "shown"), [("::1", "[::1]"), ("0.0.0.0", "127.0.0.1")])
def test_it_listens_on_another_address(folder, host, shown) -> None:
    """The URLs that it prints can be opened on this machine."""
    running = Running(folder, "--host", host)
    assert running.url.startswith(f"http://{shown}:")
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    running.stop()


def test_allowed_host_names_are_served(folder) -> None:
    """The option may be repeated."""
    running = Running(folder, "--allow-host", "Gifts.example", "--allow-host", "b.example")
    statuses = [
        requests.get(f"{running.url}/api/hello", headers={"Host": host}).status_code
        for host in ("gifts.example", "B.EXAMPLE:7071", "c.example")
    ]
    assert statuses == [200, 200, 421]
    running.stop()


def test_the_soft_limit_on_files_is_raised() -> None:
    """It is often a quarter of the connections that the server accepts."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limits[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(folder, number) -> None:
    """Ctrl-C or SIGTERM ends it cleanly; log lines have the time."""
    running = Running(folder)
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    logged, stopping = running.stop(number).splitlines()
    assert running.process.returncode == 0
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] somebody came", logged)
    assert stopping == "devhost: stopping"
    assert (folder / ".devhost" / "taskhub.db").is_file()


def test_what_it_prints_at_the_start(folder) -> None:
    """The URL first and last, functions with a route, and settings without effect."""
    (folder / "host.json").write_text(
        '{"version": "2.0", "extensions": {"http": {"hsts": {"isEnabled": true}}}}'
    )
    running = Running(folder, "--page", "/api/hello")
    running.stop()
    first, *table, internal, _, ignored, last = "".join(running.printed).splitlines()
    assert re.fullmatch(r"devhost: serving http://127\.0\.0\.1:\d+/api/hello", first)
    assert re.fullmatch(
        r"devhost: ready on http://127\.0\.0\.1:\d+/api/hello, stop with Ctrl-C", last
    )
    assert sorted(line.split()[0] for line in table if line) == [
        "blocks",
        "exit",
        "hello",
        "slow",
        "stuck",
        "where",
    ]
    assert re.search(r"^  hello  +\S+  +/api/hello$", "\n".join(table), re.MULTILINE)
    assert internal == "  and 1 without a route (--verbose names them)"
    assert (
        ignored == "devhost: these settings of host.json have no effect here: extensions.http.hsts"
    )


def test_a_request_that_only_reads_is_not_logged(folder) -> None:
    """Unless it fails, or with --verbose."""
    for options, logged in (((), ["POST", "404"]), (("--verbose",), ["GET", "POST", "404"])):
        running = Running(folder, *options)
        requests.get(f"{running.url}/api/where")
        requests.post(f"{running.url}/api/where")
        requests.get(f"{running.url}/api/nowhere")
        *lines, _ = running.stop().splitlines()
        assert len(lines) == len(logged)
        for line, word in zip(lines, logged, strict=True):
            assert re.fullmatch(rf"\[.+Z\] .*{word}.* \d+ ms", line)
        assert any("timerTrigger" in line for line in running.printed) is bool(options)


def test_an_app_runs_where_it_runs_on_the_real_host(folder) -> None:
    """In its own folder, with the worker's environment."""
    running = Running(folder)
    assert requests.get(f"{running.url}/api/where").text == f"{folder}|{folder}|python|1000"
    running.stop()


@pytest.mark.parametrize("how", ["now", "in a task"])
def test_a_function_that_leaves_does_not_end_it(folder, how) -> None:
    """Its caller gets 500, the log has one traceback, and others are served."""
    running = Running(folder)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(requests.get, f"{running.url}/api/slow")
        assert requests.get(f"{running.url}/api/exit/{how}").status_code == 500
        assert slow.result().text == "done"
    printed = running.stop()
    assert "WorkerExit: python exited with code 3 (0x3)" in printed
    assert printed.count("Traceback") == 1
    assert running.process.returncode == 0


def test_it_says_which_faults_it_injected(folder) -> None:
    """What went wrong, at its end."""
    running = Running(folder, "--faults", 7)
    assert (
        "devhost: injects faults, with seed 7: expect what goes wrong on Azure now and then\n"
        in running.printed
    )
    management = f"{running.url}/runtime/webhooks/durabletask/entities/nothing/a"
    for _ in range(20):
        requests.get(management)
    stopping, wrong = running.stop().splitlines()[-2:]
    assert stopping == "devhost: stopping"
    assert re.fullmatch(r"devhost: injected faults: answer delayed \d+(, [a-z ]+ \d+)*", wrong)


def test_a_port_that_is_taken(folder) -> None:
    """One line says by whom, and which commands help."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert fails("--app", folder, "--port", port).startswith(
            f"devhost: port {port} is taken by process {os.getpid()}"
        )


def test_a_data_folder_that_cannot_be_used(folder) -> None:
    """It is a file."""
    file = folder / "file"
    file.write_text("")
    assert str(file) in fails("--app", folder, "--port", 0, "--data", file)


def test_an_app_that_fails_to_import(folder) -> None:
    """One line says what is wrong, and where."""
    (folder / "function_app.py").write_text("x = 1 / 0")
    line = fails("--app", folder, "--port", 0)
    assert line == (
        f"devhost: {folder}/function_app.py failed to import at {folder}/function_app.py:1: "
        f"ZeroDivisionError: division by zero"
    )


def test_an_app_that_ends_the_worker_at_import(folder) -> None:
    """It is one line, whatever was raised."""
    (folder / "function_app.py").write_text("raise BaseException('no')")
    assert fails("--app", folder, "--port", 0).endswith("function_app.py:1: BaseException: no")


def test_a_folder_that_does_not_exist(folder) -> None:
    done = subprocess.run(
        command("--app", folder / "x"), capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 2
    assert f"there is no folder {folder}/x" in done.stderr


def test_an_invalid_setting_of_the_app() -> None:
    """The line is the app's own."""
    line = fails("--app", ROOT, "--port", 0, REGISTRY_OPEN_SECONDS="soon")
    assert (
        line
        == "devhost: REGISTRY_OPEN_SECONDS is 'soon', but must be a whole number from 1 to 86400"
    )


def test_several_invalid_settings_of_the_app() -> None:
    """There is a line for each."""
    done = subprocess.run(
        command("--app", ROOT, "--port", 0),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        env=os.environ | {"REGISTRY_OPEN_SECONDS": "soon", "REGISTRY_MAX_ITEMS": "0"},
    )
    assert done.stderr.splitlines() == [
        "devhost: REGISTRY_OPEN_SECONDS is 'soon', but must be a whole number from 1 to 86400",
        "REGISTRY_MAX_ITEMS is '0', but must be a whole number from 1 to 1000",
    ]


def test_a_second_devhost_on_the_same_data(folder) -> None:
    """It ends with one line; the first goes on."""
    running = Running(folder)
    assert "taskhub.db is in use by another devhost" in fails("--app", folder, "--port", 0)
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    running.stop()


def test_the_console_script_calls_main_without_arguments() -> None:
    scripts = tomllib.loads((ROOT / "devhost" / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["devhost"].partition(":")
    inspect.signature(getattr(importlib.import_module(module), function)).bind()


def test_help_names_every_option() -> None:
    done = subprocess.run(command("--help"), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 0
    for option in ("--port", "--host", "--app", "--data", "--page", "--verbose", "--faults"):
        assert option in done.stdout


@pytest.mark.parametrize("port", ["-1", "65536", "http", "\N{SUPERSCRIPT TWO}"])
def test_an_invalid_port(port) -> None:
    """The message has the value, and what is allowed."""
    done = subprocess.run(
        command(f"--port={port}"), capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 2
    assert f"{port!r} is not a port from 0 to 65535" in done.stderr
