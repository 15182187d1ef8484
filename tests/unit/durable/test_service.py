import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import azure.durable_functions as df
import pytest

from registry.domain import problems as errors
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.domain.registry import Item, Registry, Snapshot, Stats
from registry.durable.task_hub import Instance
from registry.durable.messages import LONG_AGO, dump, shown, stored
from registry.durable.names import LIFE, delivery_instance, list_entity, stats_entity
from registry.durable.service import RESEND_SECONDS, PING_SECONDS, RegistryService
from registry.durable.task_hub import REQUEST_SECONDS, TaskHubClient
from tests.clock import START
from tests.support.fake_hub import (
    OK,
    FAILS,
    FAILS_AFTERWARDS,
    ID,
    LOST,
    NO_ANSWER,
    TRACE,
    TWICE,
    CallFault,
    make_terms,
    is_running,
    late,
)

BIKE, BOOK = Item("k1", "Bike"), Item("k2", "Book")
SKEW = timedelta(seconds=0.9)
"""By how much the clocks of two hosts differ."""


class Caller:
    """Requests one after the other, each with a hub of its own."""

    def __init__(self, client, clock) -> None:
        self.client, self.clock = client, clock

    def __getattr__(self, name):
        def call(*args):
            return self.clock.run(getattr(self.service(), name)(*args))

        return call

    def service(self) -> RegistryService:
        return RegistryService(TaskHubClient(self.client.mock, TRACE))

    def refused(self, name, *args) -> ProblemError:
        with pytest.raises(ProblemError) as problem:
            getattr(self, name)(*args)
        return problem.value


@pytest.fixture
def caller(client, clock) -> Caller:
    """Somebody who calls the API."""
    return Caller(client, clock)


@pytest.fixture
def opened(client):
    """An open registry."""
    client.open()
    return client


def on(what: str, fault: CallFault, times: int = 1000):
    """The first calls of a kind have this fault."""
    left = [fault] * times
    return lambda call: left.pop() if left and call.what == what else OK


def names(client, *kinds: str) -> list[str]:
    return [
        call.what
        for call in client.calls
        if call.what.split()[0] in (kinds or ("signal", "start", "raise"))
    ]


class TestOpen:
    def test_it_sends_three_messages_and_reads_nothing(self, client, caller, clock) -> None:
        """The stats come first, so that heal knows of it; then the life and the list, side by side."""
        caller.open(make_terms())
        assert [call.what for call in client.calls] == [
            "signal RecordSnapshot",
            "start registry",
            "signal OpenRegistry",
        ]
        stats, life, opening = (call.content for call in client.calls)
        assert (
            life["birth"]
            == opening["birth"]
            == stats["standing"]["birth"]
            == json.loads(json.dumps(dump(make_terms())))
        )
        assert client.calls[0].target == stats_entity(ID).key
        assert client.calls[1].target == ID
        assert clock.slept == []

    def test_it_is_open_and_counted_then(self, client, caller, clock) -> None:
        """As soon as the messages are through: what was announced has its first revision."""
        caller.open(make_terms(has_webhook=True))
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].status == "open"
        assert caller.peek(ID) == replace(Registry.new(make_terms(has_webhook=True)), revision=1)

    @pytest.mark.parametrize(
        "what", ["signal RecordSnapshot", "start registry", "signal OpenRegistry"]
    )
    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_each_message_is_repeated_until_it_is_accepted(
        self, client, caller, clock, what, fault
    ) -> None:
        """Whether it failed before or after its effect: the registry is open once."""
        client.fault = on(what, fault, 3)
        caller.open(make_terms())
        accepted_by_the_look = what == "start registry" and fault == FAILS_AFTERWARDS
        assert client.count(what) == (1 if accepted_by_the_look else 4)
        clock.advance(seconds=1)
        assert caller.peek(ID).revision == 1
        assert client.stats().counts.total() == 1

    def test_nothing_is_opened_where_the_stats_cannot_be_told(self, client, caller) -> None:
        """Nobody would heal it."""
        client.fault = on("signal RecordSnapshot", FAILS)
        with pytest.raises(HubUnavailable):
            caller.open(make_terms())
        assert set(names(client)) == {"signal RecordSnapshot"}

    @pytest.mark.parametrize("what", ["start registry", "signal OpenRegistry"])
    def test_it_is_not_open_unless_all_messages_were_accepted(self, client, caller, what) -> None:
        """Both the life and the list need theirs."""
        client.fault = on(what, FAILS)
        with pytest.raises(HubUnavailable):
            caller.open(make_terms())

    def test_a_life_and_a_list_wait_for_none_of_each_other(self, client, caller, clock) -> None:
        """A start that is not answered does not hold up the message to the list."""
        client.fault = on("start registry", NO_ANSWER)
        with pytest.raises(HubUnavailable):
            caller.open(make_terms())
        assert client.times("signal OpenRegistry") == [0]


class TestAdd:
    def test_it_costs_one_message_and_three_reads(self, opened, caller, clock) -> None:
        """The read before the message is one of them; two follow, after 20 and 60 ms. Then the
        stats hear of it.
        """
        assert caller.add(ID, BIKE) == 1
        to_list = ["read list", "signal AddItem", "read list", "read list"]
        assert [call.what for call in opened.calls] == [*to_list, "signal RecordSnapshot"]
        assert opened.times("read list") == [0, 0.02, 0.06]
        message = opened.calls[1].content
        assert (message["key"], message["text"], message["trace"]) == ("k1", "Bike", TRACE)
        assert opened.registry().items == {"k1": "Bike"}

    def test_the_stats_hear_of_it_once(self, opened, clock, caller) -> None:
        """In the background, after the answer."""

        async def add_two() -> None:
            await caller.service().add(ID, BIKE)
            await caller.service().add(ID, BOOK)
            await asyncio.sleep(3)

        clock.run(add_two())
        assert opened.count("signal RecordSnapshot") == 2
        assert opened.times("signal RecordSnapshot") == pytest.approx([0.06, 1.06], abs=0.02)
        assert opened.stats().items == 2

    def test_a_known_one_is_not_sent_again(self, opened, caller, clock) -> None:
        """It is answered by one read, also after the close."""
        opened.apply(AddItem, key="k1", text="Bike")
        assert caller.add(ID, BIKE) == 1
        opened.apply(CloseRegistry, by="user", terms=make_terms())
        assert caller.add(ID, BIKE) == 1
        assert opened.count("read list") == 2
        assert opened.count("signal AddItem") == 0

    def test_what_comes_twice_counts_once(self, opened, caller, clock) -> None:
        """The key tells repeats."""
        opened.fault = lambda call: TWICE
        assert caller.add(ID, BIKE) == 1
        clock.advance(seconds=1)
        assert caller.add(ID, BIKE) == 1
        assert opened.registry().items == {"k1": "Bike"}

    def test_the_end_of_patience_is_no_fault_of_the_task_hub(self, opened, caller, caplog) -> None:
        """Each call was answered: nothing is logged."""
        opened.fault = on("signal AddItem", LOST)
        with pytest.raises(OutcomeUnknown):
            caller.add(ID, BIKE)
        assert caplog.messages == []

    def test_it_is_not_told_by_what_was_sent(self, opened, caller, clock) -> None:
        """A message that was accepted may have no effect: only a read shows that it has."""
        opened.fault = on("signal AddItem", LOST)
        with pytest.raises(OutcomeUnknown, match="same Idempotency-Key"):
            caller.add(ID, BIKE)
        assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)
        assert opened.registry().items == {}

    def test_the_message_is_sent_again_each_second_without_effect(self, opened, caller) -> None:
        """And no more often."""
        opened.fault = on("signal AddItem", LOST)
        with pytest.raises(OutcomeUnknown):
            caller.add(ID, BIKE)
        times = opened.times("signal AddItem")
        assert len(times) == REQUEST_SECONDS / RESEND_SECONDS
        assert all(
            RESEND_SECONDS - 0.01 <= later - earlier < RESEND_SECONDS + 0.1
            for earlier, later in pairwise(times)
        )

    def test_a_lost_message_is_made_good_after_a_second(self, opened, caller, clock) -> None:
        """The add is answered once it is there."""
        opened.fault = on("signal AddItem", LOST, 1)
        assert caller.add(ID, BIKE) == 1
        assert clock.monotonic() == pytest.approx(RESEND_SECONDS + 0.06, abs=0.01)
        assert opened.count("signal AddItem") == 2

    def test_a_late_message_counts_once(self, opened, caller, clock) -> None:
        """Although it was sent again meanwhile."""
        opened.fault = on("signal AddItem", late(2.5))
        assert caller.add(ID, BIKE) == 1
        clock.advance(seconds=5)
        assert caller.peek(ID).items == {"k1": "Bike"}
        assert caller.peek(ID).revision == 2

    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_a_message_that_fails_is_not_told_as_an_error(self, opened, caller, fault) -> None:
        """It may be on its way all the same: what is read counts."""
        opened.fault = on("signal AddItem", fault, 1)
        assert caller.add(ID, BIKE) == 1
        assert opened.count("signal AddItem") == (2 if fault == FAILS else 1)

    def test_reads_that_fail_now_and_then_are_repeated(self, opened, caller) -> None:
        """Every second one fails here."""
        faults = [FAILS, OK] * 20
        opened.fault = lambda call: faults.pop(0) if call.what == "read list" else OK
        assert caller.add(ID, BIKE) == 1
        assert opened.count("signal AddItem") == 1

    def test_where_no_read_succeeds_any_more_the_outcome_is_unknown(
        self, opened, caller, clock
    ) -> None:
        """The gift may be there."""
        opened.fault = lambda call: FAILS if call.what == "read list" and call.at > 0 else OK
        with pytest.raises(OutcomeUnknown):
            caller.add(ID, BIKE)
        clock.advance(seconds=1)
        opened.fault = lambda call: OK
        assert caller.peek(ID).items == {"k1": "Bike"}

    def test_where_the_first_read_fails_nothing_is_sent(self, opened, caller) -> None:
        """The task hub does not answer: the caller may try again."""
        opened.fault = on("read list", FAILS)
        with pytest.raises(HubUnavailable):
            caller.add(ID, BIKE)
        assert names(opened) == []

    def test_a_full_registry_refuses_what_is_never_in_it_later(self, opened, caller) -> None:
        """The problem is read: the list has noted that it is full."""
        for number in range(3):
            caller.add(ID, Item(f"x{number}", "x"))
        problem = caller.refused("add", ID, BIKE)
        assert problem.type == problems.REGISTRY_FULL
        assert "at most 3 items, and 64 KiB" in problem.detail
        assert opened.registry().is_full
        caller.remove(ID, "x0")
        assert caller.refused("add", ID, BIKE).kind == problems.REGISTRY_FULL
        assert "k1" not in opened.registry().items

    def test_a_key_stands_for_one_gift(self, opened, caller) -> None:
        """Another text under it is refused, by one read."""
        caller.add(ID, BIKE)
        opened.calls.clear()
        assert caller.refused("add", ID, Item("k1", "Book")).kind == problems.KEY_REUSED
        assert names(opened) == []

    def test_a_gift_that_was_taken_back_stays_away(self, opened, caller) -> None:
        """Its key is remembered."""
        caller.add(ID, BIKE)
        caller.remove(ID, "k1")
        assert caller.refused("add", ID, BIKE).kind == problems.ITEM_REMOVED

    def test_a_refusal_for_the_close_is_read(self, opened, caller, clock) -> None:
        """It names the recorded time, and the gift is never in the registry, although its message
        may still come.
        """
        clock.advance(seconds=10)
        opened.apply(CloseRegistry, by="user", terms=make_terms())
        opened.fault = lambda call: TWICE
        problem = caller.refused("add", ID, BIKE)
        assert problem.type == problems.REGISTRY_CLOSED
        assert "2026-12-24T18:00:10.000Z" in problem.detail
        assert names(opened) == []

    def test_a_close_that_comes_while_it_waits_refuses_it(self, opened, caller, clock) -> None:
        """The add that is still on its way changes nothing."""
        opened.fault = lambda call: LOST if call.what == "signal AddItem" else OK

        async def race() -> None:
            adding = asyncio.create_task(caller.service().add(ID, BIKE))
            await asyncio.sleep(0.5)
            opened.apply(CloseRegistry, by="user", terms=make_terms())
            opened.apply(AddItem, key="k1", text="Bike")
            with pytest.raises(ProblemError):
                await adding

        clock.run(race())
        assert caller.peek(ID).items == {}

    def test_a_repeated_add_to_a_registry_at_rest_counts_nothing(
        self, opened, caller, clock
    ) -> None:
        """Settling and the delivery have told the stats: what these have forgotten since, they
        would count again.
        """

        async def live_and_repeat() -> None:
            terms = opened.open(make_terms(has_webhook=True, id="f" * 32))
            await caller.service().open(terms)
            await caller.service().add(terms.id, BIKE)
            await asyncio.sleep(2)
            await caller.service().close_registry(terms, "user")
            for number, outcome in ((1, "failed"), (2, "delivered")):
                opened.apply(RequestDelivery, terms.id, number=number)
                await caller.service().close_registry(terms, "user")
                opened.apply(RecordDelivery, terms.id, number=number, outcome=outcome)
                await caller.service().close_registry(terms, "user")
            await asyncio.sleep(1)
            assert +opened.stats().counts == {"delivered": 1}
            await asyncio.sleep(2 * 3600)
            await caller.service().open(make_terms("f" * 31 + "0"))
            await asyncio.sleep(1)
            assert +opened.stats().counts == {"delivered": 1, "open": 1}
            opened.calls.clear()
            assert await caller.service().add(terms.id, BIKE) == 1
            assert await caller.service().remove(terms.id, "k9") == 1
            await asyncio.sleep(2)

        clock.run(live_and_repeat())
        assert +opened.stats().counts == {"delivered": 1, "open": 1}
        assert names(opened) == []


class TestRemove:
    def test_it_costs_one_message_and_is_read_back(self, opened, caller) -> None:
        """It returns how many gifts are left."""
        opened.apply(AddItem, key="k1", text="Bike")
        opened.apply(AddItem, key="k2", text="Book")
        assert caller.remove(ID, "k1") == 1
        to_list = ["read list", "signal RemoveItem", "read list", "read list"]
        assert [call.what for call in opened.calls] == [*to_list, "signal RecordSnapshot"]
        assert opened.calls[1].content["key"] == "k1"

    def test_a_gift_whose_add_is_on_its_way_is_taken_back(self, opened, caller, clock) -> None:
        """The key is remembered, so that the add comes to nothing."""
        assert caller.remove(ID, "k1") == 0
        opened.apply(AddItem, key="k1", text="Bike")
        assert opened.registry().items == {}

    def test_what_is_taken_back_is_not_sent_again(self, opened, caller) -> None:
        """Repeating a removal is one read."""
        caller.remove(ID, "k1")
        opened.calls.clear()
        assert caller.remove(ID, "k1") == 0
        assert opened.count("read list") == 1
        assert opened.count("signal RemoveItem") == 0

    def test_a_closed_registry_changes_no_more(self, opened, caller) -> None:
        """What is in it stays; of what is not in it, the removal has succeeded."""
        opened.apply(AddItem, key="k1", text="Bike")
        opened.apply(CloseRegistry, by="user", terms=make_terms())
        assert caller.refused("remove", ID, "k1").kind == problems.REGISTRY_CLOSED
        assert caller.remove(ID, "k2") == 1

    def test_the_outcome_is_unknown_while_it_cannot_be_read(self, opened, caller) -> None:
        """Repeating it is harmless."""
        opened.fault = on("signal RemoveItem", LOST)
        with pytest.raises(OutcomeUnknown, match="Repeat this"):
            caller.remove(ID, "k1")


class TestTimeIsUp:
    """The clock of a request closes nothing: the list is asked to, and its close is read (V1)."""

    @pytest.fixture
    def due(self, opened, clock):
        """A registry whose time is up, while its life is late."""
        opened.apply(AddItem, key="k1", text="Bike")
        clock.advance(minutes=5)
        return opened

    def test_peek_shows_the_recorded_close(self, due, caller) -> None:
        """It asks for it, by time-out, with the terms."""
        registry = caller.peek(ID)
        assert (registry.closed_by, registry.closed_at) == ("timeout", make_terms().closes_at)
        assert names(due, "read", "signal") == [
            "read list",
            "signal CloseRegistry",
            "read list",
            "read list",
        ]
        message = due.calls[1].content
        assert (message["by"], message["birth"]["id"]) == ("timeout", ID)
        assert due.registry() == registry

    def test_peek_shows_closing_while_the_close_cannot_be_recorded(
        self, due, caller, clock
    ) -> None:
        """It is neither told as open nor as closed; the list is asked once a second."""
        due.fault = on("signal CloseRegistry", LOST)
        registry = caller.peek(ID)
        assert not registry.is_closed
        assert shown(registry, clock.utc_now())["status"] == "Closing"
        assert clock.monotonic() == pytest.approx(300 + REQUEST_SECONDS, abs=0.01)
        assert due.count("signal CloseRegistry") == REQUEST_SECONDS

    def test_peek_shows_closing_where_reads_fail_after_the_first(self, due, caller, clock) -> None:
        """An error is no close."""
        due.fault = lambda call: FAILS if call.what == "read list" and call.at > 300 else OK
        assert not caller.peek(ID).is_closed

    @pytest.mark.parametrize("name", ["add", "remove", "finish", "redeliver"])
    def test_other_calls_are_unanswered_while_the_close_cannot_be_recorded(
        self, due, caller, name
    ) -> None:
        """None says that the registry is closed, none that a gift was refused."""
        due.fault = on("signal CloseRegistry", LOST)
        args = {"add": [BOOK], "remove": ["k1"]}.get(name, [])
        with pytest.raises(OutcomeUnknown, match="is being closed"):
            getattr(caller, name)(ID, *args)
        assert set(names(due)) == {"signal CloseRegistry"}

    def test_an_add_is_refused_once_the_close_is_on_record(self, due, caller) -> None:
        """And not sent: the gift is never in the registry."""
        problem = caller.refused("add", ID, BOOK)
        assert problem.type == problems.REGISTRY_CLOSED
        assert "18:05:00.000Z" in problem.detail
        assert due.registry().is_closed
        assert names(due) == ["signal CloseRegistry"]

    def test_a_repeated_add_is_answered_once_the_close_is_on_record(self, due, caller) -> None:
        """It is there."""
        assert caller.add(ID, BIKE) == 1
        assert due.registry().is_closed

    def test_an_add_on_its_way_is_either_shown_or_never_there(self, due, caller, clock) -> None:
        """The list judges the slow message after its close: what peek has shown stays."""
        due.fault = on("signal AddItem", late(3))
        clock.now = START + timedelta(minutes=4, seconds=59)

        async def race() -> tuple[Registry, ProblemError]:
            adding = asyncio.create_task(caller.service().add(ID, BOOK))
            await asyncio.sleep(1.1)
            shown = await caller.service().peek(ID)
            with pytest.raises(ProblemError) as problem:
                await adding
            await asyncio.sleep(5)
            return shown, problem.value

        shown, problem = clock.run(race())
        assert shown.is_closed
        assert problem.type == problems.REGISTRY_CLOSED
        assert caller.peek(ID) == shown

    def test_a_list_whose_clock_is_behind_closes_when_its_time_has_come(
        self, opened, caller, clock, monkeypatch
    ) -> None:
        """It refuses at first; it is asked again, and nothing is told before it has agreed."""
        clock.advance(minutes=5)
        monkeypatch.setattr(
            "registry.durable.entities.clock",
            SimpleNamespace(utc_now=lambda: clock.utc_now() - SKEW),
        )
        assert caller.peek(ID).closed_at == make_terms().closes_at
        assert opened.count("signal CloseRegistry") == 2
        assert clock.monotonic() == pytest.approx(301.06, abs=0.01)

    def test_before_its_time_a_registry_is_shown_as_it_is(self, opened, caller, clock) -> None:
        """By one read."""
        clock.advance(minutes=5, milliseconds=-1)
        assert not caller.peek(ID).is_closed
        assert names(opened, "read", "signal") == ["read list"]


class TestFinish:
    def test_it_costs_two_messages_and_is_read_back(self, opened, caller, clock) -> None:
        """Its list and its life hear of it at the same time."""
        opened.apply(AddItem, key="k1", text="Bike")
        clock.advance(seconds=10)
        registry = caller.finish(ID)
        assert registry == opened.registry()
        assert (registry.closed_by, registry.items) == ("user", {"k1": "Bike"})
        assert names(opened) == ["signal CloseRegistry", "raise close"]
        assert opened.times("signal CloseRegistry") == opened.times("raise close") == [10]
        assert opened.count("read list") == 3
        close = opened.calls[1].content
        assert (close["by"], close["birth"]["id"], close["trace"]) == ("user", ID, TRACE)
        assert opened.calls[2].content["trace"] == TRACE

    def test_a_closed_registry_is_returned_as_it_is(self, opened, caller, clock) -> None:
        """Whoever closed it, and when, stays."""
        first = caller.finish(ID)
        opened.calls.clear()
        clock.advance(minutes=6)
        assert caller.finish(ID) == first
        assert names(opened, "read", "signal", "raise") == ["read list"]

    def test_it_returns_what_was_read_where_time_wins(self, opened, caller, clock) -> None:
        """The message came after the time: closed by time-out, whatever was asked for."""
        clock.advance(minutes=5, milliseconds=-10)
        registry = caller.finish(ID)
        assert (registry.closed_by, registry.closed_at) == ("timeout", make_terms().closes_at)

    def test_it_shows_gifts_that_came_before_the_close(self, opened, caller, clock) -> None:
        """Also those that were not there when it began."""
        opened.fault = on("signal CloseRegistry", late(0.5))

        async def race() -> Registry:
            finishing = asyncio.create_task(caller.service().finish(ID))
            await asyncio.sleep(0.2)
            opened.apply(AddItem, key="k1", text="Bike")
            return await finishing

        assert clock.run(race()).items == {"k1": "Bike"}

    @pytest.mark.parametrize("fault", [FAILS, LOST, FAILS_AFTERWARDS])
    def test_a_lost_close_is_sent_again_after_a_second(self, opened, caller, clock, fault) -> None:
        """Where it had its effect, it is not."""
        opened.fault = on("signal CloseRegistry", fault, 1)
        assert caller.finish(ID).closed_by == "user"
        assert opened.count("signal CloseRegistry") == (1 if fault == FAILS_AFTERWARDS else 2)

    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_it_settles_in_the_place_of_a_life_that_does_not_hear(
        self, client, caller, clock, fault
    ) -> None:
        """The event is tried once; then the registry is counted and its delivery started here."""
        client.open(make_terms(has_webhook=True))
        client.fault = on("raise close", fault)
        assert caller.finish(ID).closed_by == "user"
        assert client.count("raise close") == client.count("start delivery") == 1
        clock.advance(seconds=1)
        assert +client.stats().counts == {"pending": 1}

    @pytest.mark.parametrize("what", ["start delivery", "signal RecordSnapshot"])
    def test_it_is_told_although_nobody_can_settle_it(self, client, caller, clock, what) -> None:
        """The close is on record: the timer settles the registry later, or heal does."""
        client.open(make_terms(has_webhook=True))
        client.fault = lambda call: FAILS if call.what in ("raise close", what) else OK
        registry = caller.finish(ID)
        assert registry == client.registry()
        assert registry.closed_by == "user"
        assert client.stats().counts.total() == 0

    def test_it_is_told_although_reads_fail_while_it_settles(self, opened, caller) -> None:
        """The close was read once, which is enough for the caller."""

        def fault(call):
            has_closed = any(
                each.what == "read list" and each.at > 0.05 for each in opened.calls[:-1]
            )
            return (
                FAILS
                if call.what == "raise close" or (call.what == "read list" and has_closed)
                else OK
            )

        opened.fault = fault
        assert caller.finish(ID).closed_by == "user"
        assert opened.count("signal RecordSnapshot") == 0

    def test_an_event_that_is_never_answered_ends_with_its_patience(
        self, opened, caller, clock
    ) -> None:
        """What was read is told all the same."""
        opened.fault = on("raise close", NO_ANSWER)
        assert caller.finish(ID).closed_by == "user"
        assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)

    @pytest.mark.parametrize("status", ["Failed", "Terminated", None])
    def test_it_settles_what_has_no_life_any_more(self, client, caller, clock, status) -> None:
        """The registry is counted and its delivery started in the place of the life."""
        terms = client.open(make_terms(has_webhook=True))
        client.instances.clear()
        if status:
            client.start(terms, status)
        registry = caller.finish(ID)
        assert registry.closed_by == "user"
        assert is_running(client.instances[delivery_instance(ID)])
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].status == "pending"

    def test_the_outcome_is_unknown_while_the_close_cannot_be_read(self, opened, caller) -> None:
        """The reply of the task hub to either message says nothing."""
        opened.fault = on("signal CloseRegistry", LOST)
        with pytest.raises(OutcomeUnknown, match="is being closed"):
            caller.finish(ID)

    def test_a_finish_before_the_list_is_open_opens_it_first(self, client, caller, clock) -> None:
        """The list has a second; then it gets its message again."""
        client.start(make_terms())
        registry = caller.finish(ID)
        assert (registry.closed_by, registry.items) == ("user", {})
        assert names(client) == ["signal OpenRegistry", "signal CloseRegistry", "raise close"]


CALLS = [("peek",), ("add", BIKE), ("remove", "k1"), ("finish",), ("redeliver",)]


class TestUnknown:
    @pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
    def test_an_id_that_nobody_has_opened(self, client, caller, call) -> None:
        """Nothing is sent."""
        assert caller.refused(call[0], ID, *call[1:]).kind == problems.UNKNOWN_REGISTRY
        assert names(client) == []

    def test_an_instance_of_another_orchestration(self, client, caller) -> None:
        """It is no registry."""
        client.instances[ID] = Instance(ID, "OtherOrchestration", "Running", "{}")
        assert caller.refused("peek", ID).kind == problems.UNKNOWN_REGISTRY

    def test_a_state_that_is_empty_is_none(self, client, caller) -> None:
        """It remains of a list that was deleted."""
        entity = client.entity(list_entity(ID))
        entity.exists, entity.state = True, json.dumps("")
        assert caller.refused("peek", ID).kind == problems.UNKNOWN_REGISTRY

    @pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
    @pytest.mark.parametrize("what", ["read list", "instance"])
    def test_an_error_says_nothing_about_an_id(self, client, caller, clock, what, call) -> None:
        """It is repeated until the deadline, and then the task hub does not answer."""
        client.start(make_terms())
        client.fault = on(what, FAILS)
        with pytest.raises(HubUnavailable):
            caller.__getattr__(call[0])(ID, *call[1:])
        assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)

    def test_a_look_at_the_life_that_fails_is_repeated(self, client, caller) -> None:
        """Within the deadline."""
        client.start(make_terms())
        client.fault = on("instance", FAILS, 5)
        assert caller.peek(ID) == Registry.new(make_terms())

    def test_a_life_that_has_completed_without_a_list_is_forgotten(self, client, caller) -> None:
        """The list is read a second time: it may have been opened and closed meanwhile."""
        client.start(make_terms(), "Completed")
        assert caller.refused("peek", ID).kind == problems.UNKNOWN_REGISTRY
        assert names(client, "read", "instance") == ["read list", "instance", "read list"]

    def test_a_list_that_opens_between_two_looks_is_found(self, client, caller) -> None:
        """The life was quick."""
        client.start(make_terms(), "Completed")

        def opens(call):
            if call.what == "instance":
                client.apply(OpenRegistry, terms=make_terms())
                client.apply(CloseRegistry, terms=make_terms(), by="user")
            return OK

        client.fault = opens
        assert caller.peek(ID).closed_by == "user"

    @pytest.mark.parametrize("status", ["Running", "Failed", "Terminated"])
    def test_an_hour_after_its_end_a_life_without_a_list_is_unknown(
        self, client, caller, clock, status
    ) -> None:
        """Its messages would be ignored."""
        client.start(make_terms(), status)
        clock.advance(hours=1, minutes=5)
        assert caller.refused("peek", ID).kind == problems.UNKNOWN_REGISTRY
        clock.advance(milliseconds=-1)
        assert caller.peek(ID).closed_by == "timeout"


class TestAnnounced:
    @pytest.mark.parametrize("status", ["Pending", "Running", "Failed"])
    def test_peek_shows_a_registry_whose_list_is_not_open_yet(self, client, caller, status) -> None:
        """Open and empty; nothing is sent."""
        client.start(make_terms(has_webhook=True), status)
        assert caller.peek(ID) == Registry.new(make_terms(has_webhook=True))
        assert names(client) == []

    def test_lives_of_older_versions_are_read(self, client, caller) -> None:
        """Their input is flat."""
        input = {
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "maxItems": 3,
        }
        client.instances[ID] = Instance(ID, LIFE, "Running", input)
        assert caller.peek(ID).terms == make_terms()

    def test_an_add_waits_a_second_for_the_list(self, client, caller) -> None:
        """Its message is mostly on its way."""
        client.start(make_terms())
        opening = client.message(terms=make_terms())

        def opens(call):
            if call.what == "read list" and call.at > 0.2:
                client.entity(list_entity(ID)).batch(("open", opening))
            return OK

        client.fault = opens
        assert caller.add(ID, BIKE) == 1
        assert client.sent() == ["signal AddItem", "signal RecordSnapshot"]

    def test_the_open_is_sent_again_after_a_second(self, client, caller) -> None:
        """With the terms that the life has; once a second."""
        client.start(make_terms(max_items=7))
        client.fault = on("signal OpenRegistry", LOST, 2)
        assert caller.add(ID, BIKE) == 1
        assert client.times("signal OpenRegistry") == pytest.approx([1, 2, 3], abs=0.05)
        assert client.registry().terms == make_terms(max_items=7)

    def test_where_it_does_not_open_the_outcome_is_unknown(self, client, caller) -> None:
        """Nothing is put into it."""
        client.start(make_terms())
        client.fault = on("signal OpenRegistry", LOST)
        with pytest.raises(OutcomeUnknown, match="still being opened"):
            caller.add(ID, BIKE)
        assert set(names(client)) == {"signal OpenRegistry"}

    def test_one_whose_time_is_up_is_closed(self, client, caller, clock) -> None:
        """On record, and empty; its open is not sent any more."""
        client.start(make_terms(has_webhook=True))
        clock.advance(minutes=5)
        assert caller.refused("add", ID, BIKE).kind == problems.REGISTRY_CLOSED
        assert names(client) == ["signal CloseRegistry"]
        assert client.registry().delivery.status == "off"


class TestSettle:
    def test_it_closes_and_counts(self, opened, caller, clock) -> None:
        """Two messages and three reads where nothing is to be sent."""
        opened.apply(AddItem, key="k1", text="Bike")
        clock.advance(minutes=5)
        registry = caller.close_registry(make_terms(), "timeout")
        assert names(opened) == ["signal CloseRegistry", "signal RecordSnapshot"]
        assert opened.count("read list") == 3
        assert registry == opened.registry()
        standing = opened.calls[-1].content["standing"]
        assert (standing["revision"], standing["items"], standing["phase"]) == (
            registry.revision,
            1,
            "off",
        )

    @pytest.mark.parametrize("by", ["user", "timeout"])
    def test_it_closes_in_the_name_of_whoever_did(self, opened, caller, clock, by) -> None:
        """The list decides; before the time only the user does."""
        if by == "timeout":
            clock.advance(minutes=5)
        assert caller.close_registry(make_terms(), by).closed_by == by

    def test_it_counts_what_was_committed(self, opened, caller, clock) -> None:
        """Not what was there when it began."""
        opened.fault = on("signal CloseRegistry", late(0.5))

        async def race() -> None:
            settling = asyncio.create_task(caller.service().close_registry(make_terms(), "user"))
            await asyncio.sleep(0.2)
            opened.apply(AddItem, key="k1", text="Bike")
            await settling

        clock.run(race())
        clock.advance(seconds=1)
        assert opened.stats().items == 1

    def test_what_is_closed_is_not_closed_again(self, opened, caller) -> None:
        """A repeat reads once and tells the stats."""
        caller.close_registry(make_terms(), "user")
        opened.calls.clear()
        caller.close_registry(make_terms(), "timeout")
        assert names(opened, "read", "signal") == ["read list", "signal RecordSnapshot"]

    def test_any_number_of_times_comes_to_the_same(self, client, caller, clock) -> None:
        """It is closed, counted and sent once, whoever settles it and at the same time."""
        terms = client.open(make_terms(has_webhook=True))
        clock.advance(minutes=5)

        async def settle() -> None:
            await asyncio.gather(
                *(caller.service().close_registry(terms, "timeout") for _ in range(3))
            )

        clock.run(settle())
        clock.run(settle())
        clock.advance(seconds=1)
        assert +client.stats().counts == {"pending": 1}
        assert [id for id in client.instances if id.endswith("-delivery")] == [
            delivery_instance(ID)
        ]

    def test_what_is_pending_is_sent_under_its_id(self, client, caller, clock) -> None:
        """Before the stats are told, so that they know of it until it is on its way."""
        terms = client.open(make_terms(has_webhook=True))
        caller.close_registry(terms, "user")
        assert names(client) == ["signal CloseRegistry", "start delivery", "signal RecordSnapshot"]
        call = next(call for call in client.calls if call.what == "start delivery")
        assert call.target == f"{ID}-delivery"
        order = {
            name: call.content[name]
            for name in ("id", "number", "backoff", "began", "failures", "trace")
        }
        expected = {
            "id": ID,
            "number": 1,
            "backoff": [5, 3600, 86400],
            "began": None,
            "failures": 0,
            "trace": TRACE,
        }
        assert order == expected

    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_the_delivery_is_started_until_it_is_accepted(self, client, caller, fault) -> None:
        """A start that fails after its effect is accepted."""
        terms = client.open(make_terms(has_webhook=True))
        client.fault = on("start delivery", fault, 3)
        caller.close_registry(terms, "user")
        assert is_running(client.instances[delivery_instance(ID)])

    def test_what_has_been_delivered_is_not_sent_again(self, client, caller) -> None:
        """Whoever settles it later."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.apply(RecordDelivery, number=1, outcome="delivered")
        caller.close_registry(terms, "timeout")
        assert names(client) == ["signal RecordSnapshot"]

    def test_a_registry_whose_list_never_opened_is_closed_and_counted(
        self, client, caller, clock
    ) -> None:
        """Empty, and not sent."""
        clock.advance(minutes=5)
        registry = caller.close_registry(make_terms(has_webhook=True), "timeout")
        assert (registry.closed_by, registry.delivery.status, registry.items) == (
            "timeout",
            "off",
            {},
        )
        assert names(client) == ["signal CloseRegistry", "signal RecordSnapshot"]

    def test_it_does_not_count_what_is_not_closed_on_record(self, opened, caller, clock) -> None:
        """It fails instead, and is tried again."""
        clock.advance(minutes=5)
        opened.fault = on("signal CloseRegistry", LOST)
        with pytest.raises(OutcomeUnknown):
            caller.close_registry(make_terms(), "timeout")
        assert set(names(opened)) == {"signal CloseRegistry"}


class TestProcess:
    @pytest.fixture
    def delivered(self, client):
        """A registry whose delivery has come to rest."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.apply(RecordDelivery, number=1, outcome="failed")
        client.on_start = lambda instance, order: client.apply(
            RequestDelivery, number=order["number"]
        )
        return client

    def test_an_open_registry_is_sent_when_it_closes(self, opened, caller) -> None:
        """Nothing is sent before."""
        problem = caller.refused("redeliver", ID)
        assert (problem.type, names(opened)) == (problems.REGISTRY_OPEN, [])
        assert "2026-12-24T18:05:00.000Z" in problem.detail

    def test_a_registry_at_rest_is_sent_under_the_next_number(self, delivered, caller) -> None:
        """It is returned once its list has taken note: pending. The stats are told before, so that
        heal knows of it.
        """
        registry = caller.redeliver(ID)
        assert (registry.delivery.status, registry.delivery.number) == ("pending", 2)
        assert names(delivered) == ["start delivery", "signal RecordSnapshot"]
        assert delivered.calls[1].content["number"] == 2
        standing = delivered.calls[-1].content["standing"]
        assert (standing["phase"], standing["revision"]) == ("pending", registry.revision)

    def test_nothing_is_told_of_it_before_the_stats_are(self, delivered, caller) -> None:
        """They could not have it healed; the caller may try again."""
        delivered.fault = on("signal RecordSnapshot", FAILS)
        with pytest.raises(HubUnavailable):
            caller.redeliver(ID)
        assert is_running(delivered.instances[delivery_instance(ID)])
        delivered.fault = lambda call: OK
        assert caller.redeliver(ID).delivery.number == 2

    def test_one_that_is_pending_has_its_delivery_under_way(self, client, caller) -> None:
        """It is started where it is not, under the number it has."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        assert caller.redeliver(ID).delivery.status == "pending"
        assert [call.what for call in client.calls] == [
            "read list",
            "start delivery",
            "read list",
            "signal RecordSnapshot",
        ]
        assert client.calls[1].content["number"] == 1
        before = client.instances[delivery_instance(ID)]
        assert caller.redeliver(ID).delivery.number == 1
        assert client.instances[delivery_instance(ID)] == before

    def test_one_that_is_pending_is_returned_as_it_stands_after_the_start(
        self, client, caller
    ) -> None:
        """Its delivery may have come to an end at once."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.on_start = lambda instance, order: client.apply(
            RecordDelivery, number=order["number"], outcome="delivered"
        )
        registry = caller.redeliver(ID)
        assert registry == client.registry()
        assert registry.delivery.status == "delivered"

    def test_the_outcome_is_unknown_while_no_start_is_accepted(self, client, caller) -> None:
        """Also of one that is pending already: its delivery may not be under way."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.fault = on("start delivery", FAILS)
        with pytest.raises(OutcomeUnknown, match="about to be sent"):
            caller.redeliver(ID)
        assert client.count("signal RecordSnapshot") == 0

    def test_it_is_sent_once_a_minute_at_most(self, delivered, caller, clock) -> None:
        """The problem says how long to wait."""
        caller.redeliver(ID)
        delivered.apply(RecordDelivery, number=2, outcome="delivered")
        clock.advance(seconds=20.5)
        problem = caller.refused("redeliver", ID)
        assert (problem.type, problem.retry_after) == (problems.SENT_JUST_NOW, 40)
        clock.advance(seconds=40)
        delivered.instances.clear()
        assert caller.redeliver(ID).delivery.number == 3

    def test_it_is_started_again_after_a_second_without_effect(
        self, delivered, caller, clock
    ) -> None:
        """The delivery before may just be ending."""
        instance = delivery_instance(ID)
        delivered.instances[instance] = Instance(instance, "DeliveryOrchestration", "Running", None)

        async def end() -> None:
            processing = asyncio.create_task(caller.service().redeliver(ID))
            await asyncio.sleep(0.5)
            del delivered.instances[instance]
            assert (await processing).delivery.number == 2

        clock.run(end())
        assert delivered.times("start delivery") == pytest.approx([0, 1], abs=0.05)

    def test_the_outcome_is_unknown_until_the_list_has_taken_note(self, delivered, caller) -> None:
        """An accepted start is none."""
        delivered.on_start = lambda instance, order: None
        with pytest.raises(OutcomeUnknown, match="about to be sent"):
            caller.redeliver(ID)

    def test_one_whose_time_is_up_is_closed_first(self, client, caller, clock) -> None:
        """And its first delivery is started."""
        client.open(make_terms(has_webhook=True))
        clock.advance(minutes=5)
        assert caller.redeliver(ID).is_closed
        assert names(client) == ["signal CloseRegistry", "start delivery", "signal RecordSnapshot"]
        assert client.registry().delivery.number == 1


class TestHeal:
    def announced(self, clock, **changes) -> Snapshot:
        """The standing of a registry whose open was announced to the stats, and no more."""
        return Snapshot.of(Registry.new(make_terms(**changes)), clock.utc_now())

    def known(self, client, standing: Snapshot) -> Snapshot:
        """The stats count a registry by this standing, and nothing else."""
        entity, stats = (
            client.entity(stats_entity(ID)),
            Stats(standing.items or 0, standings={ID: standing}),
        )
        stats.counts[standing.status] = 1
        entity.exists, entity.state = True, json.dumps(stored(stats))
        return standing

    def older(self, client, phase: str = "open", items: int | None = 0) -> Snapshot:
        """A standing that an older version has noted, with nothing but the number of items."""
        return self.known(client, Snapshot(0, items, phase, LONG_AGO))

    def test_one_that_is_due_is_settled_from_its_list(self, client, caller, clock) -> None:
        """It is closed on record, counted and sent, and nobody asks its life."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(AddItem, key="k1", text="Bike")
        clock.advance(minutes=6)
        caller.heal(ID, Snapshot.of(client.registry(), terms.closes_at))
        assert (client.registry().closed_by, client.registry().closed_at) == (
            "timeout",
            terms.closes_at,
        )
        assert is_running(client.instances[delivery_instance(ID)])
        assert client.count("instance") == 0
        clock.advance(seconds=1)
        assert (client.stats().items, +client.stats().counts) == (1, {"pending": 1})

    @pytest.mark.parametrize("status", ["Running", "Completed", None])
    def test_one_that_never_opened_is_closed_by_its_birth(
        self, client, caller, clock, status
    ) -> None:
        """It was announced, so it is counted: whatever its life is, it is closed on record, empty
        and not sent.
        """
        if status:
            client.start(make_terms(has_webhook=True), status)
        standing = self.known(client, self.announced(clock, has_webhook=True))
        clock.advance(hours=1, minutes=5)
        caller.heal(ID, standing)
        assert (client.registry().closed_by, client.registry().delivery.status) == (
            "timeout",
            "off",
        )
        assert names(client) == ["signal CloseRegistry", "signal RecordSnapshot"]
        assert client.count("instance") == 0
        clock.advance(seconds=1)
        assert +client.stats().counts == {"off": 1}

    @pytest.mark.parametrize("status", ["Running", "Failed"])
    def test_an_hour_after_its_end_one_that_never_opened_is_closed_if_it_has_a_life(
        self, client, caller, clock, status
    ) -> None:
        """It cannot have been forgotten, as the life goes last."""
        client.start(make_terms(), status)
        standing = self.known(client, self.announced(clock))
        clock.advance(hours=1, minutes=5, milliseconds=1)
        caller.heal(ID, standing)
        assert client.registry().closed_at == make_terms().closes_at
        clock.advance(seconds=1)
        assert +client.stats().counts == {"off": 1}

    @pytest.mark.parametrize("status", ["Completed", None])
    def test_an_hour_after_its_end_one_without_list_and_life_comes_to_rest(
        self, client, caller, clock, status
    ) -> None:
        """It may have been forgotten: it does not rise again, and stays counted."""
        if status:
            client.start(make_terms(), status)
        standing = self.known(client, self.announced(clock))
        clock.advance(hours=1, minutes=5, milliseconds=1)
        caller.heal(ID, standing)
        assert client.registry() is None
        assert client.sent() == ["signal RecordSnapshot"]
        clock.advance(seconds=1)
        assert +client.stats().counts == {"off": 1}

    def test_an_open_one_of_an_older_version_is_noted_with_its_birth(
        self, client, caller, clock
    ) -> None:
        """The stats are told where its list stands; it is not closed before its time, though they
        had it as due.
        """
        client.open()
        client.apply(AddItem, key="k1", text="Bike")
        caller.heal(ID, self.older(client))
        assert client.sent() == ["signal RecordSnapshot"]
        clock.advance(seconds=1)
        standing = client.stats().snapshots[ID]
        assert (standing.terms, standing.due, client.stats().items) == (
            make_terms(),
            make_terms().closes_at,
            1,
        )
        assert not client.registry().is_closed

    def test_one_of_an_older_version_without_a_list_is_healed_by_its_life(
        self, client, caller, clock
    ) -> None:
        """The stats are told the terms of the life's input; once its time is up, it is settled by
        that.
        """
        terms = make_terms(max_items=7)
        client.start(terms)
        caller.heal(ID, self.older(client))
        assert client.sent() == ["signal RecordSnapshot"]
        clock.advance(seconds=1)
        standing = client.stats().snapshots[ID]
        assert (standing.terms, standing.status, standing.due) == (terms, "open", terms.closes_at)
        clock.advance(minutes=5)
        caller.heal(ID, self.older(client))
        assert (client.registry().terms, client.registry().closed_by) == (terms, "timeout")
        clock.advance(seconds=1)
        assert +client.stats().counts == {"off": 1}

    def test_a_due_one_of_an_older_version_is_settled(self, client, caller, clock) -> None:
        """Its terms is that of its list."""
        client.open()
        standing = self.older(client)
        clock.advance(minutes=5)
        caller.heal(ID, standing)
        assert client.registry().closed_by == "timeout"
        clock.advance(seconds=1)
        assert +client.stats().counts == {"off": 1}

    def test_one_that_was_asked_for_but_whose_list_has_not_heard_is_delivered(
        self, client, caller, clock
    ) -> None:
        """Its delivery ended between the stats and the list: it is begun again, under the next
        number.
        """
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.apply(RecordDelivery, number=1, outcome="failed")
        asked = replace(
            client.registry(), revision=client.registry().revision + 1, processing="pending"
        )
        caller.heal(ID, Snapshot.of(asked, clock.utc_now()))
        (start,) = [call for call in client.calls if call.what == "start delivery"]
        assert start.content["number"] == 2

    def test_a_closed_one_of_an_older_version_is_settled(self, client, caller, clock) -> None:
        """Also before its time: it was finished, and is pending; its items had been counted."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(AddItem, key="k1", text="Bike")
        standing = self.older(client, "pending", None)
        client.apply(CloseRegistry, terms=terms, by="user")
        caller.heal(ID, standing)
        assert is_running(client.instances[delivery_instance(ID)])
        clock.advance(seconds=1)
        assert (client.stats().items, +client.stats().counts) == (0, {"pending": 1})

    @pytest.mark.parametrize("status", ["Running", "Completed", None])
    def test_one_that_was_forgotten_while_it_was_sent_again_comes_to_rest(
        self, client, caller, clock, status
    ) -> None:
        """It counts as before, and does not rise again as another, empty registry, whatever its
        life is.
        """
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.apply(RecordDelivery, number=1, outcome="failed")
        client.apply(RequestDelivery, number=2)
        standing = self.known(client, Snapshot.of(client.registry(), clock.utc_now()))
        client.instances.clear()
        if status:
            client.start(terms, status)
        del client.entities[df.EntityId.get_scheduler_id(list_entity(ID))]
        clock.advance(days=31)
        caller.heal(ID, standing)
        assert (client.registry(), client.count("instance")) == (None, 0)
        assert client.sent() == ["signal RecordSnapshot"]
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].status == "failed"
        assert +client.stats().counts == {"failed": 1}

    @pytest.mark.parametrize("phase", ["open", "pending"])
    def test_one_of_an_older_version_that_is_gone_comes_to_rest(
        self, client, caller, clock, phase
    ) -> None:
        """There is nothing to settle, and it stays counted."""
        caller.heal(ID, self.older(client, phase, items=2))
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].status == "off"
        assert (client.stats().items, +client.stats().counts) == (2, {"off": 1})

    @pytest.mark.parametrize("what", ["read list", "instance"])
    def test_an_error_brings_nothing_to_rest(self, client, caller, clock, what) -> None:
        """Where the list or the life cannot be read, it is not known whether anything is left."""
        client.start(make_terms())
        client.fault = on(what, FAILS)
        with pytest.raises(HubUnavailable):
            caller.heal(ID, self.older(client))
        assert client.sent() == []


class TestStats:
    def test_the_shards_are_read_side_by_side_and_added(self, client, caller, clock) -> None:
        """Sixteen reads."""
        for number in range(20):
            caller.open(make_terms(f"{number:08x}" + "0" * 24))
        clock.advance(seconds=1)
        client.calls.clear()
        assert caller.stats().counts == {"open": 20}
        assert client.count("read stats") == 16
        assert set(client.times("read stats")) == {1}

    def test_no_count_is_told_where_a_shard_cannot_be_read(self, client, caller) -> None:
        """It would be too low."""
        client.fault = lambda call: FAILS if call.target == "7" else OK
        with pytest.raises(HubUnavailable):
            caller.stats()

    def test_a_ping_is_less_patient_than_a_request(self, client, caller, clock) -> None:
        """It reads one shard."""
        caller.ping()
        assert [call.what for call in client.calls] == ["read stats"]
        client.fault = lambda call: NO_ANSWER
        with pytest.raises(HubUnavailable):
            caller.ping()
        assert clock.monotonic() == pytest.approx(PING_SECONDS, abs=0.01)
