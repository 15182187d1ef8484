"""What the calls make of a registry that is unknown, not open yet, or whose time is up."""

import asyncio
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.domain.registry import Registry
from registry.durable.messages import AddItem, CloseRegistry, OpenRegistry
from registry.durable.names import REGISTRY_ORCHESTRATOR, list_entity
from registry.durable.task_hub import REQUEST_SECONDS, Instance
from tests.clock import START
from tests.support.fake_hub import FAILS, ID, LOST, OK, late, on
from tests.support.registries import BIKE, BOOK, END, make_terms

OPEN, CLOSE = "signal OpenRegistry", "signal CloseRegistry"
CALLS = [("peek",), ("add", BIKE), ("remove", "k1"), ("finish",), ("redeliver",)]
every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])


class TestUnknown:
    @every_call
    def test_an_id_that_nobody_has_opened_is_unknown(self, client, caller, call) -> None:
        """Nothing is sent."""
        assert caller.problem(call[0], ID, *call[1:]).type == problems.UNKNOWN_REGISTRY
        assert client.sent() == []

    def test_an_instance_of_another_orchestrator_is_no_registry(self, client, caller) -> None:
        """Another app may share the task hub."""
        client.start(make_terms())
        client.instances[ID] = client.instances[ID]._replace(name="OtherOrchestration")
        assert caller.problem("peek", ID).type == problems.UNKNOWN_REGISTRY

    def test_an_empty_state_is_none(self, client, caller) -> None:
        """It remains of a list that was deleted."""
        client.entity(list_entity(ID)).store("")
        assert caller.problem("peek", ID).type == problems.UNKNOWN_REGISTRY

    @every_call
    @pytest.mark.parametrize("what", ["read list", "instance"])
    def test_an_error_says_nothing_about_an_id(self, client, caller, clock, what, call) -> None:
        """The call is repeated until the deadline; then the task hub does not answer."""
        client.start(make_terms())
        client.fault = on(what, FAILS)
        with pytest.raises(HubUnavailable):
            getattr(caller, call[0])(ID, *call[1:])
        assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)

    def test_a_look_at_the_orchestration_that_fails_is_repeated(self, client, caller) -> None:
        """Within the deadline."""
        client.start(make_terms())
        client.fault = on("instance", FAILS, 5)
        assert caller.peek(ID) == Registry.new(make_terms())

    def test_a_completed_orchestration_without_a_list_is_being_purged(self, client, caller) -> None:
        """The list is read a second time: it may have opened meanwhile."""
        client.start(make_terms(), "Completed")
        assert caller.problem("peek", ID).type == problems.UNKNOWN_REGISTRY
        assert client.made("read", "instance") == ["read list", "instance", "read list"]

    def test_a_list_that_opened_between_two_looks_is_found(self, client, caller) -> None:
        """Its orchestration was quick."""
        client.start(make_terms(), "Completed")

        def open_and_close(call):
            if call.what == "instance":
                client.apply(OpenRegistry, terms=make_terms())
                client.apply(CloseRegistry, terms=make_terms(), by="user")
            return OK

        client.fault = open_and_close
        assert caller.peek(ID).closed_by == "user"

    @pytest.mark.parametrize("status", ["Running", "Failed", "Terminated"])
    def test_an_hour_after_its_time_a_registry_without_a_list_is_unknown(
        self, client, caller, clock, status
    ) -> None:
        """The list would ignore its messages."""
        client.start(make_terms(), status)
        clock.advance(hours=1, minutes=5)
        assert caller.problem("peek", ID).type == problems.UNKNOWN_REGISTRY
        clock.advance(milliseconds=-1)
        assert caller.peek(ID).closed_by == "timeout"


class TestInvalid:
    @every_call
    def test_a_state_that_cannot_be_read_is_unavailable(self, client, caller, call, caplog) -> None:
        """Not unknown. It is logged once, without its values, and nothing is sent."""
        client.entity(list_entity(ID)).store({"birth": {"id": "Bike"}, "items": 5})
        with pytest.raises(HubUnavailable):
            getattr(caller, call[0])(ID, *call[1:])
        assert client.sent() == []
        assert caplog.messages == [
            "registry 01234567: its stored state is invalid: birth.opened_at: missing; "
            "birth.closes_at: missing; birth.max_items: missing; items: value_error"
        ]

    @pytest.mark.parametrize(
        ("input", "reason"),
        [
            (None, "value: model_type"),
            ("{", "JSONDecodeError"),
            (json.dumps({"birth": {}, "sent_at": "x"}), "sent_at: datetime_from_date_parsing; "),
        ],
    )
    def test_an_input_that_cannot_be_read_is_unavailable(
        self, client, caller, input, reason, caplog
    ) -> None:
        """Not unknown: only "there is none" means none."""
        client.instances[ID] = Instance(ID, REGISTRY_ORCHESTRATOR, "Running", input)
        with pytest.raises(HubUnavailable):
            caller.peek(ID)
        (line,) = caplog.messages
        assert line.startswith(
            f"registry 01234567: the input of its orchestration is invalid: {reason}"
        )


class TestNotOpenYet:
    def test_an_add_waits_for_the_list_to_open(self, client, caller) -> None:
        """For a second: the message is mostly on its way."""
        client.start(make_terms())
        opening = client.message(OpenRegistry, terms=make_terms()).to_json()

        def open_soon(call):
            if call.what == "read list" and call.at > 0.2:
                client.entity(list_entity(ID)).batch(("open", opening))
            return OK

        client.fault = open_soon
        assert caller.add(ID, BIKE) == 1
        assert client.sent() == ["signal AddItem", "signal RecordSnapshot"]

    def test_the_open_is_sent_again_each_second(self, client, caller) -> None:
        """With the terms of the orchestration's input."""
        client.start(make_terms(max_items=7))
        client.fault = on(OPEN, LOST, 2)
        assert caller.add(ID, BIKE) == 1
        assert client.times(OPEN) == pytest.approx([1, 2, 3], abs=0.05)
        assert client.registry().terms == make_terms(max_items=7)

    def test_the_outcome_is_unknown_where_the_list_does_not_open(self, client, caller) -> None:
        """No item is sent to it."""
        client.start(make_terms())
        client.fault = on(OPEN, LOST)
        with pytest.raises(OutcomeUnknown, match="still being opened"):
            caller.add(ID, BIKE)
        assert set(client.sent()) == {OPEN}

    def test_a_list_that_never_opened_is_closed_when_its_time_is_up(
        self, client, caller, clock
    ) -> None:
        """On record, and empty. Its open is not sent any more."""
        client.start(make_terms(has_webhook=True))
        clock.advance(minutes=5)
        assert caller.problem("add", ID, BIKE).type == problems.REGISTRY_CLOSED
        assert client.sent() == [CLOSE]
        assert client.registry().delivery.status == "off"


class TestTimeIsUp:
    """The clock of a request closes nothing: the list is asked to, and its close is read."""

    @pytest.fixture
    def due(self, opened, clock):
        """A registry whose time is up, while its orchestration is late."""
        opened.apply(AddItem, key="k1", text="Bike")
        clock.advance(minutes=5)
        return opened

    def test_peek_shows_the_recorded_close(self, due, caller) -> None:
        """It asks the list to close, by time-out, with the terms."""
        registry = caller.peek(ID)
        assert (registry.closed_by, registry.closed_at) == ("timeout", END)
        assert due.made("read", "signal") == ["read list", CLOSE, "read list", "read list"]
        message = due.calls[1].content
        assert (message["by"], message["birth"]["id"]) == ("timeout", ID)
        assert due.registry() == registry

    def test_peek_shows_closing_while_the_close_cannot_be_recorded(
        self, due, caller, clock
    ) -> None:
        """Neither open nor closed. The list is asked once a second."""
        due.fault = on(CLOSE, LOST)
        registry = caller.peek(ID)
        assert registry.status_at(clock.utc_now()) == "Closing"
        assert clock.monotonic() == pytest.approx(300 + REQUEST_SECONDS, abs=0.01)
        assert due.count(CLOSE) == REQUEST_SECONDS

    def test_peek_shows_closing_where_reads_fail_after_the_first(self, due, caller) -> None:
        """An error is no close."""
        due.fault = lambda call: FAILS if call.what == "read list" and call.at > 300 else OK
        assert not caller.peek(ID).is_closed

    @pytest.mark.parametrize(
        "call",
        [("add", BOOK), ("remove", "k1"), ("finish",), ("redeliver",)],
        ids=lambda call: call[0],
    )
    def test_the_outcome_is_unknown_while_the_close_cannot_be_recorded(
        self, due, caller, call
    ) -> None:
        """No call says that the registry is closed, or that an item was refused."""
        due.fault = on(CLOSE, LOST)
        with pytest.raises(OutcomeUnknown, match="is being closed"):
            getattr(caller, call[0])(ID, *call[1:])
        assert set(due.sent()) == {CLOSE}

    def test_an_add_is_refused_once_the_close_is_on_record(self, due, caller) -> None:
        """It is not sent."""
        problem = caller.problem("add", ID, BOOK)
        assert problem.type == problems.REGISTRY_CLOSED
        assert "18:05:00.000Z" in problem.detail
        assert due.registry().is_closed
        assert due.sent() == [CLOSE]

    def test_a_repeated_add_succeeds_once_the_close_is_on_record(self, due, caller) -> None:
        """The item is there."""
        assert caller.add(ID, BIKE) == 1
        assert due.registry().is_closed

    def test_an_add_on_its_way_is_either_shown_or_never_there(self, due, caller, clock) -> None:
        """The list gets the slow message after its close: what peek has shown stays."""
        due.fault = on("signal AddItem", late(3))
        clock.now = START + timedelta(minutes=4, seconds=59)

        async def race() -> tuple[Registry, ProblemError]:
            adding = asyncio.create_task(caller.service().add(ID, BOOK))
            await asyncio.sleep(1.1)
            shown = await caller.service().peek(ID)
            with pytest.raises(ProblemError) as error:
                await adding
            await asyncio.sleep(5)
            return shown, error.value

        shown, problem = clock.run(race())
        assert shown.is_closed
        assert problem.type == problems.REGISTRY_CLOSED
        assert caller.peek(ID) == shown

    def test_a_list_whose_clock_is_behind_closes_when_its_own_time_has_come(
        self, opened, caller, clock, monkeypatch
    ) -> None:
        """It refuses at first, and is asked again."""
        clock.advance(minutes=5)
        skew = timedelta(seconds=0.9)
        monkeypatch.setattr(
            "registry.durable.entities.clock",
            SimpleNamespace(utc_now=lambda: clock.utc_now() - skew),
        )
        assert caller.peek(ID).closed_at == END
        assert opened.count(CLOSE) == 2
        assert clock.monotonic() == pytest.approx(301.06, abs=0.01)

    def test_before_its_time_a_registry_is_shown_as_it_is(self, opened, caller, clock) -> None:
        """By one read."""
        clock.advance(minutes=5, milliseconds=-1)
        assert not caller.peek(ID).is_closed
        assert opened.made("read", "signal") == ["read list"]
