import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from registry import settings
from registry.domain.problems import ProblemError
from registry.durable.read_delay import ReadDelay
from registry.durable.service import RegistryService
from registry.durable.stats_reporter import StatsReporter
from registry.durable.task_hub import TaskHubClient
from registry.durable.webhook.bulkhead import Bulkhead
from registry.durable.webhook.circuit_breaker import CircuitBreaker
from registry.settings import Settings
from tests.support.fake_hub import TRACE, FakeClient, VirtualClock


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


@pytest.fixture(autouse=True)
def _new_webhook_state(monkeypatch) -> None:
    """No attempt is stopped or shortened because of what others have met."""
    monkeypatch.setattr("registry.durable.webhook.client.circuit_breaker", CircuitBreaker())
    monkeypatch.setattr("registry.durable.webhook.client.bulkhead", Bulkhead())


@pytest.fixture(autouse=True)
def _webhook_is_set(monkeypatch) -> None:
    """Pending deliveries wait for nothing, unless a test sets other settings."""
    chosen = Settings(webhook_url="http://127.0.0.1:9", webhook_secret="whsec_" + "A" * 32)
    monkeypatch.setattr(settings, "current", lambda: chosen)


class Caller:
    """Calls the service: one request after the other, each with a deadline of its own."""

    def __init__(self, client: FakeClient, clock: VirtualClock) -> None:
        self._client, self._clock = client, clock

    def __getattr__(self, name: str) -> Any:
        async def work(*args: Any) -> Any:
            result = await getattr(self.service(), name)(*args)
            for _ in range(5):
                await asyncio.sleep(0)  # What is reported in the background goes out.
            return result

        return lambda *args: self._clock.run(work(*args))

    def service(self) -> RegistryService:
        """The service for one request; its methods are coroutines."""
        return RegistryService(TaskHubClient(self._client.mock, TRACE))

    def problem(self, name: str, *args: Any) -> ProblemError:
        """The problem that a request is answered with."""
        with pytest.raises(ProblemError) as error:
            getattr(self, name)(*args)
        return error.value


@pytest.fixture
def caller(client, clock) -> Caller:
    """Calls the service."""
    return Caller(client, clock)


@pytest.fixture
def opened(client) -> FakeClient:
    """A task hub with an open registry."""
    client.open()
    return client
