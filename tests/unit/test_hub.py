import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import aiohttp
import pytest
from azure.durable_functions import OrchestrationRuntimeStatus as Runtime
from registry.hub import (
    FIRST_DELAY,
    LONGEST_DELAY,
    PATIENCE,
    Hub,
    HubUnavailable,
    KeyReused,
    OutcomeUnknown,
    RegistryClosed,
    RegistryFull,
    UnknownRegistry,
)

from registry.model import Item, Registry, Stats
from registry.settings import BACKOFF
from tests.clock import START
from tests.unit.fake_client import ID, FakeClient, Status

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BIKE = Item("k1", "Bike")


def new_registry(max_items: int = 500) -> Registry:
    return Registry(START, START + timedelta(minutes=5), max_items)


@pytest.fixture
def client(clock) -> FakeClient:
    """A client of an open, empty registry that takes adds at once."""
    client = FakeClient()
    client.registry = new_registry()
    client.takes_adds(clock)
    return client


def announced(runtime_status=Runtime.Running, **changes) -> Status:
    return Status(runtime_status=runtime_status, input_=json.dumps(new_registry().to_state()), **changes)


def add(client, item=BIKE) -> int:
    return asyncio.run(Hub(client.mock, TRACE).add(ID, item))


def test_open_starts_the_orchestration_under_the_id(client) -> None:
    """The input is the new registry's state."""
    asyncio.run(Hub(client.mock, TRACE).open(ID, new_registry(), BACKOFF))
    client.mock.start_new.assert_awaited_once_with(
        "RegistryOrchestration", ID, new_registry().to_state() | {"backoff": BACKOFF, "trace": TRACE}
    )


def test_add_is_sent_once_and_read_back(client) -> None:
    """The common way: read, signal, read, tell the stats."""
    assert add(client) == 1
    assert client.reads == 2
    assert client.signals() == [("add", ["k1", "Bike", TRACE]), ("observe", [ID, 1])]


def test_a_known_add_is_not_sent_again(client, clock) -> None:
    """A repeated add is answered from what is there, also after the close."""
    add(client)
    client.registry.close("user", clock.now)
    assert add(client) == 1
    assert [name for name, _ in client.signals()] == ["add", "observe", "observe"]


def test_add_waits_with_growing_delays_until_the_item_is_there(client, clock) -> None:
    """10 ms, doubled up to half a second; the signal is sent once."""
    client.on_add = lambda item: None
    client.on_read = lambda reads: client.registry.add(BIKE, clock.now) if reads == 10 else None
    assert add(client) == 1
    assert clock.slept[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert clock.slept[-1] == LONGEST_DELAY
    assert [name for name, _ in client.signals()] == ["add", "observe"]


def test_add_gives_up_after_its_patience(client, clock) -> None:
    """The outcome is then unknown, and that is what the caller is told."""
    client.on_add = lambda item: None
    with pytest.raises(OutcomeUnknown, match="same Idempotency-Key"):
        add(client)
    assert sum(clock.slept) == pytest.approx(PATIENCE)


def test_add_to_a_registry_that_is_being_opened_waits_for_its_list(client, clock) -> None:
    """A pending registry is neither unknown nor closed."""
    registry, client.registry = client.registry, None
    client.mock.get_status.return_value = announced(Runtime.Pending)
    client.on_read = lambda reads: setattr(client, "registry", registry) if reads == 4 else None
    assert add(client) == 1


def test_add_to_a_registry_that_never_opens_is_unknown(client) -> None:
    """A task hub that accepted the open and does not run it keeps nobody waiting for ever."""
    client.registry = None
    client.mock.get_status.return_value = announced(Runtime.Pending)
    with pytest.raises(OutcomeUnknown, match="still being opened"):
        add(client)
    assert client.signals() == []


def test_add_to_a_pending_registry_whose_time_is_up_is_closed(client, clock) -> None:
    """From closesAt on nothing is accepted, even before the list was opened."""
    client.registry = None
    client.mock.get_status.return_value = announced(Runtime.Pending)
    clock.advance(minutes=5)
    with pytest.raises(RegistryClosed):
        add(client)
    assert clock.slept == []


@pytest.mark.parametrize("status", [Status(known=False), announced(name="OtherOrchestration")])
def test_an_unknown_id(client, status) -> None:
    """An id that was not opened, or that is another orchestration's, is unknown; nothing is sent."""
    client.registry = None
    client.mock.get_status.return_value = status
    for call in (
        Hub(client.mock, TRACE).add(ID, BIKE),
        Hub(client.mock, TRACE).finish(ID),
        Hub(client.mock, TRACE).peek(ID),
    ):
        with pytest.raises(UnknownRegistry):
            asyncio.run(call)
    assert client.signals() == []
    client.mock.raise_event.assert_not_called()


def test_a_registry_that_is_being_forgotten_is_unknown(client) -> None:
    """Where it completed and its list is gone, the rest is about to go."""
    client.registry = None
    client.mock.get_status.return_value = announced(Runtime.Completed)
    with pytest.raises(UnknownRegistry):
        asyncio.run(Hub(client.mock).peek(ID))


@pytest.mark.parametrize("status", [Runtime.Terminated, Runtime.Failed])
def test_a_registry_that_ended_before_it_opened_is_closed(client, status) -> None:
    """Where an operator ended it early, nobody has closed it, and it takes nothing."""
    client.registry = None
    client.mock.get_status.return_value = announced(status)
    shown = asyncio.run(Hub(client.mock, TRACE).peek(ID))
    assert (shown.is_closed, shown.closed_by, shown.items) == (True, None, [])
    with pytest.raises(RegistryClosed):
        add(client)


def test_a_registry_that_opens_and_ends_between_two_reads_is_read_again(client, clock) -> None:
    """The list counts, not the state of the orchestration."""
    registry, client.registry = client.registry, None
    registry.add(BIKE, clock.now)
    registry.close("user", clock.now)
    client.mock.get_status.return_value = announced(Runtime.Completed)
    client.on_read = lambda reads: setattr(client, "registry", registry) if reads == 2 else None
    assert asyncio.run(Hub(client.mock, TRACE).peek(ID)).items == [BIKE]


def test_add_after_the_close_is_refused_without_a_signal(client, clock) -> None:
    """By record, or by the clock alone."""
    clock.advance(minutes=5)
    with pytest.raises(RegistryClosed, match=r"closed at 2026-12-24T18:05:00.000Z"):
        add(client)
    client.registry.close("user", START)
    with pytest.raises(RegistryClosed, match=r"closed at 2026-12-24T18:00:00.000Z"):
        add(client)
    assert client.signals() == []


def test_after_the_signal_only_a_recorded_close_refuses(client, clock) -> None:
    """The list may still take an item although the time is up, so the clock alone decides nothing any more."""
    sent: list[Item] = []

    def later(item: Item) -> None:
        sent.append(item)
        clock.advance(seconds=1)

    clock.advance(minutes=4, seconds=59, milliseconds=500)
    client.on_add = later
    client.on_read = lambda reads: client.registry.items.append(sent[0]) if reads == 4 else None
    assert add(client) == 1


def test_an_add_that_loses_the_race_with_the_close_is_refused(client, clock) -> None:
    """Sent before the close, judged after it."""
    client.on_add = lambda item: client.registry.close("user", clock.now)
    with pytest.raises(RegistryClosed):
        add(client)


def test_an_add_that_loses_the_last_place_is_refused(client, clock) -> None:
    """Somebody else's item came first."""
    client.registry.max_items = 1
    client.on_add = lambda item: client.registry.add(Item("k2", "Book"), clock.now)
    with pytest.raises(RegistryFull, match="1 items"):
        add(client)


def test_a_key_that_stands_for_another_item_is_refused(client) -> None:
    """Before anything is sent."""
    add(client)
    with pytest.raises(KeyReused):
        add(client, Item("k1", "Book"))
    assert [name for name, _ in client.signals()] == ["add", "observe"]


def test_a_lost_observation_does_not_fail_the_add(client, clock, caplog) -> None:
    """The item is in; the stats heal with the next observation or the close."""

    async def signal(entity, operation, given) -> None:
        if operation == "observe":
            raise aiohttp.ClientConnectionError("refused")
        client.registry.add(Item(*given[:2]), clock.now)

    client.mock.signal_entity.side_effect = signal
    assert add(client) == 1
    assert caplog.messages == ["registry 01234567: stats not told of an item: refused"]


def test_peek_right_after_open_shows_an_open_empty_registry(client) -> None:
    """While the orchestration is pending, its input tells."""
    client.registry = None
    client.mock.get_status.return_value = announced(Runtime.Pending)
    assert asyncio.run(Hub(client.mock, TRACE).peek(ID)) == new_registry()


def test_peek_shows_the_close_on_time(client, clock) -> None:
    """Even if the timer is late."""
    clock.advance(minutes=5)
    shown = asyncio.run(Hub(client.mock, TRACE).peek(ID))
    assert (shown.closed_by, shown.closed_at) == ("timeout", START + timedelta(minutes=5))


def test_finish_raises_the_event_and_reads_the_close_back(client, clock) -> None:
    """One event, and the registry as it was closed."""
    client.mock.raise_event.side_effect = lambda *args: client.registry.close("user", clock.now)
    assert asyncio.run(Hub(client.mock, TRACE).finish(ID)).closed_by == "user"
    client.mock.raise_event.assert_awaited_once_with(ID, "finish", TRACE)


def test_finish_twice_is_the_same(client, clock) -> None:
    """A closed registry is returned as it is, without an event."""
    client.registry.close("user", clock.now)
    assert asyncio.run(Hub(client.mock, TRACE).finish(ID)) == client.registry
    client.mock.raise_event.assert_not_called()


def test_finish_raises_again_what_the_backend_dropped(client, clock) -> None:
    """After a second without effect the event is raised again."""

    def raised(*args) -> None:
        if client.mock.raise_event.await_count == 3:
            client.registry.close("user", clock.now)

    client.mock.raise_event.side_effect = raised
    assert asyncio.run(Hub(client.mock, TRACE).finish(ID)).closed_by == "user"
    assert client.mock.raise_event.await_count == 3
    assert sum(clock.slept) == pytest.approx(2.0)


def test_finish_succeeds_where_the_timer_wins(client, clock) -> None:
    """That the instance is gone is no failure: the registry is closed."""

    def gone(*args) -> None:
        client.registry.close("timeout", clock.now)
        raise Exception("Instance with ID is gone: either completed or failed")

    client.mock.raise_event.side_effect = gone
    assert asyncio.run(Hub(client.mock, TRACE).finish(ID)).closed_by == "timeout"


def test_finish_shows_the_close_by_the_clock(client, clock) -> None:
    """When the deadline passes while the finish is under way, that closed the registry."""
    clock.advance(minutes=4, seconds=59)
    shown = asyncio.run(Hub(client.mock, TRACE).finish(ID))
    assert shown.closed_by == "timeout"


def test_finish_gives_up_after_its_patience(client, clock) -> None:
    """The outcome is then unknown."""
    with pytest.raises(OutcomeUnknown):
        asyncio.run(Hub(client.mock, TRACE).finish(ID))
    assert sum(clock.slept) == pytest.approx(PATIENCE)
    assert client.mock.raise_event.await_count == PATIENCE


def test_finish_gives_up_in_the_middle_of_a_second(client, clock, monkeypatch) -> None:
    """At the end of its patience, not at the end of a round."""
    monkeypatch.setattr("registry.hub.PATIENCE", 2.5)
    with pytest.raises(OutcomeUnknown):
        asyncio.run(Hub(client.mock, TRACE).finish(ID))
    assert sum(clock.slept) == pytest.approx(2.5)


def test_stats_add_up_the_shards(client) -> None:
    """Shards that nobody has used yet count nothing."""
    client.shards = {
        "0": {"registries": 2, "closedItems": 5, "open": {"a": 1}},
        "15": {"registries": 1, "closedItems": 0, "open": {"b": 3}},
    }
    assert asyncio.run(Hub(client.mock, TRACE).stats()) == Stats(3, 5, {"a": 1, "b": 3})


@pytest.mark.parametrize("error", [aiohttp.ClientConnectionError("refused"), TimeoutError(), Exception("status 500")])
def test_a_task_hub_that_does_not_answer(client, error) -> None:
    """Whatever the SDK raises becomes HubUnavailable."""
    client.mock.read_entity_state.side_effect = error
    client.mock.start_new.side_effect = error
    hub = Hub(client.mock, TRACE)
    for call in (hub.open(ID, new_registry(), BACKOFF), hub.peek(ID), hub.add(ID, BIKE), hub.finish(ID), hub.stats()):
        with pytest.raises(HubUnavailable, match="does not answer"):
            asyncio.run(call)


def test_a_read_that_fails_after_the_signal_is_made_again(client, clock) -> None:
    """The item is on its way: its outcome is read until the patience ends."""

    def fail(reads: int) -> None:
        if reads in (2, 3):
            raise Exception("status 500")

    client.on_read = fail
    assert add(client) == 1
    assert clock.slept == [FIRST_DELAY, 2 * FIRST_DELAY]


def test_the_outcome_of_an_add_is_unknown_when_no_read_succeeds(client, clock) -> None:
    """Then the caller is told so, with 202, not that it failed."""

    def fail(reads: int) -> None:
        if reads > 1:
            raise Exception("status 500")

    client.on_read = fail
    with pytest.raises(OutcomeUnknown):
        add(client)


def test_slow_calls_share_one_patience(client, clock, monkeypatch) -> None:
    """A call that is made late has only what is left of the request's time."""
    timeouts: list[float] = []
    limit = asyncio.timeout

    def noted(seconds: float):
        timeouts.append(seconds)
        return limit(seconds)

    monkeypatch.setattr("registry.hub.asyncio.timeout", noted)
    client.on_read = lambda reads: clock.advance(seconds=4)
    assert add(client) == 1
    assert timeouts == [10, 6, 6, 1]


@pytest.mark.parametrize("call", ["peek", "add", "finish"])
def test_closed_is_what_was_read_after_the_close(client, clock, call) -> None:
    """A read that began before closesAt may miss the last item, so it does not show the registry as closed."""
    clock.advance(minutes=4, seconds=59, milliseconds=999)
    client.registry.add(Item("k0", "Ball"), clock.now)
    client.on_read = lambda reads: clock.advance(milliseconds=1) if reads == 1 else None
    hub = Hub(client.mock, TRACE)
    if call == "peek":
        assert not asyncio.run(hub.peek(ID)).is_closed
    elif call == "add":
        with pytest.raises(OutcomeUnknown):  # not judged by the clock: it was sent
            asyncio.run(hub.add(ID, BIKE))
    else:
        assert asyncio.run(hub.finish(ID)).closed_by == "timeout"
        assert client.reads == 2


def test_an_entity_without_state_is_none(client) -> None:
    """Azure Storage tells of an entity that got a signal before it was opened; the SDK makes an empty text of null."""
    status = announced(Runtime.Running)
    client.mock.get_status.return_value = status
    client.mock.read_entity_state.side_effect = None
    client.mock.read_entity_state.return_value = SimpleNamespace(entity_exists=True, entity_state="")
    assert asyncio.run(Hub(client.mock, TRACE).peek(ID)) == new_registry()
    assert asyncio.run(Hub(client.mock, TRACE).stats()) == Stats()


def test_a_suspended_registry_is_still_open(client) -> None:
    """An operator may suspend it before its list was opened."""
    client.registry = None
    client.mock.get_status.return_value = announced(Runtime.Suspended)
    assert not asyncio.run(Hub(client.mock, TRACE).peek(ID)).is_closed


def test_a_call_that_hangs_is_given_up(client, monkeypatch) -> None:
    """A call that never ends counts as not answered."""
    monkeypatch.setattr("registry.hub.PATIENCE", 0.001)

    async def hang(*args) -> None:
        await asyncio.Event().wait()

    client.mock.read_entity_state.side_effect = hang
    with pytest.raises(HubUnavailable):
        asyncio.run(Hub(client.mock, TRACE).peek(ID))


@pytest.fixture
def failed(client) -> FakeClient:
    """A client of a closed registry whose delivery was given up."""
    client.registry = replace(new_registry(), closed_at=START, closed_by="user", processing="failed")
    return client


def process(client) -> Registry:
    return asyncio.run(Hub(client.mock, TRACE).process(ID, BACKOFF))


def test_two_who_ask_for_the_same_at_the_same_time(failed, clock) -> None:
    """One of them finds the id in use: by what is running, or has ended since and is then started again."""
    failed.mock.start_new.side_effect = Exception("409")
    failed.mock.get_status.return_value = Status("ProcessingOrchestration")
    failed.on_read = lambda reads: reads > 1 and setattr(failed.registry, "processing", "pending")
    assert process(failed).processing == "pending"
    assert clock.slept == []
    failed.registry.processing = "failed"
    failed.mock.start_new.side_effect = [Exception("409"), None]
    failed.mock.get_status.return_value = Status("ProcessingOrchestration", Runtime.Completed)
    assert process(failed).processing == "pending"
    assert clock.slept == [LONGEST_DELAY]


def test_what_cannot_be_started_is_given_up(failed, clock) -> None:
    """After the patience of a request."""
    failed.mock.start_new.side_effect = Exception("500")
    with pytest.raises(HubUnavailable):
        process(failed)
    assert PATIENCE - LONGEST_DELAY <= sum(clock.slept) <= PATIENCE
