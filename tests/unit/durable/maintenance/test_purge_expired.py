from datetime import datetime, timedelta

import pytest

from registry import settings
from registry.durable.maintenance import purge
from registry.durable.maintenance.purge import AT_ONCE
from registry.durable.maintenance.timers import purge_expired
from registry.durable.messages import CloseRegistry, OpenRegistry, RecordDelivery
from registry.durable.names import DELIVERY_ORCHESTRATOR, delivery_instance, list_entity
from registry.durable.task_hub import Instance
from registry.settings import Settings
from tests.support.fake_hub import FAILS, NO_ANSWER, OK, CallFault, is_running, on
from tests.support.registries import make_terms


def id_of(number: int) -> str:
    return f"{number:08x}" + "0" * 24


def run(client) -> None:
    work = purge_expired._function.get_user_function().client_function
    client.clock.run(work(None, client.mock))


@pytest.fixture(autouse=True)
def _retention(monkeypatch) -> None:
    """Thirty days."""
    monkeypatch.setattr(settings, "current", lambda: Settings(retention_days=30))


@pytest.fixture
def ended(client):
    """A task hub whose query returns what has ended."""

    def list_ended(moment: datetime) -> list[Instance]:
        client.moment = moment
        return [each for each in client.instances.values() if not is_running(each)]

    client.ended = list_ended
    return client


def close(client, number: int = 0, has_webhook: bool = False) -> str:
    """Have a registry that was finished now, and whose orchestrations have completed."""
    id = id_of(number)
    terms = client.open(make_terms(id, has_webhook=has_webhook))
    client.apply(CloseRegistry, id, terms=terms, by="user")
    client.instances[id] = client.instances[id]._replace(status="Completed")
    delivery = delivery_instance(id)
    client.instances[delivery] = Instance(delivery, DELIVERY_ORCHESTRATOR, "Completed", None)
    return id


def test_a_registry_that_closed_before_the_retention_is_deleted(ended, clock, caplog) -> None:
    """Its list, its delivery and its orchestration, in this order. A line is logged."""
    caplog.set_level("INFO")
    id = close(ended)
    clock.advance(days=30, milliseconds=1)
    caplog.clear()
    run(ended)
    purged = [call.target for call in ended.calls if call.what == "purge"]
    assert purged == [f"@registrylist@{id}", f"{id}-delivery", id]
    assert (ended.instances, ended.registry(id)) == ({}, None)
    assert caplog.messages == ["event=purged registries=1 skipped=0"]
    assert ended.moment == clock.utc_now() - timedelta(days=30)


def test_a_registry_that_closed_later_stays(ended, clock) -> None:
    """The recorded close counts, not when it was opened."""
    id = close(ended)
    clock.advance(days=30)
    run(ended)
    assert ended.count("purge") == 0
    assert ended.registry(id).is_closed


def test_a_registry_whose_delivery_is_pending_stays(ended, clock) -> None:
    """However old it is."""
    id = close(ended, has_webhook=True)
    clock.advance(days=60)
    run(ended)
    assert ended.count("purge") == 0
    assert ended.registry(id).delivery.is_pending


def test_a_registry_that_nobody_closed_is_closed(ended, clock, caplog) -> None:
    """Its delivery begins, and it is counted. Once it is delivered, it is deleted."""
    id = close(ended)
    ended.entities.clear()
    ended.apply(OpenRegistry, id, terms=make_terms(id, has_webhook=True))
    clock.advance(days=60)
    caplog.set_level("INFO", "registry.telemetry")
    run(ended)
    assert ended.registry(id).closed_by == "timeout"
    assert ended.sent() == ["signal CloseRegistry", "start delivery", "signal RecordSnapshot"]
    assert (ended.count("purge"), caplog.messages[1:]) == (0, [])

    ended.apply(RecordDelivery, id, number=1, outcome="delivered")
    delivery = delivery_instance(id)
    ended.instances[delivery] = ended.instances[delivery]._replace(status="Completed")
    run(ended)
    assert (ended.instances, ended.registry(id)) == ({}, None)


def test_a_registry_without_a_list_is_deleted(ended, clock) -> None:
    """The run before was interrupted."""
    id = close(ended)
    ended.entities.clear()
    clock.advance(days=31)
    run(ended)
    assert id not in ended.instances


def test_other_instances_stay(ended, clock) -> None:
    """Deliveries go with their registries."""
    ended.instances["x"] = Instance("x", "OtherOrchestration", "Completed", None)
    ended.instances["y"] = Instance("y-delivery", DELIVERY_ORCHESTRATOR, "Completed", None)
    clock.advance(days=60)
    run(ended)
    assert [call.what for call in ended.calls] == ["query"]


@pytest.mark.parametrize("interrupted", [1, 2, 3])
def test_an_interrupted_purge_is_finished_in_the_next_run(ended, clock, interrupted) -> None:
    """The orchestration goes last: by that the rest is found."""
    id = close(ended)
    clock.advance(days=31)

    def fault(call) -> CallFault:
        return FAILS if call.what == "purge" and ended.count("purge") == interrupted else OK

    ended.fault = fault
    run(ended)
    assert id in ended.instances
    ended.fault = lambda call: OK
    run(ended)
    assert (ended.instances, ended.registry(id)) == ({}, None)


@pytest.mark.parametrize("what", ["read list", "purge"])
def test_a_registry_that_fails_stops_no_other(ended, clock, caplog, what) -> None:
    """It is left for the next run, and logged without its id, also where the error has that."""
    first, second = close(ended, 0xABCDEF01), close(ended, 2)
    clock.advance(days=31)
    ended.fault = lambda call: FAILS if call.what == what and first in call.target else OK
    run(ended)
    assert first in ended.instances
    assert ended.registry(first) is not None
    assert second not in ended.instances
    assert "registry abcdef01: not purged yet: HubUnavailable" in caplog.messages
    assert first not in caplog.text


def test_a_list_that_cannot_be_read_is_not_deleted(ended, clock) -> None:
    """Somebody may look at it."""
    id, other = close(ended), close(ended, 2)
    ended.entity(list_entity(id)).store({"v": 99})
    clock.advance(days=60)
    run(ended)
    assert id in ended.instances
    assert other not in ended.instances


def test_a_delivery_that_runs_is_left_for_the_next_run(ended, clock) -> None:
    """The task hub deletes nothing that runs. The registry's orchestration stays with it."""
    id = close(ended)
    running = delivery_instance(id)
    ended.instances[running] = ended.instances[running]._replace(status="Running")
    clock.advance(days=31)
    run(ended)
    assert {id, running} <= set(ended.instances)
    ended.instances[running] = ended.instances[running]._replace(status="Completed")
    run(ended)
    assert ended.instances == {}


def test_ten_registries_are_deleted_at_once(ended, clock) -> None:
    """Each with a deadline of its own."""
    for number in range(25):
        close(ended, number)
    clock.advance(days=31)
    ended.fault = on("read list", NO_ANSWER)
    run(ended)
    times = ended.times("read list")
    counts = [times.count(at) for at in sorted(set(times))]
    assert counts == [AT_ONCE, AT_ONCE, 5]


def test_where_the_query_fails_what_it_has_found_is_deleted(
    ended, clock, monkeypatch, caplog
) -> None:
    """An error is not the last page. It is one line, and counted."""
    id = close(ended)
    clock.advance(days=31)
    caplog.set_level("INFO")
    caplog.clear()

    async def fail(client, moment):
        yield ended.instances[id]
        raise ConnectionError(f"500 for {id}")

    monkeypatch.setattr(purge, "ended_before", fail)
    run(ended)
    assert ended.instances == {}
    assert caplog.messages == [
        "other registries: not purged yet: ConnectionError",
        "event=purged registries=1 skipped=1",
    ]


def test_a_retention_of_zero_is_for_ever(ended, clock, monkeypatch) -> None:
    """Nothing is even looked for."""
    monkeypatch.setattr(settings, "current", lambda: Settings(retention_days=0))
    close(ended)
    clock.advance(days=4000)
    run(ended)
    assert ended.calls == []
