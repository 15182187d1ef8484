import json
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import ValidationError

from registry.domain.delivery import BackoffPolicy, Delivery, DeliveryStatus
from registry.domain.registry import MAX_BYTES, ClosedBy, Item, Registry, RegistryTerms
from tests.clock import START
from tests.support.registries import (
    BALL,
    BIKE,
    BOOK,
    END,
    closed_registry,
    make_terms,
    open_registry,
)
from tests.unit import stored_by_1_0

LAST_MOMENT = END - timedelta(milliseconds=1)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def copy(registry: Registry) -> Registry:
    return registry.model_copy(deep=True)


def stored_bytes(registry: Registry) -> int:
    """What its texts and keys take in the stored state."""
    state = registry.to_state()
    return len(json.dumps([state["items"], state["removed"]]))


class TestOpen:
    def test_a_new_registry_is_open_and_empty(self) -> None:
        """Its first revision is 1."""
        registry = open_registry()
        assert (registry.items, registry.is_closed, registry.revision) == ({}, False, 1)

    @pytest.mark.parametrize(("has_webhook", "status"), [(True, "pending"), (False, "off")])
    def test_a_registry_is_delivered_if_its_terms_say_so(self, has_webhook, status) -> None:
        """Once it is closed."""
        registry = Registry.new(make_terms(has_webhook=has_webhook))
        assert registry.delivery.status == status
        assert not registry.is_awaiting_delivery
        registry.close("user", START)
        assert registry.is_awaiting_delivery is has_webhook

    def test_a_registry_opens_once(self) -> None:
        """Before that it has no revision; a repeated open changes nothing."""
        registry = Registry.new(make_terms())
        assert registry.revision == 0
        for _ in range(2):
            registry.open()
            assert registry == open_registry()

    def test_an_open_leaves_a_closed_registry_alone(self) -> None:
        """The close overtook it."""
        registry = Registry.new(make_terms())
        registry.close("user", START)
        closed = copy(registry)
        registry.open()
        assert registry == closed
        assert (registry.is_closed, registry.revision) == (True, 1)


class TestAdd:
    def test_items_keep_their_order_and_text(self) -> None:
        """They are kept verbatim, in the order of their adds."""
        strange = Item("k4", " <b>\u0000 🎁 'quoted' \n")
        registry = open_registry(BOOK, strange, BIKE)
        assert list(registry.items.items()) == [BOOK, strange, BIKE]
        assert registry.revision == 4

    def test_a_repeated_add_changes_nothing(self) -> None:
        """A known key with the same text is the same add again."""
        registry = open_registry(BIKE, BOOK)
        registry.add(BIKE, START)
        assert registry == open_registry(BIKE, BOOK)
        assert registry.outcome_of_add(BIKE) == "added"

    def test_a_key_stands_for_one_item(self) -> None:
        """A known key with another text is refused."""
        registry = open_registry(BIKE)
        registry.add(Item("k1", "Book"), START)
        assert registry == open_registry(BIKE)
        assert registry.outcome_of_add(Item("k1", "Book")) == "key_reused"

    def test_the_same_text_twice_is_two_items(self) -> None:
        """Only the key distinguishes adds."""
        registry = open_registry(BIKE, Item("k9", "Bike"))
        assert list(registry.items.values()) == ["Bike", "Bike"]

    def test_a_full_registry_stays_full(self) -> None:
        """Once an item was refused, removals make no room. It still knows its items."""
        registry = open_registry(BIKE, BOOK, max_items=2)
        assert not registry.is_full

        registry.add(BALL, START)
        assert registry.outcome_of_add(BALL) == "full"
        registry.remove("k1", START)
        for item in (BALL, Item("k4", "Doll")):
            registry.add(item, START)
            assert registry.outcome_of_add(item) == "full"

        assert registry.outcome_of_add(BOOK) == "added"
        assert registry.items == {"k2": "Book"}

    def test_a_removal_makes_room_before_any_item_was_refused(self) -> None:
        """Another item takes its place."""
        registry = open_registry(BIKE, BOOK, max_items=2)
        registry.remove("k1", START)
        registry.add(BALL, START)
        assert registry.items == {"k2": "Book", "k3": "Ball"}

    @pytest.mark.parametrize(("character", "size"), [("x", 1), ("ä", 6), ("🎁", 12), ('"', 2)])
    def test_texts_are_limited_by_their_stored_size(self, character, size) -> None:
        """64 KiB of JSON, where an umlaut takes six bytes and an emoji twelve."""
        registry = open_registry(max_items=500)
        number = 0
        while not registry.is_full:
            registry.add(Item(f"{number:04}", character * 1000), START)
            number += 1

        assert number - 1 == MAX_BYTES // (1000 * size + len('["0000", ""], '))
        assert MAX_BYTES - 12_100 < stored_bytes(registry) <= MAX_BYTES
        registry.remove("0000", START)
        small = Item("k", "x")
        registry.add(small, START)
        assert registry.outcome_of_add(small) == "full"


class TestRemove:
    def test_the_key_of_a_removed_item_is_remembered(self) -> None:
        """No add with it, of whatever text, adds anything, also after the close."""
        registry = open_registry(BIKE, BOOK)
        registry.remove("k1", START)
        for item in (BIKE, Item("k1", "Car")):
            registry.add(item, START)
            assert registry.outcome_of_add(item) == "removed"
        assert (registry.items, registry.removed, registry.revision) == ({"k2": "Book"}, ["k1"], 4)

        registry.close("user", START)
        assert registry.outcome_of_add(BIKE) == "removed"
        assert registry.outcome_of_removal("k1") == "removed"

    def test_a_removal_can_come_before_its_add(self) -> None:
        """Then the add adds nothing."""
        registry = open_registry()
        registry.remove("k1", START)
        assert registry.outcome_of_removal("k1") == "removed"
        registry.add(BIKE, START)
        assert (registry.items, registry.outcome_of_add(BIKE)) == ({}, "removed")

    def test_a_repeated_removal_changes_nothing(self) -> None:
        """The key is remembered once."""
        registry = open_registry(BIKE)
        for _ in range(3):
            registry.remove("k1", START)
        assert (registry.removed, registry.revision) == (["k1"], 3)

    def test_a_closed_registry_removes_nothing(self) -> None:
        """What is in it stays. What is not in it will not be, so that removal has succeeded."""
        registry = open_registry(BIKE)
        registry.close("user", START)
        closed = copy(registry)
        for key, outcome in (("k1", "closed"), ("k2", "removed")):
            assert registry.outcome_of_removal(key) == outcome
            registry.remove(key, START)
            assert registry == closed

    def test_remembered_keys_are_limited_too(self) -> None:
        """A key without room to remember it is refused, and makes the registry full.

        An item that is in the registry can be removed all the same.
        """
        registry = open_registry(BIKE)
        keys = [f"{number:0128}" for number in range(600)]
        for key in keys:
            registry.remove(key, START)

        refused = [key for key in keys if registry.outcome_of_removal(key) == "full"]
        assert refused == [key for key in keys if key not in registry.removed]
        assert (registry.is_full, len(registry.removed)) == (True, 496)
        assert MAX_BYTES - 200 < stored_bytes(registry) <= MAX_BYTES

        revision = registry.revision
        registry.remove(refused[0], START)
        assert registry.revision == revision
        registry.remove("k1", START)
        assert (registry.items, registry.outcome_of_removal("k1")) == ({}, "removed")
        assert registry.outcome_of_add(Item(refused[0], "Bike")) == "full"

    def test_a_full_registry_remembers_a_key_that_fits(self) -> None:
        """Full refuses items; there may be room for a key."""
        registry = open_registry(BIKE, max_items=1)
        registry.add(BOOK, START)
        registry.remove("k9", START)
        assert (registry.is_full, registry.outcome_of_removal("k9")) == (True, "removed")


class TestClose:
    def test_changes_are_taken_until_the_last_millisecond(self) -> None:
        """An add or a removal at closesAt or later closes the registry instead, as of closesAt."""
        registry = open_registry(BIKE)
        registry.add(BOOK, LAST_MOMENT)
        registry.remove("k1", LAST_MOMENT)
        assert registry.items == {"k2": "Book"}

        late_add, late_removal = copy(registry), copy(registry)
        late_add.add(BALL, END)
        late_removal.remove("k2", END + MINUTE)
        for late in (late_add, late_removal):
            assert (late.closed_at, late.closed_by) == (END, "timeout")
            assert late.items == {"k2": "Book"}
            assert late.revision == registry.revision + 1

    def test_a_closed_registry_adds_nothing_but_knows_its_items(self) -> None:
        """A repeated add is answered as before."""
        registry = open_registry(BIKE)
        registry.close("user", START)
        registry.add(BOOK, START)
        assert registry.outcome_of_add(BOOK) == "closed"
        assert registry.outcome_of_add(BIKE) == "added"
        assert registry.outcome_of_add(Item("k1", "Book")) == "key_reused"
        assert registry.items == {"k1": "Bike"}

    @pytest.mark.parametrize(
        ("by", "now", "closed_by", "closed_at"),
        [
            ("user", START + MINUTE, "user", START + MINUTE),
            ("user", START - SECOND, "user", START),
            ("user", LAST_MOMENT, "user", LAST_MOMENT),
            ("user", END, "timeout", END),
            ("user", END + MINUTE, "timeout", END),
            ("timeout", END, "timeout", END),
            ("timeout", END + 7 * SECOND, "timeout", END),
            ("timeout", LAST_MOMENT, None, None),
            ("timeout", START, None, None),
        ],
    )
    def test_who_closed_it_and_when(self, by, now, closed_by, closed_at) -> None:
        """A time-out is refused before closesAt. A finish from then on counts as the time-out."""
        registry = open_registry()
        registry.close(by, now)
        assert (registry.closed_by, registry.closed_at) == (closed_by, closed_at)
        assert registry.is_closed is (closed_at is not None)
        assert registry.revision == (2 if closed_at else 1)

    def test_the_first_close_wins(self) -> None:
        """A second close changes nothing."""
        registry = open_registry()
        registry.close("user", START)
        closed = copy(registry)
        registry.close("timeout", END)
        registry.close("user", END)
        assert registry == closed

    @pytest.mark.parametrize(
        ("now", "status"), [(START, "Open"), (LAST_MOMENT, "Open"), (END, "Closing")]
    )
    def test_a_clock_alone_closes_nothing(self, now, status) -> None:
        """Once its time is up, a registry is closing until its close is on record."""
        registry = open_registry()
        assert registry.status_at(now) == status
        registry.close("user", START)
        assert registry.status_at(now) == "Closed"


class TestDelivery:
    def test_an_open_registry_is_not_delivered(self) -> None:
        """Neither a request nor an outcome changes it."""
        registry = open_registry(has_webhook=True)
        registry.request_delivery(2, START)
        registry.record_delivery(1, "delivered")
        assert registry == open_registry(has_webhook=True)

    def test_each_change_of_the_delivery_is_a_revision(self) -> None:
        """What changes nothing is none."""
        registry = closed_registry()
        revisions = [registry.revision]
        for change in (
            lambda: registry.request_delivery(2, END),
            lambda: registry.record_delivery(2, "delivered"),
            lambda: registry.record_delivery(1, "failed"),
            lambda: registry.request_delivery(2, END),
            lambda: registry.request_delivery(2, END),
        ):
            change()
            revisions.append(registry.revision)

        assert revisions == [2, 2, 2, 3, 4, 4]
        assert (registry.delivery.status, registry.delivery.number) == ("pending", 2)


class RegistryPromises(RuleBasedStateMachine):
    """Whatever comes in whatever order, at whatever time: an outcome that was seen stays true."""

    keys = st.sampled_from(["a", "b", "c", "long" * 8])
    texts = st.sampled_from(["x", "y", "🎁" * 2500])
    moments = st.integers(-2, 6).map(lambda minutes: START + minutes * MINUTE) | st.just(
        LAST_MOMENT
    )

    @initialize(max_items=st.integers(1, 3), is_open=st.booleans())
    def begin(self, max_items: int, is_open: bool) -> None:
        self.registry = Registry.new(make_terms(max_items=max_items, has_webhook=True))
        if is_open:
            self.registry.open()
        else:
            self.registry.close("user", START)
        self.seen_adds: dict[Item, str] = {}
        self.seen_removals: dict[str, str] = {}
        self.closed: tuple | None = None
        self.before = copy(self.registry)

    @rule(key=keys, text=texts, now=moments)
    def add(self, key: str, text: str, now: datetime) -> None:
        item = Item(key, text)
        self.registry.add(item, now)
        self.seen_adds[item] = self.registry.outcome_of_add(item)
        assert self.seen_adds[item] != "undecided"

    @rule(key=keys, now=moments)
    def remove(self, key: str, now: datetime) -> None:
        self.registry.remove(key, now)
        self.seen_removals[key] = self.registry.outcome_of_removal(key)
        assert self.seen_removals[key] != "undecided"

    @rule(by=st.sampled_from(["user", "timeout"]), now=moments)
    def close(self, by: str, now: datetime) -> None:
        self.registry.close(by, now)
        assert self.registry.is_closed or (by == "timeout" and now < END)

    @rule()
    def open(self) -> None:
        self.registry.open()

    @rule(number=st.integers(0, 4), now=moments)
    def request_delivery(self, number: int, now: datetime) -> None:
        self.registry.request_delivery(number, now)

    @rule(number=st.integers(0, 4), outcome=st.sampled_from(["delivered", "failed", "off"]))
    def record_delivery(self, number: int, outcome: str) -> None:
        self.registry.record_delivery(number, outcome)

    @invariant()
    def outcomes_stay_true(self) -> None:
        registry = self.registry
        for item, outcome in self.seen_adds.items():
            now = registry.outcome_of_add(item)
            match outcome:
                case "added" | "key_reused":
                    assert now in (outcome, "removed")
                case "full":
                    assert now in ("full", "removed", "closed")
                case _:
                    assert now == outcome
        for key, outcome in self.seen_removals.items():
            now = registry.outcome_of_removal(key)
            assert now == outcome or outcome == "full"
            assert (key in registry.items) is (outcome == "closed")

    @invariant()
    def the_revision_grows_exactly_with_changes(self) -> None:
        now = copy(self.registry)
        state, before = now.to_state(), self.before.to_state()
        changed = state | {"revision": 0} != before | {"revision": 0}
        assert now.revision - self.before.revision == int(changed)
        self.before = now

    @invariant()
    @precondition(lambda self: self.registry.is_closed)
    def a_close_is_final(self) -> None:
        registry = self.registry
        now = (registry.closed_at, registry.closed_by, dict(registry.items), list(registry.removed))
        self.closed = self.closed or now
        assert now == self.closed
        if registry.closed_by == "timeout":
            assert registry.closed_at >= END
        else:
            assert START <= registry.closed_at < END

    @invariant()
    def it_keeps_within_its_limits(self) -> None:
        assert len(self.registry.items) <= self.registry.terms.max_items
        assert stored_bytes(self.registry) <= MAX_BYTES


TestRegistryPromises = RegistryPromises.TestCase
TestRegistryPromises.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


numbers = st.integers(0, 1000)
texts = st.text(st.sampled_from('a B9"\\\n\0é\u2028🎁'), max_size=20)
moments = st.integers(0, 10**12).map(lambda elapsed: START + timedelta(milliseconds=elapsed))
statuses = st.sampled_from(get_args(DeliveryStatus))


def built(model: type, **members: st.SearchStrategy) -> st.SearchStrategy:
    """Instances of a model, whose members are drawn from these strategies."""
    return st.fixed_dictionaries(members).map(lambda drawn: model(**drawn))


registries = built(
    Registry,
    terms=built(
        RegistryTerms,
        id=texts,
        opened_at=moments,
        closes_at=moments,
        max_items=numbers,
        has_webhook=st.booleans(),
        backoff=st.builds(BackoffPolicy, numbers, numbers, numbers),
    ),
    items=st.dictionaries(texts, texts, max_size=3),
    removed=st.lists(texts, max_size=3),
    is_full=st.booleans(),
    closed_at=st.none() | moments,
    closed_by=st.none() | st.sampled_from(get_args(ClosedBy)),
    delivery=built(
        Delivery,
        status=statuses,
        previous_status=st.none() | statuses,
        number=numbers,
        requested_at=st.none() | moments,
    ),
    revision=numbers,
)

WRONG_TYPES = {
    "birth": [5, "x", [], {}, None],
    "items": [5, None, "x", ["x"]],
    "removed": [5, None, "x", [5]],
    "is_full": [5, None, "x"],
    "closed_at": ["x", [], "2026-12-24T18:00:00"],
    "closed_by": [5, "x", "TIMEOUT"],
    "processing": [5, None, "x"],
    "previous": [5, "x"],
    "sends": [None, "x", []],
    "asked_at": ["x", []],
    "revision": [None, "x", 1.5],
}


def as_stored(state: Any) -> Any:
    """The state as it comes back from the task hub."""
    return json.loads(json.dumps(state))


class TestState:
    @settings(max_examples=50, deadline=None)
    @given(registries)
    def test_a_registry_is_read_back(self, registry) -> None:
        """Whatever is in it, in order."""
        read = Registry.from_state(as_stored(registry.to_state()))
        assert read == registry
        assert list(read.items) == list(registry.items)

    @pytest.mark.parametrize("state", stored_by_1_0.LISTS.values(), ids=stored_by_1_0.LISTS)
    def test_states_of_1_0_are_read_and_written_alike(self, state) -> None:
        """With the same members."""
        assert as_stored(Registry.from_state(state).to_state()) == state

    def test_a_state_of_1_0_means_what_it_meant(self) -> None:
        """Each member is where it belongs."""
        assert Registry.from_state(stored_by_1_0.REDELIVERED_LIST) == Registry(
            terms=make_terms(has_webhook=True, backoff=BackoffPolicy(5, 3600, 86400)),
            items={"k1": "Fahrrad für Zoë", "k3": "x", "k4": "x"},
            removed=["k2"],
            is_full=True,
            closed_at=START + 10 * SECOND,
            closed_by="user",
            delivery=Delivery(
                status="delivered",
                previous_status="failed",
                number=2,
                requested_at=START + 90 * SECOND,
            ),
            revision=11,
        )

    @pytest.mark.parametrize(
        "name", ["title", "terms", "delivery", "status", "number", "previous_status"]
    )
    @pytest.mark.parametrize("value", [5, None, {"v": 9}])
    def test_unknown_members_are_ignored(self, name, value) -> None:
        """A later version may have written them; names that only the code has are none either."""
        state = stored_by_1_0.REDELIVERED_LIST
        later = state | {name: value, "birth": state["birth"] | {name: value, "has_webhook": 9}}
        assert Registry.from_state(later).to_state() == state

    def test_names_that_only_the_code_has_are_not_read(self) -> None:
        """A later version may store other members under them."""
        terms = stored_by_1_0.terms("a", is_sent=False)
        with pytest.raises(ValidationError):
            Registry.from_state({"terms": terms})
        later = {"birth": terms, "number": 9, "status": "failed", "delivery": {"sends": 9}}
        assert Registry.from_state(later) == Registry(terms=make_terms("a"))

    @pytest.mark.parametrize("name", sorted(stored_by_1_0.OPEN_LIST.keys() - {"birth"}))
    def test_missing_members_have_defaults(self, name) -> None:
        """An earlier version did not write them."""
        state = {each: value for each, value in stored_by_1_0.OPEN_LIST.items() if each != name}
        read = Registry.from_state(state)
        default = {"processing": "off", "revision": 0}
        assert read.to_state() == stored_by_1_0.OPEN_LIST | {
            each: value for each, value in default.items() if each == name
        }

    @pytest.mark.parametrize("name", ["is_sent", "backoff"])
    def test_missing_terms_have_defaults(self, name) -> None:
        """Those of a registry that is not delivered."""
        terms = stored_by_1_0.terms("a", is_sent=False)
        del terms[name]
        read = Registry.from_state({"birth": terms})
        assert read == Registry(terms=make_terms("a"))

    @pytest.mark.parametrize("junk", [None, 5, "x", [], ["birth"], True, {}, {"__class__": "x"}])
    def test_junk_is_invalid(self, junk) -> None:
        """Nothing but ValidationError is raised."""
        with pytest.raises(ValidationError):
            Registry.from_state(junk)

    @pytest.mark.parametrize(
        ("name", "value"),
        [(name, value) for name, values in WRONG_TYPES.items() for value in values],
    )
    def test_a_member_of_another_type_is_invalid(self, name, value) -> None:
        """Nothing but ValidationError is raised."""
        with pytest.raises(ValidationError):
            Registry.from_state(stored_by_1_0.OPEN_LIST | {name: value})

    @pytest.mark.parametrize("name", ["id", "opened_at", "closes_at", "max_items"])
    def test_a_registry_without_its_terms_is_invalid(self, name) -> None:
        """They have no defaults."""
        terms = stored_by_1_0.terms("a", is_sent=False)
        del terms[name]
        with pytest.raises(ValidationError):
            Registry.from_state({"birth": terms})

    @pytest.mark.parametrize("items", [[["k1"]], [["k1", 5]], [[5, "Bike"]], [5], [[[], "x"]], 5])
    def test_items_that_are_no_pairs_of_texts_are_invalid(self, items) -> None:
        """The error names no key."""
        with pytest.raises(ValidationError) as error:
            Registry.from_state(stored_by_1_0.OPEN_LIST | {"items": items})
        assert [each["loc"] for each in error.value.errors()] == [("items",)]

    def test_texts_are_values_and_never_names(self) -> None:
        """Keys come from outside; the SDK gives some names in JSON a meaning."""
        registry = open_registry(Item("__class__", "x"))
        assert registry.to_state()["items"] == [["__class__", "x"]]

    def test_a_registry_shares_nothing_with_the_state_it_was_read_from(self) -> None:
        """An operation that fails must not have changed it."""
        state = as_stored(stored_by_1_0.FULL_LIST)
        registry = Registry.from_state(state)
        registry.remove("k1", START)
        registry.items["k9"] = "Bike"
        assert state == stored_by_1_0.FULL_LIST
