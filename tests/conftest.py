import os
import signal
from collections.abc import Iterator

import pytest

from tests.clock import FakeClock

# As function_app.py has payloads read.
os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"

# Where tests run in the background, the programs that they start would ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """The app's clock, which stands still."""
    with FakeClock().installed() as clock:
        yield clock
