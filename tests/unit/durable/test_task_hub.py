import json

import pytest

from registry.domain.problems import HubUnavailable
from registry.durable.management import ENDED
from registry.durable.names import DELIVERY, FINISH, LIFE, list_entity, stats_entity
from registry.durable.pace import FIRST_DELAY
from registry.durable.task_hub import LONGEST_DELAY, PATIENCE, TaskHub
from tests.unit.fake_client import DONE, FAILED, FAILED_AFTERWARDS, ID, NO_ANSWER, TRACE, born

LIST = list_entity(ID)


def failing(times: int, fate=FAILED):
    """The first calls have this fate."""
    left = [fate] * times
    return lambda call: left.pop() if left else DONE


@pytest.fixture
def hub(client) -> TaskHub:
    """Calls for one request."""
    return TaskHub(client.mock, TRACE)


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
    client.open(born())
    assert clock.run(hub.read(LIST))["revision"] == 1
    client.entity(LIST).state = json.dumps("")
    assert clock.run(hub.read(LIST)) is None


def test_a_read_that_fails_is_repeated_with_growing_delays(client, clock, hub) -> None:
    """20 ms, doubled up to half a second."""
    client.open(born())
    client.fate = failing(7)
    assert clock.run(hub.read(LIST))["revision"] == 1
    assert clock.slept == [0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5]
    assert (FIRST_DELAY, LONGEST_DELAY) == (0.02, 0.5)


def test_a_read_that_keeps_failing_ends_at_the_deadline(client, clock, hub, caplog) -> None:
    """It does not say that there is none."""
    client.fate = failing(1000)
    with pytest.raises(HubUnavailable):
        clock.run(hub.read(LIST))
    assert sum(clock.slept) == pytest.approx(PATIENCE)
    assert caplog.messages == ["the task hub does not answer"]


def test_a_call_that_is_never_answered_ends_at_the_deadline(client, clock, hub) -> None:
    """Also where the client would wait for minutes."""
    client.fate = lambda call: NO_ANSWER
    with pytest.raises(HubUnavailable):
        clock.run(hub.signal(LIST, "add", key="k1", text="Bike"))
    assert clock.monotonic() == pytest.approx(PATIENCE, abs=0.01)
    assert hub.remaining == pytest.approx(0, abs=0.01)
    with pytest.raises(HubUnavailable):
        clock.run(hub.read(LIST))
    assert clock.monotonic() == pytest.approx(PATIENCE, abs=0.01)


def test_calls_share_one_deadline(client, clock, hub) -> None:
    """It counts from the beginning of the request."""
    clock.advance(seconds=4)
    client.fate = failing(1000)
    with pytest.raises(HubUnavailable):
        clock.run(hub.have_signalled(LIST, "add", key="k1", text="Bike"))
    assert sum(clock.slept) == pytest.approx(PATIENCE - 4)


def test_no_call_is_made_that_could_not_be_answered_in_time(client, clock, hub) -> None:
    """A last one at the deadline would fail, and would be logged as a task hub that does not
    answer.
    """

    async def waking() -> list[float]:
        return [round(hub.remaining, 3) async for _ in hub.delays(2 * PATIENCE)]

    assert min(clock.run(waking())) >= FIRST_DELAY
    assert sum(clock.slept) == pytest.approx(PATIENCE)


def test_a_signal_is_sent_once(client, clock, hub) -> None:
    """Whether it has an effect is read, not guessed."""
    client.fate = failing(1)
    with pytest.raises(HubUnavailable):
        clock.run(hub.signal(LIST, "add", key="k1", text="Bike"))
    assert client.sent() == ["signal list add"]


def test_a_signal_is_repeated_until_it_is_accepted(client, clock, hub) -> None:
    """Its effect comes once all the same."""
    client.fate = failing(2, FAILED_AFTERWARDS)
    clock.run(hub.have_signalled(stats_entity(ID), "reset"))
    assert client.sent() == ["signal stats reset"] * 3
    assert clock.slept == [0.02, 0.04]


def test_a_start_is_repeated_until_it_is_accepted(client, clock, hub) -> None:
    """Nothing is read where it is accepted at once."""
    clock.run(hub.have_started(LIFE, ID, birth={}))
    assert [call.what for call in client.calls] == ["start life"]
    assert json.loads(client.instances[ID].input) == client.message(birth={})
    client.calls.clear()
    client.fate = failing(1)
    clock.run(hub.have_started(DELIVERY, "d"))
    assert [call.what for call in client.calls] == ["start delivery", "instance", "start delivery"]


def test_a_start_that_fails_after_its_effect_is_accepted(client, clock, hub) -> None:
    """The instance is alive, whoever started it."""
    client.fate = failing(1, FAILED_AFTERWARDS)
    clock.run(hub.have_started(LIFE, ID, birth={}))
    assert [call.what for call in client.calls] == ["start life", "instance"]


def test_an_instance_that_runs_is_not_started_again(client, clock, hub) -> None:
    """The task hub refuses that with 409, which is as good as accepted."""
    client.begin(born())
    before = client.instances[ID]
    clock.run(hub.have_started(LIFE, ID, birth={}))
    assert client.instances[ID] == before
    assert client.sent() == ["start life"]


def test_an_instance_that_has_ended_is_replaced(client, clock, hub) -> None:
    """That is how a delivery is begun again."""
    client.begin(born(), "Failed")
    clock.run(hub.have_started(LIFE, ID, birth={}))
    assert client.instances[ID].status == "Pending"


def test_a_start_is_not_accepted_by_an_instance_that_has_ended(client, clock, hub) -> None:
    """Where neither the start nor a look at the instance succeeds, the task hub does not answer."""
    client.begin(born(), "Completed")
    client.fate = lambda call: FAILED if call.what == "start life" else DONE
    with pytest.raises(HubUnavailable):
        clock.run(hub.have_started(LIFE, ID, birth={}))
    client.fate = lambda call: FAILED
    with pytest.raises(HubUnavailable):
        clock.run(TaskHub(client.mock).have_started(LIFE, ID, birth={}))


def test_an_event_is_raised_once(client, clock, hub) -> None:
    """It has the envelope of every message; nothing is read where it is accepted."""
    client.begin(born())
    clock.run(hub.raise_event(FINISH, ID))
    (call,) = client.calls
    assert (call.what, call.target, call.content) == ("raise finish", ID, client.message())


@pytest.mark.parametrize("fate", [FAILED, FAILED_AFTERWARDS])
def test_an_event_that_fails_is_not_repeated(client, clock, hub, fate) -> None:
    """It may be on its way all the same: whoever raises it sees to the rest without it."""
    client.begin(born())
    client.fate = lambda call: fate
    with pytest.raises(HubUnavailable):
        clock.run(hub.raise_event(FINISH, ID))
    assert [call.what for call in client.calls] == ["raise finish"]


@pytest.mark.parametrize("status", [*ENDED, None])
def test_an_event_for_nobody_fails(client, clock, hub, status) -> None:
    """The task hub refuses it at once, whether the instance has ended or was never there."""
    if status:
        client.begin(born(), status)
    with pytest.raises(HubUnavailable):
        clock.run(hub.raise_event(FINISH, ID))
    assert [call.what for call in client.calls] == ["raise finish"]
    assert clock.slept == []


def test_an_event_that_is_never_answered_ends_at_the_deadline(client, clock, hub) -> None:
    """It takes no longer than any other call."""
    client.begin(born())
    client.fate = lambda call: NO_ANSWER
    with pytest.raises(HubUnavailable):
        clock.run(hub.raise_event(FINISH, ID))
    assert clock.monotonic() == pytest.approx(PATIENCE, abs=0.01)
