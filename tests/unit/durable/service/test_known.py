"""Changes of a registry that the process knows to be open: they are sent without a read."""

import pytest

from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown
from registry.domain.registry import Item
from registry.durable.messages import AddItem, CloseRegistry
from registry.durable.names import list_entity
from registry.durable.task_hub import REQUEST_SECONDS
from tests.support.fake_hub import FAILS, FAILS_AFTERWARDS, ID, LOST, on
from tests.support.registries import BIKE, BOOK, make_terms

ADD, REMOVE, REPORT = "signal AddItem", "signal RemoveItem", "signal RecordSnapshot"
READ, CLOSE = "read list", "signal CloseRegistry"


@pytest.fixture
def peeked(opened, caller):
    """An open registry that the process has read."""
    caller.peek(ID)
    opened.calls.clear()
    return opened


def test_an_add_and_a_removal_are_one_message_and_its_reads(peeked, caller) -> None:
    assert caller.add(ID, BIKE) == 1
    assert caller.remove(ID, "k1") == 0
    calls = [call.what for call in peeked.calls if call.what != REPORT]
    assert calls == [ADD, READ, READ, REMOVE, READ]


def test_a_finish_is_one_message_and_its_reads(peeked, caller) -> None:
    assert caller.finish(ID) == peeked.registry()
    assert peeked.registry().closed_by == "user"
    assert [call.what for call in peeked.calls][:3] == [CLOSE, READ, READ]


def test_a_repeated_finish_is_a_read(peeked, caller) -> None:
    """What was read closed is known to be open no more."""
    caller.finish(ID)
    peeked.calls.clear()
    caller.finish(ID)
    assert [call.what for call in peeked.calls] == [READ]


def test_an_opened_registry_takes_adds_a_second_later(client, caller, clock) -> None:
    """But a finish could overtake the opening of its list, so that reads first."""
    caller.open(make_terms())
    clock.advance(seconds=1)
    client.calls.clear()
    assert caller.add(ID, BIKE) == 1
    assert client.made("read", "signal")[0] == ADD


def test_a_finish_that_nobody_has_seen_open_reads_first(client, caller, clock) -> None:
    caller.open(make_terms())
    clock.advance(seconds=1)
    client.calls.clear()
    caller.finish(ID)
    assert client.made("read", "signal")[:2] == [READ, CLOSE]


@pytest.mark.parametrize(("call", "problem"), [("add", BOOK), ("remove", "k1")])
def test_a_close_by_somebody_else_refuses_a_change(peeked, caller, call, problem) -> None:
    """By the read after the message."""
    peeked.apply(AddItem, key="k1", text="Bike")
    peeked.apply(CloseRegistry, terms=make_terms(), by="user")
    assert caller.problem(call, ID, problem).type == problems.REGISTRY_CLOSED
    assert peeked.registry().items == {"k1": "Bike"}
    assert peeked.count(READ) == 1


def test_a_full_registry_refuses_an_add(peeked, caller) -> None:
    for number in range(4):
        peeked.apply(AddItem, key=str(number), text="x")
    assert caller.problem("add", ID, BIKE).type == problems.REGISTRY_FULL


def test_an_item_that_another_process_has_added_is_added_once(peeked, caller) -> None:
    """And its key refuses another one."""
    peeked.apply(AddItem, key="k1", text="Bike")
    assert caller.add(ID, BIKE) == 1
    assert caller.problem("add", ID, Item("k1", "Book")).type == problems.KEY_REUSED


@pytest.mark.parametrize("call", [("add", BIKE), ("remove", "k1")], ids=["add", "remove"])
def test_a_purged_registry_is_unknown_after_the_first_read(peeked, caller, clock, call) -> None:
    """Its list ignores the message."""
    peeked.entities.clear()
    peeked.instances.clear()
    assert caller.problem(call[0], ID, *call[1:]).type == problems.UNKNOWN_REGISTRY
    assert clock.monotonic() < 0.1
    assert not peeked.entity(list_entity(ID)).read()


def test_a_list_that_is_not_open_yet_after_a_second_is_opened(client, caller, clock) -> None:
    """As if the registry was not known: the add comes after it."""
    client.fault = on("signal OpenRegistry", LOST, 1)
    caller.open(make_terms())
    clock.advance(seconds=1)
    assert caller.add(ID, BIKE) == 1
    assert client.registry().items == {"k1": "Bike"}


def test_a_message_without_an_effect_is_sent_again_each_second(peeked, caller) -> None:
    peeked.fault = on(ADD, LOST, 3)
    assert caller.add(ID, BIKE) == 1
    assert peeked.times(ADD) == pytest.approx([0, 1, 2, 3], abs=0.05)


def test_the_outcome_is_unknown_where_no_read_succeeds(peeked, caller, clock) -> None:
    """The message was accepted."""
    peeked.fault = on(READ, FAILS)
    with pytest.raises(OutcomeUnknown, match="same Idempotency-Key"):
        caller.add(ID, BIKE)
    assert clock.monotonic() == pytest.approx(REQUEST_SECONDS, abs=0.01)


@pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
def test_the_task_hub_is_unavailable_where_nothing_succeeds(peeked, caller, fault) -> None:
    """Neither the message nor a read."""
    peeked.fault = lambda call: FAILS if call.what == READ else fault
    with pytest.raises(HubUnavailable):
        caller.add(ID, BIKE)
    assert peeked.count(ADD) == 1


def test_a_state_that_cannot_be_read_any_more_makes_the_registry_unknown_to_the_process(
    peeked, caller, known
) -> None:
    peeked.entity(list_entity(ID)).store(5)
    with pytest.raises(OutcomeUnknown):
        caller.add(ID, BIKE)
    assert known.terms_of(ID) is None
