from collections.abc import Iterator

import pytest
from azure.durable_functions import DurableOrchestrationClient

from devhost.server.management import client_binding
from tests.devhost.sample_host import ORIGIN, SampleHost


@pytest.fixture
def host() -> Iterator[SampleHost]:
    """The sample app, over a task hub in memory."""
    with SampleHost() as host:
        yield host


@pytest.fixture
def client(host) -> DurableOrchestrationClient:
    """The SDK's own client, as a function of the host gets it."""
    return DurableOrchestrationClient(client_binding(ORIGIN))
