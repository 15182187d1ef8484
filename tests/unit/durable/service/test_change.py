import asyncio
from itertools import pairwise

import pytest

from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.domain.registry import Item
from registry.durable.list_client import RESEND_SECONDS
from registry.durable.messages import AddItem, CloseRegistry, RecordDelivery, RequestDelivery
from registry.durable.task_hub import REQUEST_SECONDS
from tests.support.fake_hub import (
    FAILS,
    FAILS_AFTERWARDS,
    ID,
    LOST,
    OK,
    TRACE,
    TWICE,
    late,
    on,
)
from tests.support.registries import BIKE, BOOK, make_terms

ADD, REMOVE, REPORT = "signal AddItem", "signal RemoveItem", "signal RecordSnapshot"
OTHER = "f" * 32


class TestAdd:
    def test_an_add_costs_one_message_and_three_reads(self, opened, caller) -> None:
        """One read before it, and two after 20 and 60 ms. Then the stats hear of it."""
        assert caller.add(ID, BIKE) == 1
        assert [call.what for call in opened.calls] == [
            "read list",
            ADD,
            "read list",
            "read list",
            REPORT,
        ]
        assert opened.times("read list") == [0, 0.02, 0.06]
        message = opened.calls[1].content
        assert (message["key"], message["text"], message["trace"]) == ("k1", "Bike", TRACE)
        assert opened.registry().items == {"k1": "Bike"}

    def test_adds_are_reported_in_the_background(self, opened, clock, caller) -> None:
        """After the answer, and at most once a second."""

        async def add_two() -> None:
            await caller.service().add(ID, BIKE)
            await caller.service().add(ID, BOOK)
            await asyncio.sleep(3)

        clock.run(add_two())
        assert opened.times(REPORT) == pytest.approx([0.06, 1.06], abs=0.02)
        assert opened.stats().items == 2

    def test_a_known_item_is_not_sent_again(self, opened, caller) -> None:
        """One read answers it, also after the close."""
        opened.apply(AddItem, key="k1", text="Bike")
        assert caller.add(ID, BIKE) == 1
        opened.apply(CloseRegistry, terms=make_terms(), by="user")
        assert caller.add(ID, BIKE) == 1
        assert opened.count("read list") == 2
        assert opened.count(ADD) == 0

    def test_a_message_that_arrives_twice_counts_once(self, opened, caller, clock) -> None:
        """Its key identifies it."""
        opened.fault = lambda call: TWICE
        assert caller.add(ID, BIKE) == 1
        clock.advance(seconds=1)
        assert caller.add(ID, BIKE) == 1
        assert opened.registry().items == {"k1": "Bike"}

    def test_an_accepted_message_is_no_success(self, opened, caller, clock, caplog) -> None:
        """Only a read is. Each call was answered, so nothing is logged."""
        opened.fault = on(ADD, LOST)
        with pytest.raises(OutcomeUnknown, match="same Idempotency-Key"):
            caller.add(ID, BIKE)
        assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)
        assert opened.registry().items == {}
        assert caplog.messages == []

    def test_a_message_is_sent_again_each_second_without_its_effect(self, opened, caller) -> None:
        """And no more often."""
        opened.fault = on(ADD, LOST)
        with pytest.raises(OutcomeUnknown):
            caller.add(ID, BIKE)
        times = opened.times(ADD)
        assert len(times) == REQUEST_SECONDS / RESEND_SECONDS
        for earlier, later in pairwise(times):
            assert RESEND_SECONDS - 0.01 <= later - earlier < RESEND_SECONDS + 0.1

    def test_a_lost_message_costs_a_second(self, opened, caller, clock) -> None:
        """The add succeeds once the item is there."""
        opened.fault = on(ADD, LOST, 1)
        assert caller.add(ID, BIKE) == 1
        assert clock.monotonic() == pytest.approx(RESEND_SECONDS + 0.06, abs=0.01)
        assert opened.count(ADD) == 2

    def test_a_late_message_counts_once(self, opened, caller, clock) -> None:
        """Although it was sent again meanwhile."""
        opened.fault = on(ADD, late(2.5))
        assert caller.add(ID, BIKE) == 1
        clock.advance(seconds=5)
        assert caller.peek(ID).items == {"k1": "Bike"}
        assert caller.peek(ID).revision == 2

    @pytest.mark.parametrize(("fault", "sent"), [(FAILS, 2), (FAILS_AFTERWARDS, 1)])
    def test_a_message_that_fails_may_be_on_its_way(self, opened, caller, fault, sent) -> None:
        """Only what is read counts."""
        opened.fault = on(ADD, fault, 1)
        assert caller.add(ID, BIKE) == 1
        assert opened.count(ADD) == sent

    def test_reads_that_fail_are_repeated(self, opened, caller) -> None:
        """Here every second one does. The message is not."""
        faults = [FAILS, OK] * 20
        opened.fault = lambda call: faults.pop(0) if call.what == "read list" else OK
        assert caller.add(ID, BIKE) == 1
        assert opened.count(ADD) == 1

    def test_the_outcome_is_unknown_where_no_read_succeeds_any_more(
        self, opened, caller, clock
    ) -> None:
        """The item may be there."""
        opened.fault = lambda call: FAILS if call.what == "read list" and call.at > 0 else OK
        with pytest.raises(OutcomeUnknown):
            caller.add(ID, BIKE)
        clock.advance(seconds=1)
        opened.fault = lambda call: OK
        assert caller.peek(ID).items == {"k1": "Bike"}

    def test_nothing_is_sent_where_the_first_read_fails(self, opened, caller) -> None:
        """The caller may try again."""
        opened.fault = on("read list", FAILS)
        with pytest.raises(HubUnavailable):
            caller.add(ID, BIKE)
        assert opened.sent() == []

    def test_a_full_registry_refuses_further_items_for_good(self, opened, caller) -> None:
        """The refusal was read: the list has recorded that it is full."""
        for number in range(3):
            caller.add(ID, Item(f"x{number}", "x"))
        problem = caller.problem("add", ID, BIKE)
        assert problem.type == problems.REGISTRY_FULL
        assert "at most 3 items, and 64 KiB" in problem.detail
        assert opened.registry().is_full

        caller.remove(ID, "x0")
        assert caller.problem("add", ID, BIKE).type == problems.REGISTRY_FULL
        assert "k1" not in opened.registry().items

    def test_a_reused_key_is_refused(self, opened, caller) -> None:
        """By one read."""
        opened.apply(AddItem, key="k1", text="Bike")
        assert caller.problem("add", ID, Item("k1", "Book")).type == problems.KEY_REUSED
        assert opened.made("read", "signal") == ["read list"]

    def test_a_removed_item_stays_away(self, opened, caller) -> None:
        """Its key is remembered."""
        caller.add(ID, BIKE)
        caller.remove(ID, "k1")
        assert caller.problem("add", ID, BIKE).type == problems.ITEM_REMOVED

    def test_a_closed_registry_refuses_with_the_time_of_its_close(
        self, opened, caller, clock
    ) -> None:
        """Nothing is sent."""
        clock.advance(seconds=10)
        opened.apply(CloseRegistry, terms=make_terms(), by="user")
        problem = caller.problem("add", ID, BIKE)
        assert problem.type == problems.REGISTRY_CLOSED
        assert "2026-12-24T18:00:10.000Z" in problem.detail
        assert opened.sent() == []

    def test_a_close_while_it_waits_refuses_it(self, opened, caller, clock) -> None:
        """The add that is still on its way changes nothing."""
        opened.fault = on(ADD, LOST)

        async def race() -> None:
            adding = asyncio.create_task(caller.service().add(ID, BIKE))
            await asyncio.sleep(0.5)
            opened.apply(CloseRegistry, terms=make_terms(), by="user")
            opened.apply(AddItem, key="k1", text="Bike")
            with pytest.raises(ProblemError):
                await adding

        clock.run(race())
        assert caller.peek(ID).items == {}

    def test_a_repeat_to_a_completed_registry_is_not_reported(self, opened, caller, clock) -> None:
        """The stats may have dropped it, and would count it again."""

        async def deliver_twice_and_repeat() -> None:
            terms = opened.open(make_terms(OTHER, has_webhook=True))
            await caller.service().open(terms)
            await caller.service().add(OTHER, BIKE)
            await asyncio.sleep(2)
            await caller.service().close_registry(terms, "user")
            for number, outcome in ((1, "failed"), (2, "delivered")):
                opened.apply(RequestDelivery, OTHER, number=number)
                await caller.service().close_registry(terms, "user")
                opened.apply(RecordDelivery, OTHER, number=number, outcome=outcome)
                await caller.service().close_registry(terms, "user")
            await asyncio.sleep(1)
            assert +opened.stats().counts == {"delivered": 1}

            # Another registry of the same shard makes it drop the first one.
            await asyncio.sleep(2 * 3600)
            await caller.service().open(make_terms("f" * 31 + "0"))
            await asyncio.sleep(1)
            assert +opened.stats().counts == {"delivered": 1, "open": 1}

            opened.calls.clear()
            assert await caller.service().add(OTHER, BIKE) == 1
            assert await caller.service().remove(OTHER, "k9") == 1
            await asyncio.sleep(2)

        clock.run(deliver_twice_and_repeat())
        assert +opened.stats().counts == {"delivered": 1, "open": 1}
        assert opened.sent() == []


class TestRemove:
    def test_a_removal_costs_one_message_and_is_read_back(self, opened, caller) -> None:
        """It returns how many items are left."""
        opened.apply(AddItem, key="k1", text="Bike")
        opened.apply(AddItem, key="k2", text="Book")
        assert caller.remove(ID, "k1") == 1
        assert [call.what for call in opened.calls] == [
            "read list",
            REMOVE,
            "read list",
            "read list",
            REPORT,
        ]
        assert opened.calls[1].content["key"] == "k1"

    def test_an_item_whose_add_is_on_its_way_is_removed(self, opened, caller) -> None:
        """The add then adds nothing."""
        assert caller.remove(ID, "k1") == 0
        opened.apply(AddItem, key="k1", text="Bike")
        assert opened.registry().items == {}

    def test_a_repeated_removal_is_one_read(self, opened, caller) -> None:
        """Nothing is sent to the list."""
        caller.remove(ID, "k1")
        opened.calls.clear()
        assert caller.remove(ID, "k1") == 0
        assert opened.count("read list") == 1
        assert opened.count(REMOVE) == 0

    def test_a_closed_registry_removes_nothing(self, opened, caller) -> None:
        """What is in it stays. What is not in it is as good as removed."""
        opened.apply(AddItem, key="k1", text="Bike")
        opened.apply(CloseRegistry, terms=make_terms(), by="user")
        assert caller.problem("remove", ID, "k1").type == problems.REGISTRY_CLOSED
        assert caller.remove(ID, "k2") == 1

    def test_the_outcome_is_unknown_while_it_cannot_be_read(self, opened, caller) -> None:
        """It can be repeated."""
        opened.fault = on(REMOVE, LOST)
        with pytest.raises(OutcomeUnknown, match="Repeat this"):
            caller.remove(ID, "k1")
