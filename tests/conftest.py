import os
import signal
from collections.abc import Iterator

import pytest

from tests.clock import FakeClock
from tests.devhost import conformance

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # payloads are read as function_app.py has them read
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, what tests start would ignore it


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """The app's clock, standing still."""
    with FakeClock().installed() as clock:
        yield clock


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how much of what the real host does devhost does."""
    for line in conformance.figures():
        terminalreporter.write_line(line)
