import asyncio
from datetime import timedelta

import pytest
from registry.processing import send

from registry.model import Registry
from registry.settings import Settings
from registry.webhook import Webhook
from tests.clock import START
from tests.unit.fake_client import ID, FakeClient

attempt = send._function.get_user_function().client_function


@pytest.fixture
def client(clock, monkeypatch) -> FakeClient:
    """A client of a registry whose close is not recorded yet, in an app that has a webhook."""
    monkeypatch.setattr("registry.settings.current", lambda: Settings(webhook=Webhook("http://127.0.0.1:9", "", 1)))
    client = FakeClient()
    client.registry = Registry(START, START + timedelta(minutes=5), 3)
    return client


def test_an_attempt_before_the_close_can_be_read_is_made_again(client, caplog) -> None:
    """Nothing but the recorded, final registry is sent."""
    assert asyncio.run(attempt(ID, client.mock)) == "again"
    assert caplog.messages == ["registry 01234567: not sent: The close is not recorded yet."]


def test_an_attempt_without_a_task_hub_is_made_again(client) -> None:
    """It failed, and nothing is lost."""
    client.mock.read_entity_state.side_effect = Exception("connection lost")
    assert asyncio.run(attempt(ID, client.mock)) == "again"


def test_an_attempt_for_a_registry_that_is_gone_is_made_again(client) -> None:
    """It is not decided here that it is gone for good."""
    client.registry = None
    assert asyncio.run(attempt(ID, client.mock)) == "again"
