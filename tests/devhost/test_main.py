import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parent.parent.parent
APP = """
    import logging
    import azure.functions as func
    app = func.FunctionApp()
    @app.route("hello")
    def hello(req: func.HttpRequest) -> str:
        logging.info("somebody came")
        return "hello"
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(folder, number) -> None:
    """It prints its functions and then a line for each request, and Ctrl-C or SIGTERM ends it cleanly."""
    process = subprocess.Popen(
        command("--app", folder, "--port", 0), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    printed = []
    while not (ready := re.search(r"ready on (http://127\.0\.0\.1:\d+)", printed[-1] if printed else "")):
        printed.append(process.stdout.readline())
    assert f"\thello: [GET,POST,DELETE,HEAD,PATCH,PUT,OPTIONS] {ready[1]}/api/hello\n" in printed
    assert requests.get(f"{ready[1]}/api/hello").text == "hello"
    process.send_signal(number)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    logged, request, stopping = rest.splitlines()
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] somebody came", logged)
    assert re.fullmatch(r"\[.+Z\] GET /api/hello 200 \d+ ms", request)
    assert stopping == "devhost: stopping"
    assert (folder / ".devhost" / "taskhub.db").is_file()


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
        f"devhost: {folder}/function_app.py failed to import: "
        f"ZeroDivisionError: division by zero ({folder}/function_app.py:1)"
    )


def test_a_setting_that_is_not_allowed() -> None:
    """The setting, its value, and what is allowed."""
    line = fails("--app", ROOT, "--port", 0, REGISTRY_OPEN_SECONDS="soon")
    assert "REGISTRY_OPEN_SECONDS is 'soon', but must be a whole number from 1 to 86400" in line


def test_a_second_devhost_on_the_same_data(folder) -> None:
    """One line for the second; the first goes on."""
    process = subprocess.Popen(command("--app", folder, "--port", 0), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for printed in process.stdout:
        if "ready on" in printed:
            break
    assert "taskhub.db is in use by another devhost" in fails("--app", folder, "--port", 0)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=10)


def test_it_explains_itself() -> None:
    """--help names each option."""
    done = subprocess.run(command("--help"), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 0
    for option in ("--port", "--host", "--app", "--data"):
        assert option in done.stdout


@pytest.mark.parametrize("port", ["-1", "65536", "http", "\N{SUPERSCRIPT TWO}"])
def test_a_port_that_is_no_port(port) -> None:
    """Named, with what is allowed."""
    done = subprocess.run(command(f"--port={port}"), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 2
    assert f"{port!r} is not a port from 0 to 65535" in done.stderr
