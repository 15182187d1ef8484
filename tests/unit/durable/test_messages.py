import json
from typing import Any

import pytest
from pydantic import ValidationError

from registry.durable import messages
from registry.durable.messages import (
    AttemptDelivery,
    CloseRegistry,
    DeliverRegistry,
    Message,
    OpenRegistry,
    RecordSnapshot,
    Signal,
)
from tests.clock import START
from tests.support.registries import ID, make_terms
from tests.unit import stored_by_1_0

SENT = stored_by_1_0.MESSAGES
REQUIRED: dict[str, list[str]] = {
    "OpenRegistry": ["birth"],
    "CloseRegistry": ["birth", "by"],
    "AddItem": ["key", "text"],
    "RemoveItem": ["key"],
    "RequestDelivery": ["number"],
    "RecordDelivery": ["number", "outcome"],
    "RecordSnapshot": ["id", "standing"],
    "RegistryFinished": [],
    "DeliverRegistry": ["id", "number", "backoff"],
    "AttemptDelivery": ["id", "number", "backoff"],
}
"""Beside `sent_at`, which each message needs."""


def kind(name: str) -> type[Message]:
    return getattr(messages, name)


def kinds_of(base: type[Message]) -> set[type[Message]]:
    return {each for sub in base.__subclasses__() for each in {sub, *kinds_of(sub)}}


@pytest.fixture(params=SENT)
def name(request) -> str:
    """The name of each class of messages."""
    return request.param


def test_every_message_is_tested() -> None:
    """A new class needs a recorded message."""
    assert {each.__name__ for each in kinds_of(Message) - {Signal}} == set(SENT) == set(REQUIRED)


def test_messages_of_1_0_are_read_and_written_alike(name) -> None:
    """With the same members in the same order: histories hold them as texts."""
    read = kind(name).from_input(SENT[name])
    assert json.dumps(read.to_json()) == json.dumps(SENT[name])


def test_operations_have_the_names_of_1_0() -> None:
    """Another version may send them."""
    signals = {each.__name__: each.operation for each in kinds_of(Signal)}
    assert signals == stored_by_1_0.OPERATIONS


def test_messages_of_1_0_mean_what_they_meant() -> None:
    """Each member is where it belongs."""
    close = CloseRegistry.from_input(SENT["CloseRegistry"])
    assert (close.terms, close.by) == (make_terms(has_webhook=True), "user")
    assert (close.sent_at, close.trace) == (START, stored_by_1_0.TRACE)

    recorded = RecordSnapshot.from_input(SENT["RecordSnapshot"])
    assert recorded.id == stored_by_1_0.PENDING_ID
    assert (recorded.snapshot.status, recorded.snapshot.previous_status) == ("pending", "failed")

    attempt = AttemptDelivery.from_input(SENT["AttemptDelivery"])
    assert (attempt.id, attempt.number, attempt.delay) == (ID, 1, 5.0)
    assert DeliverRegistry.from_input(SENT["DeliverRegistry"]).began == START


@pytest.mark.parametrize("member", ["title", "terms", "snapshot", "delay", "operation"])
@pytest.mark.parametrize("value", [5, None, {"v": 9}])
def test_unknown_members_are_ignored(name, member, value) -> None:
    """A later version may send them; names that only the code has are none either."""
    read = kind(name).from_input(SENT[name] | {member: value})
    assert read == kind(name).from_input(SENT[name])


def test_names_that_only_the_code_has_are_not_read() -> None:
    """A later version may send other members under them."""
    with pytest.raises(ValidationError):
        OpenRegistry.from_input(stored_by_1_0.ENVELOPE | {"terms": SENT["OpenRegistry"]["birth"]})
    attempt = AttemptDelivery.from_input(SENT["DeliverRegistry"] | {"delay": 9})
    assert attempt.delay is None


@pytest.mark.parametrize("member", ["v", "trace", "began", "failures", "pause"])
def test_missing_members_have_defaults(name, member) -> None:
    """An earlier version may not send them."""
    sent = {each: value for each, value in SENT[name].items() if each != member}
    written = kind(name).from_input(sent).to_json()
    default = {"v": 1, "trace": "", "began": None, "failures": 0, "pause": None}
    assert written == sent | {each: default[each] for each in SENT[name] if each == member}


@pytest.mark.parametrize(
    ("name", "member"),
    [(name, member) for name, members in REQUIRED.items() for member in ["sent_at", *members]],
)
@pytest.mark.parametrize("wrong", ["missing", None, {"__class__": "x"}])
def test_a_message_without_what_it_needs_is_invalid(name, member, wrong) -> None:
    """The member is missing, or of another type."""
    sent: dict[str, Any] = SENT[name] | {member: wrong}
    if wrong == "missing":
        del sent[member]
    with pytest.raises(ValidationError) as error:
        kind(name).from_input(sent)
    assert {each["loc"][0] for each in error.value.errors()} == {member}


@pytest.mark.parametrize("junk", [None, 5, "x", [], {}, True, {"__class__": "x"}])
def test_junk_is_invalid(name, junk) -> None:
    """Nothing but ValidationError is raised."""
    with pytest.raises(ValidationError):
        kind(name).from_input(junk)


@pytest.mark.parametrize("trace", [None, 5, "x", "A" * 32, {"a": 1}, "x\nevent=opened"])
def test_a_trace_that_is_none_is_dropped(trace) -> None:
    """The message counts all the same."""
    assert OpenRegistry.from_input(SENT["OpenRegistry"] | {"trace": trace}).trace == ""


@pytest.mark.parametrize("as_text", [True, False])
def test_the_input_of_an_instance_is_read_as_its_status_shows_it(as_text) -> None:
    """The management API shows an input that the SDK has sent as a text of JSON."""
    input = json.dumps(SENT["OpenRegistry"])
    read = OpenRegistry.from_instance(json.dumps(input) if as_text else input)
    assert read.terms == make_terms(has_webhook=True)


@pytest.mark.parametrize("input", [None, "", "null", "{", "5", '"x"', '"{}"', "[]"])
def test_an_input_that_cannot_be_read_is_invalid(input) -> None:
    """Nothing but ValueError is raised: it is also that of JSON and pydantic."""
    with pytest.raises(ValueError, match=r"."):
        OpenRegistry.from_instance(input)
