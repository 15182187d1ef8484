"""Finishing a registry, and closing it on record with all that follows."""

import asyncio

import pytest

from registry.domain.problems import OutcomeUnknown
from registry.domain.registry import Registry
from registry.durable.messages import AddItem, CloseRegistry, RecordDelivery
from registry.durable.names import delivery_instance
from registry.durable.task_hub import REQUEST_SECONDS
from tests.support.fake_hub import (
    FAILS,
    FAILS_AFTERWARDS,
    ID,
    LOST,
    NO_ANSWER,
    OK,
    TRACE,
    is_running,
    late,
    on,
)
from tests.support.registries import END, make_terms
from tests.unit import stored_by_1_0

OPEN, CLOSE, EVENT = "signal OpenRegistry", "signal CloseRegistry", "raise close"
START_DELIVERY, REPORT = "start delivery", "signal RecordSnapshot"


class TestFinish:
    def test_a_finish_costs_two_messages_and_is_read_back(self, opened, caller, clock) -> None:
        """The list and the orchestration get theirs at the same time."""
        opened.apply(AddItem, key="k1", text="Bike")
        clock.advance(seconds=10)
        registry = caller.finish(ID)
        assert registry == opened.registry()
        assert (registry.closed_by, registry.items) == ("user", {"k1": "Bike"})

        assert opened.sent() == [CLOSE, EVENT]
        assert opened.times(CLOSE) == opened.times(EVENT) == [10]
        assert opened.count("read list") == 3
        close, event = opened.calls[1:3]
        assert (close.content["by"], close.content["birth"]["id"]) == ("user", ID)
        assert (event.target, close.content["trace"], event.content["trace"]) == (ID, TRACE, TRACE)

    def test_a_closed_registry_is_returned_as_it_is(self, opened, caller, clock) -> None:
        """By one read."""
        first = caller.finish(ID)
        opened.calls.clear()
        clock.advance(minutes=6)
        assert caller.finish(ID) == first
        assert opened.made("read", "signal", "raise") == ["read list"]

    def test_a_finish_that_arrives_after_the_time_is_a_timeout(self, opened, caller, clock) -> None:
        """Whatever was asked for, what was read is returned."""
        clock.advance(minutes=5, milliseconds=-10)
        registry = caller.finish(ID)
        assert (registry.closed_by, registry.closed_at) == ("timeout", END)

    def test_a_finish_shows_items_that_came_before_the_close(self, opened, caller, clock) -> None:
        """Also those that were not there when it began."""
        opened.fault = on(CLOSE, late(0.5))

        async def race() -> Registry:
            finishing = asyncio.create_task(caller.service().finish(ID))
            await asyncio.sleep(0.2)
            opened.apply(AddItem, key="k1", text="Bike")
            return await finishing

        assert clock.run(race()).items == {"k1": "Bike"}

    @pytest.mark.parametrize(("fault", "sent"), [(FAILS, 2), (LOST, 2), (FAILS_AFTERWARDS, 1)])
    def test_a_close_without_effect_is_sent_again(self, opened, caller, fault, sent) -> None:
        """After a second."""
        opened.fault = on(CLOSE, fault, 1)
        assert caller.finish(ID).closed_by == "user"
        assert opened.count(CLOSE) == sent

    def test_the_outcome_is_unknown_while_the_close_cannot_be_read(self, opened, caller) -> None:
        """What the task hub answers to either message says nothing."""
        opened.fault = on(CLOSE, LOST)
        with pytest.raises(OutcomeUnknown, match="is being closed"):
            caller.finish(ID)

    def test_a_finish_before_the_list_is_open_opens_it_first(self, client, caller) -> None:
        """The list has a second; then its message is sent again."""
        client.start(make_terms())
        registry = caller.finish(ID)
        assert (registry.closed_by, registry.items) == ("user", {})
        assert client.sent() == [OPEN, CLOSE, EVENT]

    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_an_event_that_fails_is_made_good_here(self, client, caller, clock, fault) -> None:
        """It is raised once; then the registry is counted, and its delivery started."""
        client.open(make_terms(has_webhook=True))
        client.fault = on(EVENT, fault)
        assert caller.finish(ID).closed_by == "user"
        assert client.count(EVENT) == client.count(START_DELIVERY) == 1
        clock.advance(seconds=1)
        assert +client.stats().counts == {"pending": 1}

    @pytest.mark.parametrize("status", ["Failed", "Terminated", None])
    def test_a_registry_without_an_orchestration_is_completed_here(
        self, client, caller, clock, status
    ) -> None:
        """The registry is counted, and its delivery started."""
        terms = client.open(make_terms(has_webhook=True))
        client.instances.clear()
        if status:
            client.start(terms, status)
        assert caller.finish(ID).closed_by == "user"
        assert is_running(client.instances[delivery_instance(ID)])
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].status == "pending"

    @pytest.mark.parametrize("what", [START_DELIVERY, REPORT])
    def test_a_finish_succeeds_although_nothing_follows_it(self, client, caller, what) -> None:
        """The close is on record: the timer does the rest, or reconcile."""
        client.open(make_terms(has_webhook=True))
        client.fault = lambda call: FAILS if call.what in (EVENT, what) else OK
        registry = caller.finish(ID)
        assert registry == client.registry()
        assert registry.closed_by == "user"
        assert client.stats().counts.total() == 0

    def test_a_finish_succeeds_although_later_reads_fail(self, opened, caller) -> None:
        """The close was read once, which is enough."""

        def fault(call):
            was_read = any(
                each.what == "read list" and each.at > 0.05 for each in opened.calls[:-1]
            )
            fails = call.what == EVENT or (call.what == "read list" and was_read)
            return FAILS if fails else OK

        opened.fault = fault
        assert caller.finish(ID).closed_by == "user"
        assert opened.count(REPORT) == 0

    def test_an_event_without_an_answer_ends_with_the_request(self, opened, caller, clock) -> None:
        """What was read is returned all the same."""
        opened.fault = on(EVENT, NO_ANSWER)
        assert caller.finish(ID).closed_by == "user"
        assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)


class TestCloseRegistry:
    def test_a_close_is_recorded_and_counted(self, opened, caller, clock) -> None:
        """Two messages and three reads, where nothing is to be delivered."""
        opened.apply(AddItem, key="k1", text="Bike")
        clock.advance(minutes=5)
        registry = caller.close_registry(make_terms(), "timeout")
        assert opened.sent() == [CLOSE, REPORT]
        assert opened.count("read list") == 3
        assert registry == opened.registry()
        snapshot = opened.calls[-1].content["standing"]
        assert snapshot["revision"] == registry.revision
        assert (snapshot["items"], snapshot["phase"]) == (1, "off")

    @pytest.mark.parametrize("by", ["user", "timeout"])
    def test_a_close_has_the_name_of_whoever_closed(self, opened, caller, clock, by) -> None:
        """The list decides. Before the time only a user does."""
        if by == "timeout":
            clock.advance(minutes=5)
        assert caller.close_registry(make_terms(), by).closed_by == by

    def test_what_was_committed_is_counted(self, opened, caller, clock) -> None:
        """Not what was there when it began."""
        opened.fault = on(CLOSE, late(0.5))

        async def race() -> None:
            closing = asyncio.create_task(caller.service().close_registry(make_terms(), "user"))
            await asyncio.sleep(0.2)
            opened.apply(AddItem, key="k1", text="Bike")
            await closing

        clock.run(race())
        clock.advance(seconds=1)
        assert opened.stats().items == 1

    def test_a_closed_registry_is_read_once_and_reported_again(self, opened, caller) -> None:
        """It is not closed again."""
        caller.close_registry(make_terms(), "user")
        opened.calls.clear()
        caller.close_registry(make_terms(), "timeout")
        assert opened.made("read", "signal") == ["read list", REPORT]

    def test_any_number_of_runs_come_to_the_same(self, client, caller, clock) -> None:
        """Also at the same time: the registry is closed, counted and delivered once."""
        terms = client.open(make_terms(has_webhook=True))
        clock.advance(minutes=5)

        async def close_three_times() -> None:
            service = caller.service()
            await asyncio.gather(*(service.close_registry(terms, "timeout") for _ in range(3)))

        clock.run(close_three_times())
        clock.run(close_three_times())
        clock.advance(seconds=1)
        assert +client.stats().counts == {"pending": 1}
        deliveries = [id for id in client.instances if id.endswith("-delivery")]
        assert deliveries == [delivery_instance(ID)]

    def test_a_pending_delivery_is_started_under_its_id(self, client, caller) -> None:
        """Before the report: until then reconcile knows the registry as open."""
        terms = client.open(make_terms(has_webhook=True))
        caller.close_registry(terms, "user")
        assert client.sent() == [CLOSE, START_DELIVERY, REPORT]
        (call,) = [call for call in client.calls if call.what == START_DELIVERY]
        assert call.target == f"{ID}-delivery"
        assert call.content == stored_by_1_0.DELIVERY_INPUT | {"sent_at": call.content["sent_at"]}

    @pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
    def test_a_delivery_is_started_until_that_is_accepted(self, client, caller, fault) -> None:
        """A start that fails after its effect is accepted."""
        terms = client.open(make_terms(has_webhook=True))
        client.fault = on(START_DELIVERY, fault, 3)
        caller.close_registry(terms, "user")
        assert is_running(client.instances[delivery_instance(ID)])

    def test_a_delivered_registry_is_not_delivered_again(self, client, caller) -> None:
        """Whoever closes it later."""
        terms = client.open(make_terms(has_webhook=True))
        client.apply(CloseRegistry, terms=terms, by="user")
        client.apply(RecordDelivery, number=1, outcome="delivered")
        caller.close_registry(terms, "timeout")
        assert client.sent() == [REPORT]

    def test_a_registry_whose_list_never_opened_is_closed_empty(
        self, client, caller, clock
    ) -> None:
        """It is counted, and not delivered."""
        clock.advance(minutes=5)
        registry = caller.close_registry(make_terms(has_webhook=True), "timeout")
        assert (registry.closed_by, registry.items) == ("timeout", {})
        assert registry.delivery.status == "off"
        assert client.sent() == [CLOSE, REPORT]

    def test_nothing_is_counted_before_its_close_is_on_record(self, opened, caller, clock) -> None:
        """It fails instead, and is tried again."""
        clock.advance(minutes=5)
        opened.fault = on(CLOSE, LOST)
        with pytest.raises(OutcomeUnknown):
            caller.close_registry(make_terms(), "timeout")
        assert set(opened.sent()) == {CLOSE}
