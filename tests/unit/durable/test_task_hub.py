import json

import pytest

from registry.domain.problems import HubUnavailable
from registry.durable.task_hub import ENDED
from registry.durable.names import DELIVERY, FINISH, LIFE, list_entity, stats_entity
from registry.durable.pace import FIRST_DELAY
from registry.durable.task_hub import LONGEST_DELAY, REQUEST_SECONDS, TaskHubClient
from tests.support.fake_hub import OK, FAILS, FAILS_AFTERWARDS, ID, NO_ANSWER, TRACE, make_terms

LIST = list_entity(ID)


def failing(times: int, fault=FAILS):
    """The first calls have this fault."""
    left = [fault] * times
    return lambda call: left.pop() if left else OK


@pytest.fixture
def hub(client) -> TaskHubClient:
    """Calls for one request."""
    return TaskHubClient(client.mock, TRACE)


def test_a_message_has_its_envelope(client, clock, hub) -> None:
    """The version, the trace of the caller, and when it was sent."""
    clock.advance(seconds=1.5)
    clock.run(hub.signal(LIST, "remove", key="k1"))
    assert client.calls[0].content == {
        "v": 1,
        "trace": TRACE,
        "sent_at": "2026-12-24T18:00:01.500Z",
        "key": "k1",
    }


def test_the_state_of_an_entity_is_read(client, clock, hub) -> None:
    """There is none where the entity does not exist, or has been deleted."""
    assert clock.run(hub.read(LIST)) is None
    client.open(make_terms())
    assert clock.run(hub.read(LIST))["revision"] == 1
    client.entity(LIST).state = json.dumps("")
    assert clock.run(hub.read(LIST)) is None


def test_a_read_that_fails_is_repeated_with_growing_delays(client, clock, hub) -> None:
    """20 ms, doubled up to half a second."""
    client.open(make_terms())
    client.fault = failing(7)
    assert clock.run(hub.read(LIST))["revision"] == 1
    assert clock.slept == [0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5]
    assert (FIRST_DELAY, LONGEST_DELAY) == (0.02, 0.5)


def test_a_read_that_keeps_failing_ends_at_the_deadline(client, clock, hub, caplog) -> None:
    """It does not say that there is none."""
    client.fault = failing(1000)
    with pytest.raises(HubUnavailable):
        clock.run(hub.read(LIST))
    assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS)
    assert caplog.messages == ["the task hub does not answer"]


def test_a_call_that_is_never_answered_ends_at_the_deadline(client, clock, hub) -> None:
    """Also where the client would wait for minutes."""
    client.fault = lambda call: NO_ANSWER
    with pytest.raises(HubUnavailable):
        clock.run(hub.signal(LIST, "add", key="k1", text="Bike"))
    assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)
    assert hub.remaining == pytest.approx(0, abs=0.01)
    with pytest.raises(HubUnavailable):
        clock.run(hub.read(LIST))
    assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)


def test_calls_share_one_deadline(client, clock, hub) -> None:
    """It counts from the beginning of the request."""
    clock.advance(seconds=4)
    client.fault = failing(1000)
    with pytest.raises(HubUnavailable):
        clock.run(hub.ensure_signalled(LIST, "add", key="k1", text="Bike"))
    assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS - 4)


def test_no_call_is_made_that_could_not_be_answered_in_time(client, clock, hub) -> None:
    """A last one at the deadline would fail, and would be logged as a task hub that does not
    answer.
    """

    async def waking() -> list[float]:
        return [round(hub.remaining, 3) async for _ in hub.delays(2 * REQUEST_SECONDS)]

    assert min(clock.run(waking())) >= FIRST_DELAY
    assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS)


def test_a_signal_is_sent_once(client, clock, hub) -> None:
    """Whether it has an effect is read, not guessed."""
    client.fault = failing(1)
    with pytest.raises(HubUnavailable):
        clock.run(hub.signal(LIST, "add", key="k1", text="Bike"))
    assert client.sent() == ["signal AddItem"]


def test_a_signal_is_repeated_until_it_is_accepted(client, clock, hub) -> None:
    """Its effect comes once all the same."""
    client.fault = failing(2, FAILS_AFTERWARDS)
    clock.run(hub.ensure_signalled(stats_entity(ID), "reset"))
    assert client.sent() == ["signal stats reset"] * 3
    assert clock.slept == [0.02, 0.04]


def test_a_start_is_repeated_until_it_is_accepted(client, clock, hub) -> None:
    """Nothing is read where it is accepted at once."""
    clock.run(hub.ensure_started(LIFE, ID, terms={}))
    assert [call.what for call in client.calls] == ["start registry"]
    assert json.loads(client.instances[ID].input) == client.message(terms={})
    client.calls.clear()
    client.fault = failing(1)
    clock.run(hub.ensure_started(DELIVERY, "d"))
    assert [call.what for call in client.calls] == ["start delivery", "instance", "start delivery"]


def test_a_start_that_fails_after_its_effect_is_accepted(client, clock, hub) -> None:
    """The instance is alive, whoever started it."""
    client.fault = failing(1, FAILS_AFTERWARDS)
    clock.run(hub.ensure_started(LIFE, ID, terms={}))
    assert [call.what for call in client.calls] == ["start registry", "instance"]


def test_an_instance_that_runs_is_not_started_again(client, clock, hub) -> None:
    """The task hub refuses that with 409, which is as good as accepted."""
    client.start(make_terms())
    before = client.instances[ID]
    clock.run(hub.ensure_started(LIFE, ID, terms={}))
    assert client.instances[ID] == before
    assert client.sent() == ["start registry"]


def test_an_instance_that_has_ended_is_replaced(client, clock, hub) -> None:
    """That is how a delivery is begun again."""
    client.start(make_terms(), "Failed")
    clock.run(hub.ensure_started(LIFE, ID, terms={}))
    assert client.instances[ID].status == "Pending"


def test_a_start_is_not_accepted_by_an_instance_that_has_ended(client, clock, hub) -> None:
    """Where neither the start nor a look at the instance succeeds, the task hub does not answer."""
    client.start(make_terms(), "Completed")
    client.fault = lambda call: FAILS if call.what == "start registry" else OK
    with pytest.raises(HubUnavailable):
        clock.run(hub.ensure_started(LIFE, ID, terms={}))
    client.fault = lambda call: FAILS
    with pytest.raises(HubUnavailable):
        clock.run(TaskHubClient(client.mock).ensure_started(LIFE, ID, terms={}))


def test_an_event_is_raised_once(client, clock, hub) -> None:
    """It has the envelope of every message; nothing is read where it is accepted."""
    client.start(make_terms())
    clock.run(hub.raise_event(FINISH, ID))
    (call,) = client.calls
    assert (call.what, call.target, call.content) == ("raise close", ID, client.message())


@pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
def test_an_event_that_fails_is_not_repeated(client, clock, hub, fault) -> None:
    """It may be on its way all the same: whoever raises it sees to the rest without it."""
    client.start(make_terms())
    client.fault = lambda call: fault
    with pytest.raises(HubUnavailable):
        clock.run(hub.raise_event(FINISH, ID))
    assert [call.what for call in client.calls] == ["raise close"]


@pytest.mark.parametrize("status", [*ENDED, None])
def test_an_event_for_nobody_fails(client, clock, hub, status) -> None:
    """The task hub refuses it at once, whether the instance has ended or was never there."""
    if status:
        client.start(make_terms(), status)
    with pytest.raises(HubUnavailable):
        clock.run(hub.raise_event(FINISH, ID))
    assert [call.what for call in client.calls] == ["raise close"]
    assert clock.slept == []


def test_an_event_that_is_never_answered_ends_at_the_deadline(client, clock, hub) -> None:
    """It takes no longer than any other call."""
    client.start(make_terms())
    client.fault = lambda call: NO_ANSWER
    with pytest.raises(HubUnavailable):
        clock.run(hub.raise_event(FINISH, ID))
    assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)
