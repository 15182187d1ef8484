"""How the command ends: by a signal, or because its data is gone."""

import re
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from devhost.process import raise_file_limit
from devhost.runner import SHUTDOWN_SECONDS
from tests.command.running import Running


@contextmanager
def request_in_flight(running: Running, function: str) -> Iterator[Future[requests.Response]]:
    """A request whose function has begun, for the length of the block."""
    with ThreadPoolExecutor() as pool:
        request = pool.submit(requests.get, f"{running.url}/api/{function}")
        running.wait_until_printed(f"{function} has begun")
        yield request


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(start, number) -> None:
    """Ctrl-C or SIGTERM ends it cleanly; log lines have the time."""
    running = start()
    assert requests.get(f"{running.url}/api/hello").text == "hello"
    assert running.stop(number) == 0
    logged, stopping = running.log()
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] somebody came", logged)
    assert stopping == "devhost: stopping"
    assert (running.folder / ".devhost" / "taskhub.db").is_file()


def test_running_requests_are_answered_before_the_end(start) -> None:
    """New ones are refused meanwhile."""
    running = start()
    with request_in_flight(running, "slow") as slow:
        running.process.send_signal(signal.SIGINT)
        running.wait_until_printed("devhost: stopping")
        assert requests.get(f"{running.url}/api/hello").status_code == 503
        assert slow.result().text == "done"
    assert running.process.wait(timeout=20) == 0


def test_it_ends_when_its_data_file_goes_away(start) -> None:
    """With one line, whatever a function is stuck in."""
    running = start()
    with request_in_flight(running, "stuck") as stuck:
        data = running.folder / ".devhost" / "taskhub.db"
        began = time.monotonic()
        data.rename(running.folder / "kept.db")
        assert running.process.wait(timeout=20) == 1
        assert time.monotonic() - began < SHUTDOWN_SECONDS
        assert stuck.exception() is not None
    assert running.log()[-1] == f"devhost: {data} was deleted or replaced"


@pytest.mark.parametrize("function", ["stuck", "blocks"])
def test_a_second_signal_ends_it_at_once(start, function) -> None:
    """Even if a function blocks the event loop."""
    running = start()
    with request_in_flight(running, function) as stuck:
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # two signals at the same time would be one
        began = time.monotonic()
        assert running.stop(signal.SIGINT) == 128 + signal.SIGINT
        assert time.monotonic() - began < SHUTDOWN_SECONDS
        assert stuck.exception() is not None


def test_a_stuck_function_does_not_prevent_the_end(start) -> None:
    """It has five seconds to answer; what its thread does later is not committed."""
    running = start()
    with request_in_flight(running, "stuck") as stuck:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=4 * SHUTDOWN_SECONDS) == 0
        assert stuck.exception() is not None
    assert running.log()[-1] == "devhost: stopping"


def test_the_soft_limit_on_files_is_raised() -> None:
    """It is often a quarter of the connections that the server accepts."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limits[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
