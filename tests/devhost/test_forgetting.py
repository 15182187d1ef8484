"""Old registries are forgotten: the app on devhost, and a month passes without waiting."""

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from azure.durable_functions import DurableOrchestrationClient

from tests.receiver import Receiver
from tests.virtual import VirtualHost


@pytest.fixture
def host() -> Iterator[VirtualHost]:
    with VirtualHost() as host:
        yield host


def traces(host: VirtualHost, id: str) -> list[object]:
    """What the task hub still has of a registry."""
    instances = [id, f"{id}-processing"]
    kept = [host.store.instance(each) for each in instances] + [host.store.entity(f"@registrylist@{id}")]
    return [each for each in kept if each] + [each for id in instances for each in host.store.history(id)]


def status(host: VirtualHost, id: str) -> int:
    return host.request("GET", f"/api/peek/{id}").status_code


def test_what_closed_a_month_ago_is_forgotten(host, caplog) -> None:
    """State, instance and history; the id is unknown then, and the stats keep counting it."""
    caplog.set_level("INFO")
    id = host.open()
    host.add(id, "Bike")
    host.post(f"/api/finish/{id}")
    stats = host.get("/api/stats")
    host.advance(days=30, minutes=4)
    host.fire("forget")
    assert status(host, id) == 200
    host.advance(minutes=2)
    host.fire("forget")
    assert status(host, id) == 404
    assert host.add(id, "Book").status_code == 404
    assert traces(host, id) == []
    assert host.get("/api/stats") == stats
    assert f"event=purged registry={id[:8]} trace=-" in caplog.messages


def test_zero_days_are_for_ever(host) -> None:
    """Nothing is even looked at."""
    host.choose(retention=timedelta())
    id = host.open()
    host.advance(days=4000)
    host.fire("forget")
    assert status(host, id) == 200
    assert host.store.instance("forgetting") is None


def test_open_registries_stay(host) -> None:
    """However old they are."""
    host.choose(retention=timedelta(days=1), open_for=timedelta(days=3))
    id = host.open()
    host.choose(retention=timedelta(days=1))
    host.advance(days=2)
    host.fire("forget")
    assert host.get(f"/api/peek/{id}")["status"] == "Open"
    host.advance(days=1, minutes=1)
    host.fire("forget")
    assert status(host, id) == 200  # closed only a minute ago
    host.advance(days=1)
    host.fire("forget")
    assert status(host, id) == 404


def test_what_is_being_delivered_stays(host) -> None:
    """During the first sending and during a second one; it is forgotten when that has ended."""
    with Receiver(host.clock.utc_now) as receiver:
        host.choose(webhook=receiver.webhook, retention=timedelta(hours=1))
        receiver.stop()
        id = host.open()
        host.advance(hours=2)
        host.fire("forget")
        assert status(host, id) == 200
        host.advance(hours=24)
        host.post(f"/api/process/{id}")
        host.fire("forget")
        assert host.get(f"/api/peek/{id}")["registry"]["processing"] == "pending"
        host.advance(hours=24)
        assert host.get("/api/stats")["processing"]["failed"] == 1
        host.fire("forget")
        assert traces(host, id) == []
        assert host.get("/api/stats")["processing"]["failed"] == 1
        receiver.start()


def test_an_interrupted_run_is_made_good_by_the_next(host) -> None:
    """Whichever step it does not get over; meanwhile the registry is whole or unknown, never half of it."""
    purge = DurableOrchestrationClient.purge_instance_history
    for step in range(3):
        id = host.open()
        host.add(id, "Bike")
        host.advance(days=31)
        calls = 0

        async def fails(client, instance, step=step):
            nonlocal calls
            calls += 1
            if calls % (step + 1) == 0:
                raise Exception("connection lost")
            return await purge(client, instance)

        with patch.object(DurableOrchestrationClient, "purge_instance_history", fails):
            host.fire("forget")
            host.advance(seconds=60)
        assert host.store.instance("forgetting").status == "Failed"
        answer = host.request("GET", f"/api/peek/{id}")
        assert answer.status_code == 404 or b'"Bike"' in answer.get_body()
        assert traces(host, id)
        host.fire("forget")
        assert traces(host, id) == []


def test_a_failure_that_passes_is_retried(host) -> None:
    """The run goes on after a pause."""
    id = host.open()
    host.advance(days=31)
    with patch.object(DurableOrchestrationClient, "get_status_by", side_effect=Exception("status 500")):
        host.fire("forget")
        assert status(host, id) == 200
    host.advance(seconds=5)
    assert traces(host, id) == []


def test_a_run_that_is_still_at_it_is_left_alone(host) -> None:
    """There is one at a time."""
    host.open()
    host.advance(days=31)
    with patch.object(DurableOrchestrationClient, "get_status_by", side_effect=Exception("status 500")):
        host.fire("forget")
        first = host.store.instance("forgetting").execution
        host.fire("forget")
        assert host.store.instance("forgetting").execution == first


def test_many_are_forgotten_page_by_page(host) -> None:
    """More than a query shows, and more pages than a run of the orchestration takes."""
    with patch("devhost.webhooks.PAGE", 4), patch("registry.hub.PAGE", 4), patch("registry.forgetting.PAGES_A_RUN", 2):
        ids = [host.open() for _ in range(30)]
        host.advance(days=31)
        host.fire("forget")
        assert [id for id in ids if traces(host, id)] == []


def test_pages_full_of_what_has_to_stay_hide_nothing(host) -> None:
    """The span is halved until the rest comes to light."""
    with patch("devhost.webhooks.PAGE", 4), patch("registry.hub.PAGE", 4), Receiver(host.clock.utc_now) as receiver:
        host.choose(webhook=receiver.webhook, retention=timedelta(days=1))
        staying = []
        for _ in range(12):
            staying.append(host.open())
            host.advance(minutes=1)
        going = [host.open() for _ in range(3)]
        host.advance(days=2)
        assert len(receiver.ids) == 15
        receiver.stop()
        for id in staying:
            host.post(f"/api/process/{id}")
        host.fire("forget")
        assert [id for id in going if traces(host, id)] == []
        assert [status(host, id) for id in staying] == [200] * 12
        receiver.start()


def test_a_second_that_is_full_of_what_has_to_stay_is_passed_over(host) -> None:
    """It is not halved for ever."""
    with patch("devhost.webhooks.PAGE", 4), patch("registry.hub.PAGE", 4), Receiver(host.clock.utc_now) as receiver:
        host.choose(webhook=receiver.webhook, retention=timedelta(days=1))
        ids = [host.open() for _ in range(6)]
        host.advance(days=2)
        receiver.stop()
        for id in ids:
            host.post(f"/api/process/{id}")
        host.fire("forget")
        assert host.store.instance("forgetting").status == "Completed"
        assert [status(host, id) for id in ids] == [200] * 6
        receiver.start()
