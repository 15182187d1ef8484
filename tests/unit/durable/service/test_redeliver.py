import asyncio

import pytest

from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown
from registry.durable.messages import CloseRegistry, RecordDelivery, RequestDelivery
from registry.durable.names import DELIVERY_ORCHESTRATOR, delivery_instance
from registry.durable.task_hub import Instance
from tests.support.fake_hub import FAILS, ID, OK, is_running, on
from tests.support.registries import make_terms

CLOSE, START_DELIVERY = "signal CloseRegistry", "start delivery"
REPORT = "signal RecordSnapshot"


@pytest.fixture
def pending(client):
    """A closed registry whose delivery is pending, but not started."""
    terms = client.open(make_terms(has_webhook=True))
    client.apply(CloseRegistry, terms=terms, by="user")
    return client


@pytest.fixture
def failed(pending):
    """A registry whose delivery has failed. Another one begins as soon as it is started."""
    pending.apply(RecordDelivery, number=1, outcome="failed")
    pending.on_start = lambda instance, message: pending.apply(
        RequestDelivery, number=message["number"]
    )
    return pending


def test_an_open_registry_cannot_be_delivered_again(opened, caller) -> None:
    """It is delivered when it closes."""
    problem = caller.problem("redeliver", ID)
    assert problem.type == problems.REGISTRY_OPEN
    assert "2026-12-24T18:05:00.000Z" in problem.detail
    assert opened.sent() == []


def test_a_completed_registry_is_delivered_under_the_next_number(failed, caller) -> None:
    """It is returned once that is on record. The report lets reconcile know of it."""
    registry = caller.redeliver(ID)
    assert (registry.delivery.status, registry.delivery.number) == ("pending", 2)
    assert failed.sent() == [START_DELIVERY, REPORT]
    assert failed.calls[1].content["number"] == 2
    snapshot = failed.calls[-1].content["standing"]
    assert (snapshot["phase"], snapshot["revision"]) == ("pending", registry.revision)


def test_a_redelivery_fails_where_it_cannot_be_reported(failed, caller) -> None:
    """Reconcile would not know of it. The caller may try again."""
    failed.fault = on(REPORT, FAILS)
    with pytest.raises(HubUnavailable):
        caller.redeliver(ID)
    assert is_running(failed.instances[delivery_instance(ID)])
    failed.fault = lambda call: OK
    assert caller.redeliver(ID).delivery.number == 2


def test_a_pending_delivery_is_started_if_it_is_not_running(pending, caller) -> None:
    """Under the number that it has."""
    assert caller.redeliver(ID).delivery.status == "pending"
    assert [call.what for call in pending.calls] == [
        "read list",
        START_DELIVERY,
        "read list",
        REPORT,
    ]
    assert pending.calls[1].content["number"] == 1

    running = pending.instances[delivery_instance(ID)]
    assert caller.redeliver(ID).delivery.number == 1
    assert pending.instances[delivery_instance(ID)] == running


def test_a_pending_registry_is_returned_as_it_is_after_the_start(pending, caller) -> None:
    """It may have been delivered at once."""
    pending.on_start = lambda instance, message: pending.apply(
        RecordDelivery, number=message["number"], outcome="delivered"
    )
    registry = caller.redeliver(ID)
    assert registry == pending.registry()
    assert registry.delivery.status == "delivered"


def test_the_outcome_is_unknown_while_no_start_is_accepted(pending, caller) -> None:
    """Also of a pending delivery: it may not be running."""
    pending.fault = on(START_DELIVERY, FAILS)
    with pytest.raises(OutcomeUnknown, match="about to be sent"):
        caller.redeliver(ID)
    assert pending.count(REPORT) == 0


def test_a_registry_is_delivered_again_once_a_minute(failed, caller, clock) -> None:
    """The problem says how long to wait."""
    caller.redeliver(ID)
    failed.apply(RecordDelivery, number=2, outcome="delivered")
    clock.advance(seconds=20.5)
    problem = caller.problem("redeliver", ID)
    assert (problem.type, problem.retry_after) == (problems.SENT_JUST_NOW, 40)

    clock.advance(seconds=40)
    failed.instances.clear()
    assert caller.redeliver(ID).delivery.number == 3


def test_a_delivery_is_started_again_after_a_second_without_effect(failed, caller, clock) -> None:
    """The one before it may just be ending."""
    id = delivery_instance(ID)
    failed.instances[id] = Instance(id, DELIVERY_ORCHESTRATOR, "Running", None)

    async def end_the_one_before() -> None:
        redelivering = asyncio.create_task(caller.service().redeliver(ID))
        await asyncio.sleep(0.5)
        del failed.instances[id]
        assert (await redelivering).delivery.number == 2

    clock.run(end_the_one_before())
    assert failed.times(START_DELIVERY) == pytest.approx([0, 1], abs=0.05)


def test_the_outcome_is_unknown_until_the_request_is_on_record(failed, caller) -> None:
    """An accepted start is no record."""
    failed.on_start = lambda instance, message: None
    with pytest.raises(OutcomeUnknown, match="about to be sent"):
        caller.redeliver(ID)


def test_a_registry_whose_time_is_up_is_closed_first(client, caller, clock) -> None:
    """Its first delivery is started."""
    client.open(make_terms(has_webhook=True))
    clock.advance(minutes=5)
    assert caller.redeliver(ID).is_closed
    assert client.sent() == [CLOSE, START_DELIVERY, REPORT]
    assert client.registry().delivery.number == 1
