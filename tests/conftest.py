import os
import signal
from collections.abc import Iterator

import pytest

from tests.clock import FakeClock

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = (
    "1"  # payloads are read as function_app.py has them read
)
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # in the background, what tests start would ignore it


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """The app's clock, standing still."""
    with FakeClock().installed() as clock:
        yield clock
