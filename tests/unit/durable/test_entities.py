"""What the entities make of messages. The rules themselves are tested with the domain."""

import json
from datetime import timedelta
from typing import Any

import pytest

from registry.domain.delivery import Delivery
from registry.domain.registry import Registry
from registry.domain.snapshots import Snapshot
from registry.domain.stats import Stats
from registry.durable.messages import (
    AddItem,
    CloseRegistry,
    Message,
    OpenRegistry,
    RecordDelivery,
    RecordSnapshot,
    RemoveItem,
    RequestDelivery,
    Signal,
)
from registry.durable.names import REGISTRY_LIST, REGISTRY_STATS
from tests.clock import START
from tests.support.fake_hub import ID, TRACE, Entity
from tests.support.registries import END, make_terms
from tests.unit import stored_by_1_0


def message(kind: type[Message], **members: Any) -> Any:
    """A message that was sent at the start."""
    return kind(trace=TRACE, sent_at=START, **members)


def opening(**terms: Any) -> Signal:
    return message(OpenRegistry, terms=make_terms(**terms))


def closing(by: str) -> Signal:
    return message(CloseRegistry, terms=make_terms(has_webhook=True), by=by)


def adding(key: str, text: str) -> Signal:
    return message(AddItem, key=key, text=text)


ADD = adding("k1", "Bike")
REMOVE = message(RemoveItem, key="k1")
REQUEST = message(RequestDelivery, number=2)
DELIVERED = message(RecordDelivery, number=1, outcome="delivered")


def held(entity: Entity) -> Registry:
    """The registry that a list has stored."""
    return Registry.from_state(entity.read())


def raw(signal: Signal) -> tuple[str, Any]:
    """The name and the input of an operation."""
    return signal.operation, signal.to_json()


@pytest.fixture
def entity(clock) -> Entity:
    """A list without a state."""
    return Entity(REGISTRY_LIST)


@pytest.fixture
def opened(entity) -> Entity:
    """An open, empty list."""
    entity.apply(opening(has_webhook=True))
    return entity


class TestList:
    def test_an_open_makes_an_open_and_empty_registry_once(self, opened) -> None:
        """A repeated open changes nothing."""
        assert held(opened).terms == make_terms(has_webhook=True)
        assert (held(opened).items, held(opened).revision) == ({}, 1)
        opened.apply(ADD, opening(has_webhook=True))
        assert held(opened).items == {"k1": "Bike"}

    def test_operations_have_no_result(self, opened) -> None:
        """A reply may leave before its commit, so nobody should rely on one."""
        results = opened.batch(*map(raw, [ADD, REMOVE, REQUEST, DELIVERED, closing("user")]))
        assert [each["result"] for each in results] == ["null"] * 5

    def test_operations_of_a_batch_see_what_those_before_did(self, opened) -> None:
        """Repeats count once."""
        opened.apply(ADD, ADD, adding("k2", "Book"), adding("k3", "Ball"), adding("k4", "Doll"))
        assert held(opened).items == {"k1": "Bike", "k2": "Book", "k3": "Ball"}
        assert held(opened).is_full

    def test_each_message_reaches_its_rule(self, opened, clock) -> None:
        """With its members, and at the time of the list's clock."""
        opened.apply(ADD, adding("k2", "Book"), REMOVE)
        assert (held(opened).items, held(opened).removed) == ({"k2": "Book"}, ["k1"])

        clock.advance(seconds=10)
        opened.apply(closing("user"))
        assert held(opened).closed_by == "user"
        assert held(opened).closed_at == START + timedelta(seconds=10)

        opened.apply(message(RecordDelivery, number=1, outcome="failed"), REQUEST)
        assert held(opened).delivery == Delivery(
            status="pending",
            previous_status="failed",
            number=2,
            requested_at=START + timedelta(seconds=10),
        )

    def test_what_changes_nothing_stores_nothing(self, opened) -> None:
        """Neither a repeat, nor what comes after the close."""
        opened.apply(ADD, closing("user"))
        stored = opened.state
        opened.apply(ADD, REMOVE, opening(), closing("timeout"), adding("k2", "Book"))
        assert opened.state == stored

    def test_a_close_by_timeout_is_refused_before_the_list_s_own_time(self, opened, clock) -> None:
        """Whoever asks for it, and whenever it was sent."""
        opened.apply(closing("timeout"))
        assert not held(opened).is_closed
        clock.advance(minutes=5)
        opened.apply(closing("timeout"))
        assert (held(opened).closed_by, held(opened).closed_at) == ("timeout", END)

    @pytest.mark.parametrize("change", [ADD, REMOVE], ids=lambda each: each.operation)
    def test_a_change_after_its_time_closes(self, opened, clock, change) -> None:
        """It is not made, whenever it was sent."""
        clock.advance(minutes=5)
        opened.apply(change)
        assert (held(opened).items, held(opened).closed_by) == ({}, "timeout")

    @pytest.mark.parametrize(
        "signal",
        [ADD, REMOVE, REQUEST, DELIVERED, closing("timeout")],
        ids=lambda each: each.operation,
    )
    def test_a_registry_that_was_not_opened_is_not_made(self, entity, signal) -> None:
        """Nobody creates state by guessing ids. A close before its time makes nothing either."""
        entity.apply(signal)
        assert not entity.exists
        assert entity.read() is None

    @pytest.mark.parametrize("by", ["user", "timeout"])
    def test_a_close_before_the_open_makes_a_closed_registry(self, entity, clock, by) -> None:
        """It is not delivered. The open that comes afterwards, and adds, change nothing."""
        if by == "timeout":
            clock.advance(minutes=5)
        entity.apply(closing(by))
        registry = held(entity)
        assert (registry.closed_by, registry.delivery.status) == (by, "off")
        assert (registry.items, registry.revision) == ({}, 1)

        closed = entity.state
        entity.apply(opening(has_webhook=True), ADD)
        assert entity.state == closed

    @pytest.mark.parametrize(
        "signal", [opening(), closing("user"), closing("timeout")], ids=["open", "user", "timeout"]
    )
    def test_a_message_of_more_than_an_hour_makes_no_registry(self, entity, clock, signal) -> None:
        """It may have been purged meanwhile."""
        clock.advance(hours=1, milliseconds=1)
        entity.apply(signal)
        assert not entity.exists

    def test_a_message_of_an_hour_still_makes_a_registry(self, entity, clock) -> None:
        """So late may a message come."""
        clock.advance(hours=1)
        entity.apply(opening())
        assert held(entity).terms == make_terms()

    def test_an_old_message_to_a_stored_registry_counts(self, opened, clock) -> None:
        """Only what is not there can have been purged."""
        clock.advance(hours=2)
        opened.apply(closing("timeout"))
        assert held(opened).is_closed

    @pytest.mark.parametrize("nothing", ["", None])
    def test_an_empty_state_is_none(self, entity, nothing) -> None:
        """It remains of an entity that was deleted, or whose first operation failed."""
        entity.store(nothing)
        entity.apply(ADD, opening())
        assert (held(entity).terms, held(entity).items) == (make_terms(), {})

    @pytest.mark.parametrize("state", stored_by_1_0.LISTS.values(), ids=stored_by_1_0.LISTS)
    def test_a_list_of_1_0_goes_on(self, entity, clock, state) -> None:
        """It is stored with the same members as before."""
        entity.store(state)
        clock.advance(hours=1)
        entity.apply(closing("timeout"), message(RequestDelivery, number=state["sends"] + 1))
        after = entity.read()
        assert list(after.keys() ^ state.keys()) == []
        assert after["closed_at"] == (state["closed_at"] or "2026-12-24T18:05:00.000Z")
        assert after["items"] == state["items"]

    def test_the_first_operation_of_1_0_makes_its_state(self, entity) -> None:
        """Member for member."""
        entity.batch(("open", stored_by_1_0.MESSAGES["OpenRegistry"]))
        assert entity.read() == stored_by_1_0.OPEN_LIST


class TestLog:
    @pytest.fixture(autouse=True)
    def _at_info(self, caplog) -> None:
        """Lines of changes are of this level."""
        caplog.set_level("INFO")

    def test_each_change_leaves_a_line(self, entity, caplog) -> None:
        """With the first eight digits of the id, which is a capability, and without the items."""
        entity.apply(opening(has_webhook=True, max_items=1), opening(), ADD, ADD)
        entity.apply(adding("k2", "Book"), adding("k2", "Book"), REMOVE)
        entity.apply(closing("user"), closing("timeout"))
        entity.apply(message(RecordDelivery, number=1, outcome="failed"), REQUEST)
        lines = [
            "event=opened registry=01234567 items=0",
            "event=added registry=01234567 items=1",
            "event=filled registry=01234567 items=1",
            "event=removed registry=01234567 items=0",
            "event=closed registry=01234567 items=0 by=user",
            "event=sent registry=01234567 items=0 outcome=failed",
            "event=asked registry=01234567 items=0",
        ]
        assert caplog.messages == [f"{line} trace={TRACE}" for line in lines]

    def test_an_add_that_closes_is_logged_as_a_close(self, opened, clock, caplog) -> None:
        """It came too late."""
        caplog.clear()
        clock.advance(minutes=5)
        opened.apply(ADD)
        assert caplog.messages == [
            f"event=closed registry=01234567 items=0 by=timeout trace={TRACE}"
        ]


SECRET = "Fahrrad"
"""Stands for what must not get into the log."""


def broken(signal: Signal, **wrong: Any) -> tuple[str, Any]:
    """A message of which some members are wrong. None removes one."""
    operation, given = raw(signal)
    members = {**given, **wrong}
    return operation, {name: value for name, value in members.items() if value is not None}


INVALID_MESSAGES = [
    (broken(ADD, text=None), "'add' is dropped: it is invalid: text: missing"),
    (broken(ADD, key=[SECRET]), "'add' is dropped: it is invalid: key: string_type"),
    (
        broken(ADD, key=None, text={SECRET: SECRET}),
        "'add' is dropped: it is invalid: key: missing; text: string_type",
    ),
    (broken(ADD, sent_at=None), "'add' is dropped: it is invalid: sent_at: missing"),
    (
        broken(ADD, sent_at=SECRET),
        "'add' is dropped: it is invalid: sent_at: datetime_from_date_parsing",
    ),
    (broken(ADD, v=SECRET), "'add' is dropped: it is invalid: v: int_parsing"),
    (broken(REMOVE, key={}), "'remove' is dropped: it is invalid: key: string_type"),
    (broken(REQUEST, number=SECRET), "'send_again' is dropped: it is invalid: number: int_parsing"),
    (
        broken(DELIVERED, outcome=SECRET),
        "'delivered' is dropped: it is invalid: outcome: literal_error",
    ),
    (broken(closing("user"), by=SECRET), "'close' is dropped: it is invalid: by: literal_error"),
    (broken(opening(), sent_at="9999-12-24T18:00:00"), "'open' is dropped: it is invalid: "),
    (broken(opening(), birth=None), "'open' is dropped: it is invalid: birth: missing"),
    (
        broken(opening(), birth={"id": SECRET}),
        "'open' is dropped: it is invalid: birth.opened_at: missing; birth.closes_at: missing; "
        "birth.max_items: missing",
    ),
    (("add", None), "'add' is dropped: it is invalid: value: model_type"),
    (("add", 5), "'add' is dropped: it is invalid: value: model_type"),
    (("add", SECRET), "'add' is dropped: it is invalid: value: model_type"),
    (("add", []), "'add' is dropped: it is invalid: value: model_type"),
    (("close", {"__class__": SECRET}), "'close' is dropped: it is invalid: "),
    (
        ("add", {"__class__": "x", "__module__": "os", "__data__": SECRET}),
        "'add' is dropped: it is invalid: TypeError",
    ),
    (("burn", {}), "'burn' is dropped: it is invalid: UnknownOperation"),
    (("observe", raw(ADD)[1]), "'observe' is dropped: it is invalid: UnknownOperation"),
    (("", None), "'' is dropped: it is invalid: UnknownOperation"),
]
INVALID_STATES = [
    (5, "value: model_type"),
    ("x", "value: model_type"),
    ([SECRET], "value: model_type"),
    ({SECRET: SECRET}, "birth: missing"),
    ({"v": 99, "birth": None}, "birth: model_type"),
    (stored_by_1_0.OPEN_LIST | {"items": SECRET}, "items: value_error"),
    (stored_by_1_0.OPEN_LIST | {"items": [[SECRET, 5]]}, "items: value_error"),
    (stored_by_1_0.OPEN_LIST | {"items": 5}, "items: value_error"),
    (stored_by_1_0.OPEN_LIST | {"removed": [5]}, "removed.0: string_type"),
    (stored_by_1_0.OPEN_LIST | {"processing": SECRET}, "delivery.processing: literal_error"),
    ({"__class__": "x", "__module__": "os", "__data__": SECRET}, "TypeError"),
]


class TestInvalid:
    @pytest.mark.parametrize(("operation", "line"), INVALID_MESSAGES)
    def test_an_invalid_message_is_dropped(self, opened, caplog, operation, line) -> None:
        """It is logged once, without its values, and stops no other of the batch."""
        before = held(opened)
        results = opened.batch(operation)
        assert not results[0]["isError"]
        assert held(opened) == before
        (logged,) = caplog.messages
        assert logged.startswith(f"RegistryList 01234567: {line}")
        assert SECRET not in caplog.text

        caplog.clear()
        opened.batch(raw(ADD), operation, raw(adding("k2", "Book")))
        assert held(opened).items == {"k1": "Bike", "k2": "Book"}
        assert held(opened).revision == before.revision + 2
        assert len(caplog.messages) == 1

    @pytest.mark.parametrize(("operation", "line"), INVALID_MESSAGES)
    def test_an_invalid_message_makes_no_state(self, entity, caplog, operation, line) -> None:
        """The entity does not exist afterwards."""
        entity.batch(operation)
        assert not entity.exists
        assert len(caplog.messages) == 1

    @pytest.mark.parametrize(("state", "reason"), INVALID_STATES)
    def test_an_invalid_state_is_left_alone(self, entity, caplog, state, reason) -> None:
        """Each message to it is logged and dropped; somebody may look at it."""
        entity.store(state)
        results = entity.batch(raw(ADD), raw(opening()))
        assert not any(each["isError"] for each in results)
        assert entity.read() == state
        assert caplog.messages == [
            f"RegistryList 01234567: {operation!r} is dropped: it is invalid: {reason}"
            for operation in ("add", "open")
        ]
        assert SECRET not in caplog.text

    @pytest.mark.parametrize("kind", [OpenRegistry, CloseRegistry])
    @pytest.mark.parametrize(
        ("terms", "reason"),
        [
            (make_terms("f" * 32), "the terms are those of another registry"),
            (make_terms(closes_at=END + timedelta(days=1)), "no settings allow such times"),
            (
                make_terms(opened_at=END + timedelta(days=2), closes_at=END + timedelta(days=2)),
                "no settings allow such times",
            ),
        ],
    )
    def test_no_list_is_made_with_terms_that_no_registry_has(
        self, entity, caplog, kind, terms, reason
    ) -> None:
        """It would never close."""
        by = {"by": "user"} if kind is CloseRegistry else {}
        entity.apply(message(kind, terms=terms, **by))
        assert not entity.exists
        (line,) = caplog.messages
        assert f"is dropped: it is invalid: {reason}" in line

    def test_a_close_of_another_registry_is_dropped(self, opened, caplog) -> None:
        """It came to the wrong list."""
        opened.apply(message(CloseRegistry, terms=make_terms("f" * 32), by="user"))
        assert opened.read()["closed_at"] is None
        assert "the terms are those of another registry" in caplog.messages[-1]

    def test_json_that_is_too_deep_is_dropped(self, opened, caplog) -> None:
        """Whoever sends it may send anything."""
        before = opened.read()
        context = {
            "self": {"name": opened.name, "key": opened.key},
            "exists": True,
            "state": opened.state,
            "batch": [
                {"name": "add", "input": json.dumps("[" * 100_000), "isSignal": True},
            ],
        }
        after = json.loads(opened._handle(json.dumps(context)))
        assert not after["results"][0]["isError"]
        assert json.loads(after["entityState"]) == before
        assert caplog.messages[-1].endswith("'add' is dropped: it is invalid: RecursionError")

    def test_an_unknown_operation_is_named_in_part(self, opened, caplog) -> None:
        """Whoever sends it may choose any text."""
        opened.batch(("burn\n" + "é" * 100, None))
        assert len(caplog.messages[0]) < 130
        assert "\n" not in caplog.messages[0]


SHARD = "7"
"""That which counts ID and OTHER."""
OTHER = "7" * 32


def recording(id: str = ID, **changes: Any) -> Signal:
    members = {"revision": 1, "items": 0, "status": "open", "due": END, "terms": make_terms()}
    return message(RecordSnapshot, id=id, snapshot=Snapshot(**members | changes))


@pytest.fixture
def shard(clock) -> Entity:
    """A shard of the stats without a state."""
    return Entity(REGISTRY_STATS, SHARD)


def counted(entity: Entity) -> Stats:
    """The stats that a shard has stored."""
    return Stats.from_state(entity.read())


class TestStats:
    def test_a_shard_counts_registries_by_their_snapshots(self, shard) -> None:
        """The latest revision counts."""
        shard.apply(recording(), recording(revision=3, items=3), recording(revision=2, items=2))
        assert (counted(shard).items, dict(counted(shard).counts)) == (3, {"open": 1})
        assert counted(shard).snapshots[ID].items == 3

        shard.apply(recording(revision=4, items=2, status="off", closed_at=START), recording())
        assert (counted(shard).items, +counted(shard).counts) == (2, {"off": 1})

    def test_a_snapshot_takes_the_place_of_the_one_that_it_replaces(self, shard) -> None:
        """Its list was set back. Any other gives way to the latest revision only."""
        shard.apply(recording(revision=29, items=3))
        snapshot = recording(revision=1).snapshot
        shard.apply(message(RecordSnapshot, id=ID, snapshot=snapshot, replaces=28))
        assert counted(shard).items == 3
        shard.apply(message(RecordSnapshot, id=ID, snapshot=snapshot, replaces=29))
        assert (counted(shard).items, +counted(shard).counts) == (0, {"open": 1})
        shard.apply(recording(revision=2, items=1))
        assert counted(shard).items == 1

    def test_a_shard_drops_completed_registries_by_its_own_clock(self, shard, clock) -> None:
        """They stay counted."""
        shard.apply(recording(revision=2, status="off", closed_at=START))
        clock.advance(minutes=15, seconds=1)
        shard.apply(recording(OTHER))
        assert list(counted(shard).snapshots) == [OTHER]
        assert counted(shard).counts.total() == 2

    def test_a_shard_of_1_0_goes_on(self, shard) -> None:
        """Everything in it stays counted, and what is active is known."""
        shard.store(stored_by_1_0.SHARD)
        shard.apply(recording(OTHER))
        assert dict(counted(shard).counts) == {"delivered": 1, "open": 2, "pending": 1}
        known = {id for id, _ in stored_by_1_0.SHARD["standings"]}
        assert set(counted(shard).snapshots) == {*known, OTHER}

    @pytest.mark.parametrize(
        ("operation", "line"),
        [
            (("observe", None), "'observe' is dropped: it is invalid: value: model_type"),
            (broken(recording(), id=5), "'observe' is dropped: it is invalid: id: string_type"),
            (
                broken(recording(), id="__class__"),
                "'observe' is dropped: it is invalid: id: string_pattern_mismatch",
            ),
            (
                broken(recording(), standing=stored_by_1_0.OPEN_SNAPSHOT | {"items": -1}),
                "'observe' is dropped: it is invalid: standing.items: greater_than_equal",
            ),
            (
                broken(recording(), standing=stored_by_1_0.OPEN_SNAPSHOT | {"revision": 2**53}),
                "'observe' is dropped: it is invalid: standing.revision: less_than",
            ),
            (
                broken(recording(), standing={"birth": SECRET}),
                "'observe' is dropped: it is invalid: standing.revision: missing; "
                "standing.items: missing; standing.phase: missing; standing.due: missing; "
                "standing.birth: model_type",
            ),
            (
                raw(recording("f" * 32)),
                "'observe' is dropped: it is invalid: OtherShard",
            ),
            (
                broken(recording(), id="x"),
                "'observe' is dropped: it is invalid: id: string_pattern_mismatch",
            ),
            (("reset", {}), "'reset' is dropped: it is invalid: UnknownOperation"),
            (raw(ADD), "'add' is dropped: it is invalid: UnknownOperation"),
        ],
    )
    def test_an_invalid_message_is_dropped(self, shard, caplog, operation, line) -> None:
        """It is logged once, without its values, and stops no other of the batch."""
        shard.batch(operation)
        assert not shard.exists
        assert caplog.messages == [f"RegistryStats 7: {line}"]
        assert SECRET not in caplog.text

        shard.batch(raw(recording()), operation, raw(recording(OTHER)))
        assert set(counted(shard).snapshots) == {ID, OTHER}

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            (5, "value: model_type"),
            ([SECRET], "value: model_type"),
            ({"standings": 5}, "standings: list_type"),
            ({"phases": {SECRET: 1}}, "phases: literal_error"),
            ({"phases": {"open": SECRET}}, "phases.open: int_parsing"),
            ({"items": SECRET}, "items: int_parsing"),
        ],
    )
    def test_an_invalid_state_is_left_alone(self, shard, caplog, state, reason) -> None:
        """Each message to it is logged and dropped; somebody may look at it."""
        shard.store(state)
        (result,) = shard.batch(raw(recording()))
        assert not result["isError"]
        assert shard.read() == state
        assert caplog.messages == [
            f"RegistryStats 7: 'observe' is dropped: it is invalid: {reason}"
        ]

    def test_an_invalid_snapshot_stops_no_other_and_is_kept(self, shard, caplog) -> None:
        """As it is. Reconcile logs it, not every operation."""
        entry = ["e" * 32, {"phase": "unheard of"}]
        shard.store(stored_by_1_0.SHARD | {"standings": [entry]})
        shard.apply(recording(), recording(OTHER))
        assert entry in shard.read()["standings"]
        assert set(counted(shard).snapshots) == {ID, OTHER}
        assert caplog.messages == []


def test_json_that_a_message_holds_is_plain(opened) -> None:
    """A text may look like anything; it is stored as it is."""
    text = json.dumps({"__class__": "x", "__module__": "os", "__data__": ""})
    opened.apply(adding("__class__", text))
    assert opened.read()["items"] == [["__class__", text]]
