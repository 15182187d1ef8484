from collections.abc import Iterator

import pytest

from registry.durable.read_delay import ReadDelay
from registry.durable.stats_reporter import StatsReporter
from tests.support.fake_hub import FakeClient, VirtualClock


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """The app's clock, which goes on only while a test waits."""
    with VirtualClock().installed() as clock:
        yield clock


@pytest.fixture
def client(clock) -> Iterator[FakeClient]:
    """An empty task hub."""
    with FakeClient(clock).installed() as client:
        yield client


@pytest.fixture(autouse=True)
def reporter(monkeypatch) -> StatsReporter:
    """A new reporter in place of the process's: background tasks end with their test."""
    fresh = StatsReporter()
    monkeypatch.setattr("registry.durable.service.reporter", fresh)
    return fresh


@pytest.fixture(autouse=True)
def _new_read_delay(monkeypatch) -> None:
    """No test reads sooner or later because of what others have learnt."""
    monkeypatch.setattr("registry.durable.list_client.read_delay", ReadDelay())
