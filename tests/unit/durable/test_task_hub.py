import pytest

from registry.domain.problems import HubUnavailable
from registry.durable.messages import AddItem, OpenRegistry, RegistryFinished, RemoveItem
from registry.durable.names import (
    CLOSE_EVENT,
    DELIVERY_ORCHESTRATOR,
    REGISTRY_ORCHESTRATOR,
    list_entity,
)
from registry.durable.task_hub import (
    ENDED,
    LONGEST_DELAY,
    REQUEST_SECONDS,
    SHORTEST_DELAY,
    TaskHubClient,
)
from tests.support.fake_hub import FAILS, FAILS_AFTERWARDS, ID, NO_ANSWER, OK, TRACE
from tests.support.registries import make_terms

LIST = list_entity(ID)


def fail(times: int, fault=FAILS):
    """The first so many calls fail."""
    left = [fault] * times
    return lambda call: left.pop() if left else OK


@pytest.fixture
def hub(client) -> TaskHubClient:
    """The calls of one request."""
    return TaskHubClient(client.mock, TRACE)


@pytest.fixture
def add(hub) -> AddItem:
    """A message."""
    return hub.message(AddItem, key="k1", text="Bike")


class TestRead:
    def test_the_state_of_an_entity_is_read(self, client, clock, hub) -> None:
        """There is none where the entity does not exist, or was deleted."""
        assert clock.run(hub.read(LIST)) is None
        client.open()
        assert clock.run(hub.read(LIST))["revision"] == 1
        client.entity(LIST).store("")
        assert clock.run(hub.read(LIST)) is None

    def test_a_read_that_fails_is_repeated_with_growing_delays(self, client, clock, hub) -> None:
        """20 ms, doubled up to half a second."""
        client.open()
        client.fault = fail(7)
        assert clock.run(hub.read(LIST))["revision"] == 1
        assert clock.slept == [0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5]
        assert (SHORTEST_DELAY, LONGEST_DELAY) == (0.02, 0.5)

    def test_a_read_that_keeps_failing_ends_at_the_deadline(
        self, client, clock, hub, caplog
    ) -> None:
        """It does not say that there is no state."""
        client.fault = fail(1000)
        with pytest.raises(HubUnavailable):
            clock.run(hub.read(LIST))
        assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS)
        assert caplog.messages == ["the task hub does not answer"]

    def test_no_call_is_made_that_could_not_be_answered_in_time(self, clock, hub) -> None:
        """It would fail, and be logged as a task hub that does not answer."""

        async def remaining() -> list[float]:
            return [round(hub.remaining, 3) async for _ in hub.delays(2 * REQUEST_SECONDS)]

        assert min(clock.run(remaining())) >= SHORTEST_DELAY
        assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS)


class TestSignal:
    def test_a_message_has_its_envelope(self, client, clock, hub) -> None:
        """The version, the trace of the caller, and when it was sent."""
        clock.advance(seconds=1.5)
        clock.run(hub.signal(LIST, hub.message(RemoveItem, key="k1")))
        assert client.calls[0].content == {
            "v": 1,
            "trace": TRACE,
            "sent_at": "2026-12-24T18:00:01.500Z",
            "key": "k1",
        }

    def test_a_signal_is_sent_once(self, client, clock, hub, add) -> None:
        """Whether it has an effect is read."""
        client.fault = fail(1)
        with pytest.raises(HubUnavailable):
            clock.run(hub.signal(LIST, add))
        assert client.sent() == ["signal AddItem"]

    def test_a_signal_can_be_repeated_until_it_is_accepted(self, client, clock, hub, add) -> None:
        """Also where it had its effect."""
        client.fault = fail(2, FAILS_AFTERWARDS)
        clock.run(hub.ensure_signalled(LIST, add))
        assert client.sent() == ["signal AddItem"] * 3
        assert clock.slept == [0.02, 0.04]

    def test_a_call_without_an_answer_ends_at_the_deadline(self, client, clock, hub, add) -> None:
        """Also where the SDK would wait for minutes. No further call is made."""
        client.fault = lambda call: NO_ANSWER
        for work in (hub.signal(LIST, add), hub.read(LIST)):
            with pytest.raises(HubUnavailable):
                clock.run(work)
            assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)
        assert hub.remaining == pytest.approx(0, abs=0.01)

    def test_calls_share_one_deadline(self, client, clock, hub, add) -> None:
        """It counts from the beginning of the request."""
        clock.advance(seconds=4)
        client.fault = fail(1000)
        with pytest.raises(HubUnavailable):
            clock.run(hub.ensure_signalled(LIST, add))
        assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS - 4)

    def test_a_renewed_client_has_a_new_deadline(self, clock, hub) -> None:
        """And the same trace."""
        clock.advance(seconds=4)
        assert hub.renewed().remaining == REQUEST_SECONDS
        assert (hub.renewed().trace, hub.renewed().client) == (TRACE, hub.client)


class TestStart:
    @pytest.fixture
    def opening(self, hub) -> OpenRegistry:
        """The input of an instance."""
        return hub.message(OpenRegistry, terms=make_terms())

    @pytest.fixture
    def start(self, clock, hub, opening):
        """Starts the instance of a registry."""
        return lambda: clock.run(hub.ensure_started(REGISTRY_ORCHESTRATOR, ID, opening))

    def test_a_start_that_is_accepted_reads_nothing(self, client, start, opening) -> None:
        """The message is the instance's input."""
        start()
        assert [call.what for call in client.calls] == ["start registry"]
        assert OpenRegistry.from_instance(client.instances[ID].input) == opening

    def test_a_start_is_repeated_until_it_is_accepted(self, client, start) -> None:
        """Unless the instance is seen to run."""
        client.fault = fail(1)
        start()
        calls = [call.what for call in client.calls]
        assert calls == ["start registry", "instance", "start registry"]

    def test_a_start_that_fails_after_its_effect_is_accepted(self, client, start) -> None:
        """The instance runs, whoever started it."""
        client.fault = fail(1, FAILS_AFTERWARDS)
        start()
        assert [call.what for call in client.calls] == ["start registry", "instance"]

    def test_an_instance_that_runs_is_not_started_again(self, client, start) -> None:
        """The task hub refuses that, which is as good as accepted."""
        client.start(make_terms())
        before = client.instances[ID]
        start()
        assert client.instances[ID] == before
        assert client.sent() == ["start registry"]

    @pytest.mark.parametrize("status", ENDED)
    def test_an_instance_that_has_ended_is_replaced(self, client, start, status) -> None:
        """So a delivery is restarted."""
        client.start(make_terms(), status)
        start()
        assert client.instances[ID].status == "Pending"

    def test_an_instance_that_has_ended_is_no_success(self, client, start) -> None:
        """Where no start succeeds, the task hub does not answer."""
        client.start(make_terms(), "Completed")
        client.fault = lambda call: FAILS if call.what == "start registry" else OK
        with pytest.raises(HubUnavailable):
            start()

    def test_a_start_that_nobody_can_look_at_is_no_success(self, client, start) -> None:
        """The instance may have ended."""
        client.start(make_terms())
        client.fault = lambda call: FAILS
        with pytest.raises(HubUnavailable):
            start()

    def test_a_delivery_is_started_like_a_registry(self, client, clock, hub, opening) -> None:
        """Under the name of its orchestrator."""
        clock.run(hub.ensure_started(DELIVERY_ORCHESTRATOR, "d", opening))
        assert client.instances["d"].name == DELIVERY_ORCHESTRATOR


class TestRaiseEvent:
    @pytest.fixture
    def raise_event(self, clock, hub):
        """Raises the close event of a registry."""
        message = hub.message(RegistryFinished)
        return lambda: clock.run(hub.raise_event(ID, CLOSE_EVENT, message))

    def test_an_event_is_raised_once(self, client, raise_event) -> None:
        """Nothing is read where it is accepted."""
        client.start(make_terms())
        raise_event()
        (call,) = client.calls
        assert (call.what, call.target) == ("raise close", ID)
        assert call.content == client.message(RegistryFinished).to_json()

    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_an_event_that_fails_is_not_repeated(self, client, raise_event, fault) -> None:
        """It may be on its way all the same. Whoever raises it does the rest without it."""
        client.start(make_terms())
        client.fault = lambda call: fault
        with pytest.raises(HubUnavailable):
            raise_event()
        assert [call.what for call in client.calls] == ["raise close"]

    @pytest.mark.parametrize("status", [*ENDED, None])
    def test_an_event_for_nobody_fails_at_once(self, client, clock, raise_event, status) -> None:
        """The instance has ended, or was never there."""
        if status:
            client.start(make_terms(), status)
        with pytest.raises(HubUnavailable):
            raise_event()
        assert [call.what for call in client.calls] == ["raise close"]
        assert clock.slept == []
