from collections.abc import Iterator

import pytest

from tests.clock import FakeClock


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """The app's clock, standing still."""
    with FakeClock().installed() as clock:
        yield clock
