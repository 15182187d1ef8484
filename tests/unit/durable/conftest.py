from collections.abc import Iterator

import pytest

from registry.durable.pace import Pace
from registry.durable.stats_reporter import Observer
from tests.unit.fake_client import FakeClient, VirtualClock


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """The app's clock, which passes only while a test waits."""
    with VirtualClock().installed() as clock:
        yield clock


@pytest.fixture(autouse=True)
def observer(monkeypatch) -> Observer:
    """A fresh observer in place of that of the process: background tasks end with their test."""
    fresh = Observer()
    monkeypatch.setattr("registry.durable.stats_reporter.observer", fresh)
    monkeypatch.setattr("registry.durable.service.observer", fresh)
    return fresh


@pytest.fixture
def client(clock) -> Iterator[FakeClient]:
    """A task hub in which nothing is yet."""
    with FakeClient(clock).installed() as client:
        yield client


@pytest.fixture(autouse=True)
def unlearnt(monkeypatch) -> None:
    """No test is paced by what others have seen."""
    monkeypatch.setattr("registry.durable.service.pace", Pace())
