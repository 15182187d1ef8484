"""What the command prints and serves once it has started."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.command.running import Running, small_app

HOST_JSON = '{"version": "2.0", "extensions": {"http": {"hsts": {"isEnabled": true}}}}'


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> Iterator[Running]:
    """Without options, and with a setting that has no effect."""
    running = Running(small_app(tmp_path_factory.mktemp("usual"), HOST_JSON))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def with_options(tmp_path_factory) -> Iterator[Running]:
    """With most options."""
    names = ("--allow-host", "Gifts.example", "--allow-host", "b.example")
    folder = small_app(tmp_path_factory.mktemp("options"))
    running = Running(folder, "--host", "::1", *names, "--page", "/api/hello", "--verbose")
    yield running
    running.stop()


def logged_requests(running: Running) -> list[str]:
    """Send some requests; returns the log lines about them."""
    before = len(running.log())
    requests.get(f"{running.url}/api/where")
    requests.post(f"{running.url}/api/where")
    requests.get(f"{running.url}/api/nowhere")
    while "/api/nowhere" not in "\n".join(running.log()[before:]):
        time.sleep(0.01)
    return running.log()[before:]


def fails(*options: object) -> str:
    """Run a devhost that cannot start; returns its one line."""
    command = [sys.executable, "-m", "devhost", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_what_it_prints_at_the_start(usual) -> None:
    """The URL first and last, functions with a route, and settings without effect."""
    first, *table, internal, _, ignored, last = usual.at_start.splitlines()
    assert re.fullmatch(r"devhost: serving http://127\.0\.0\.1:\d+", first)
    assert re.fullmatch(r"devhost: ready on http://127\.0\.0\.1:\d+, stop with Ctrl-C", last)
    names = [line.split()[0] for line in table if line]
    assert sorted(names) == ["blocks", "exit", "hello", "slow", "stuck", "where"]
    assert re.search(r"^  hello  +\S+  +/api/hello$", "\n".join(table), re.MULTILINE)
    assert internal == "  and 1 without a route (--verbose names them)"
    assert (
        ignored == "devhost: these settings of host.json have no effect here: extensions.http.hsts"
    )


def test_a_request_that_only_reads_is_not_logged(usual) -> None:
    """Unless it fails."""
    posted, failed = logged_requests(usual)
    assert re.fullmatch(r"\[.+Z\] .*POST.* \d+ ms", posted)
    assert re.fullmatch(r"\[.+Z\] .*404.* \d+ ms", failed)


def test_an_app_runs_where_it_runs_on_the_real_host(usual) -> None:
    """In its own folder, with the worker's environment."""
    folder = usual.folder
    assert requests.get(f"{usual.url}/api/where").text == f"{folder}|{folder}|python|1000"


@pytest.mark.parametrize("how", ["now", "in a task"])
def test_a_function_that_leaves_does_not_end_it(usual, how) -> None:
    """Its caller gets 500, the log has one traceback, and others are served."""
    before = len(usual.log())
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(requests.get, f"{usual.url}/api/slow")
        assert requests.get(f"{usual.url}/api/exit/{how}").status_code == 500
        assert slow.result().text == "done"
    logged = "\n".join(usual.log()[before:])
    assert "WorkerExit: python exited with code 3 (0x3)" in logged
    assert logged.count("Traceback") == 1
    assert usual.process.poll() is None


def test_a_second_devhost_on_the_same_data(usual) -> None:
    """It ends with one line; the first goes on."""
    assert "taskhub.db is in use by another devhost" in fails("--app", usual.folder, "--port", 0)
    assert requests.get(f"{usual.url}/api/hello").text == "hello"


def test_it_listens_on_another_address(with_options) -> None:
    """The URLs that it prints can be opened on this machine."""
    assert with_options.url.startswith("http://[::1]:")
    assert requests.get(f"{with_options.url}/api/hello").text == "hello"


def test_allowed_host_names_are_served(with_options) -> None:
    """The option may be repeated."""
    statuses = [
        requests.get(f"{with_options.url}/api/hello", headers={"Host": host}).status_code
        for host in ("gifts.example", "B.EXAMPLE:7071", "c.example")
    ]
    assert statuses == [200, 200, 421]


def test_a_page_is_in_the_urls_that_it_prints(with_options) -> None:
    page = f"{with_options.url}/api/hello"
    first, *_, last = with_options.at_start.splitlines()
    assert first == f"devhost: serving {page}"
    assert last == f"devhost: ready on {page}, stop with Ctrl-C"


def test_with_verbose_every_function_and_request_is_shown(with_options) -> None:
    """Those without a route, and those that only read."""
    assert re.search(r"^  clean  +timerTrigger$", with_options.at_start, re.MULTILINE)
    lines = logged_requests(with_options)
    assert len(lines) == 3
    for line, word in zip(lines, ["GET", "POST", "404"], strict=True):
        assert re.fullmatch(rf"\[.+Z\] .*{word}.* \d+ ms", line)


def test_a_port_that_is_taken(folder) -> None:
    """One line says by whom, and which commands help."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = fails("--app", folder, "--port", port)
    assert line.startswith(f"devhost: port {port} is taken by process {os.getpid()}")


def test_it_says_which_faults_it_injected(start) -> None:
    """At its end, with how often each happened."""
    running = start("--faults", 7)
    assert (
        "devhost: injects faults, with seed 7: expect what goes wrong on Azure now and then\n"
        in running.at_start
    )
    for _ in range(20):
        requests.get(f"{running.url}/runtime/webhooks/durabletask/entities/nothing/a")
    running.stop()
    stopping, counts = running.log()[-2:]
    assert stopping == "devhost: stopping"
    assert re.fullmatch(r"devhost: injected faults: answer delayed \d+(, [a-z ]+ \d+)*", counts)
