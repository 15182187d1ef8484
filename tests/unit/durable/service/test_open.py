import pytest

from registry.domain.problems import HubUnavailable
from registry.domain.registry import Registry
from registry.durable.names import stats_entity
from tests.support.fake_hub import FAILS, FAILS_AFTERWARDS, ID, NO_ANSWER, TRACE, on
from tests.support.registries import make_terms, open_registry
from tests.unit import stored_by_1_0

REPORT, START_IT, OPEN = "signal RecordSnapshot", "start registry", "signal OpenRegistry"


def test_an_open_sends_three_messages_and_reads_nothing(client, caller, clock) -> None:
    """The stats hear of it first, so that reconcile will close it; the others side by side."""
    caller.open(make_terms())
    assert [call.what for call in client.calls] == [REPORT, START_IT, OPEN]
    report, start, opening = client.calls
    terms = stored_by_1_0.terms(ID, is_sent=False)
    assert report.content["standing"]["birth"] == terms
    assert start.content["birth"] == opening.content["birth"] == terms
    assert (report.target, start.target, opening.target) == (stats_entity(ID).key, ID, ID)
    assert {call.content["trace"] for call in client.calls} == {TRACE}
    assert clock.slept == []


def test_a_registry_is_open_and_counted_once_its_messages_arrived(client, caller, clock) -> None:
    """Its report was made before its list existed."""
    caller.open(make_terms(has_webhook=True))
    clock.advance(seconds=1)
    assert client.stats().snapshots[ID].status == "open"
    assert caller.peek(ID) == open_registry(has_webhook=True)


@pytest.mark.parametrize("what", [REPORT, START_IT, OPEN])
@pytest.mark.parametrize("fault", [FAILS, FAILS_AFTERWARDS])
def test_each_message_is_repeated_until_it_is_accepted(client, caller, clock, what, fault) -> None:
    """Whether it failed before or after its effect, the registry opens once."""
    client.fault = on(what, fault, 3)
    caller.open(make_terms())
    is_seen_to_run = what == START_IT and fault == FAILS_AFTERWARDS
    assert client.count(what) == (1 if is_seen_to_run else 4)
    clock.advance(seconds=1)
    assert caller.peek(ID).revision == 1
    assert client.stats().counts.total() == 1


def test_nothing_is_opened_where_the_stats_do_not_accept_the_report(client, caller) -> None:
    """Reconcile would not know of it."""
    client.fault = on(REPORT, FAILS)
    with pytest.raises(HubUnavailable):
        caller.open(make_terms())
    assert set(client.sent()) == {REPORT}


@pytest.mark.parametrize("what", [START_IT, OPEN])
def test_an_open_succeeds_only_if_all_messages_are_accepted(client, caller, what) -> None:
    """Both the orchestration and the list need theirs."""
    client.fault = on(what, FAILS)
    with pytest.raises(HubUnavailable):
        caller.open(make_terms())


def test_the_list_does_not_wait_for_the_orchestration(client, caller) -> None:
    """A start without an answer does not hold up the message to the list."""
    client.fault = on(START_IT, NO_ANSWER)
    with pytest.raises(HubUnavailable):
        caller.open(make_terms())
    assert client.times(OPEN) == [0]


@pytest.mark.parametrize("status", ["Pending", "Running", "Failed"])
def test_a_registry_is_shown_before_its_list_opens(client, caller, status) -> None:
    """Open and empty, from the input of its orchestration; nothing is sent."""
    client.start(make_terms(has_webhook=True), status)
    assert caller.peek(ID) == Registry.new(make_terms(has_webhook=True))
    assert client.sent() == []
