import os
from collections.abc import Iterator

import pytest

from tests.clock import FakeClock

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # payloads are read as function_app.py has them read


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """The app's clock, standing still."""
    with FakeClock().installed() as clock:
        yield clock
