import pytest

from tests.testing.sample import Sample


@pytest.fixture
def sample() -> Sample:
    return Sample()
