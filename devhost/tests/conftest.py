import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from azure.durable_functions import DurableOrchestrationClient

from devhost.management.urls import client_binding
from tests import conformance
from tests.sample_host import ORIGIN, SampleHost

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # payloads are plain JSON
# In the background, what tests start would ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def host() -> Iterator[SampleHost]:
    """The sample app, over a task hub in memory."""
    with SampleHost() as host:
        yield host


@pytest.fixture
def client(host) -> DurableOrchestrationClient:
    """The SDK's own client, as a function of the host gets it."""
    return DurableOrchestrationClient(client_binding(ORIGIN))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over the results of a worker, where the tests run in several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["conformance"] = conformance.results()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the results of a worker."""
    conformance.add(getattr(node, "workeroutput", {}).get("conformance", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how much of what the real host does devhost does."""
    for line in conformance.figures():
        terminalreporter.write_line(line)
