import ast
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import registry.domain.registry
from registry.domain.registry import (
    BACKOFF,
    MAX_BYTES,
    MOVING,
    REMEMBERED,
    Backoff,
    Birth,
    Item,
    Registry,
    Standing,
    Stats,
)
from tests.clock import START

ID = "0123456789abcdef0123456789abcdef"
END = START + timedelta(minutes=5)
LAST_MOMENT = END - timedelta(milliseconds=1)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
BIRTH = Birth(ID, START, END, 500, is_sent=True)
BIKE, BOOK, BALL = Item("k1", "Bike"), Item("k2", "Book"), Item("k3", "Ball")


def born(birth: Birth) -> Registry:
    """A registry whose open was judged."""
    registry = Registry.announced(birth)
    registry.open()
    return registry


def opened(*items: Item, max_items: int = 500) -> Registry:
    registry = born(replace(BIRTH, max_items=max_items))
    for item in items:
        registry.add(item, START)
    return registry


def delivered(*items: Item) -> Registry:
    """A registry that was finished at its start, and delivered."""
    registry = opened(*items)
    registry.close("user", START)
    registry.delivered(1, "delivered")
    return registry


def test_a_new_registry_is_open_and_empty() -> None:
    """Its first revision is 1, and it is to be sent where its birth says so."""
    registry = opened()
    assert (registry.items, registry.is_closed, registry.revision, registry.processing) == (
        {},
        False,
        1,
        "pending",
    )
    assert born(replace(BIRTH, is_sent=False)).processing == "off"


def test_an_open_is_judged_once() -> None:
    """What is announced has no revision yet; the open gives it the first one, and a repeated open
    changes nothing.
    """
    registry = Registry.announced(BIRTH)
    assert (registry.revision, registry.processing) == (0, "pending")
    for _ in range(2):
        registry.open()
        assert registry == opened()


def test_a_close_that_comes_before_the_open() -> None:
    """Makes a closed, empty registry that is not sent, and the open that follows leaves it alone."""
    registry = Registry(BIRTH)
    registry.close("user", START)
    closed = replace(registry)
    registry.open()
    assert registry == closed
    assert (registry.is_closed, registry.processing, registry.revision) == (True, "off", 1)


def test_items_keep_their_order_and_text() -> None:
    """Items are kept verbatim, in the order of their adds."""
    strange = Item("k4", " <b>\u0000 🎁 'quoted' \n")
    registry = opened(BOOK, strange, BIKE)
    assert list(registry.items.items()) == [BOOK, strange, BIKE]
    assert registry.revision == 4


def test_a_repeated_add_changes_nothing() -> None:
    """A known key with the same text is the same add again."""
    registry = opened(BIKE, BOOK)
    registry.add(BIKE, START)
    assert registry == opened(BIKE, BOOK)
    assert registry.judge(BIKE) == "known"


def test_a_key_stands_for_one_item() -> None:
    """A known key with another text is refused."""
    registry = opened(BIKE)
    registry.add(Item("k1", "Book"), START)
    assert registry == opened(BIKE)
    assert registry.judge(Item("k1", "Book")) == "reused"


def test_the_same_gift_twice_is_two_items() -> None:
    """It is the key that tells adds apart, not the text."""
    assert list(opened(BIKE, Item("k9", "Bike")).items.values()) == ["Bike", "Bike"]


def test_what_was_taken_back_stays_out() -> None:
    """Its key is remembered: no add with it, of whatever text, adds anything, also after the close."""
    registry = opened(BIKE, BOOK)
    registry.remove("k1", START)
    for item in (BIKE, Item("k1", "Car")):
        registry.add(item, START)
        assert registry.judge(item) == "removed"
    assert (registry.items, registry.removed, registry.revision) == ({"k2": "Book"}, ["k1"], 4)
    registry.close("user", START)
    assert (registry.judge(BIKE), registry.judge_removal("k1")) == ("removed", "removed")


def test_a_removal_that_overtakes_its_add() -> None:
    """The key is remembered, so the add adds nothing when it comes."""
    registry = opened()
    registry.remove("k1", START)
    assert registry.judge_removal("k1") == "removed"
    registry.add(BIKE, START)
    assert (registry.items, registry.judge(BIKE)) == ({}, "removed")


def test_a_repeated_removal_changes_nothing() -> None:
    """The key is remembered once."""
    registry = opened(BIKE)
    for _ in range(3):
        registry.remove("k1", START)
    assert (registry.removed, registry.revision) == (["k1"], 3)


def test_a_closed_registry_gives_nothing_back() -> None:
    """What is in stays in, which is told; what is not in will not be, so its removal is done
    without a change.
    """
    registry = opened(BIKE)
    registry.close("user", START)
    closed = replace(registry)
    for key, verdict in (("k1", "closed"), ("k2", "removed")):
        assert registry.judge_removal(key) == verdict
        registry.remove(key, START)
        assert registry == closed


def test_full_is_for_good() -> None:
    """Once an item was refused, taking others back makes no room; a full registry still knows its
    items.
    """
    registry = opened(BIKE, BOOK, max_items=2)
    assert not registry.is_full
    registry.add(BALL, START)
    assert registry.judge(BALL) == "full"
    registry.remove("k1", START)
    for item in (BALL, Item("k4", "Doll")):
        registry.add(item, START)
        assert registry.judge(item) == "full"
    assert registry.judge(BOOK) == "known"
    assert registry.items == {"k2": "Book"}


def test_room_that_nobody_was_refused() -> None:
    """Where an item was taken back before any was refused, another one may come in its place."""
    registry = opened(BIKE, BOOK, max_items=2)
    registry.remove("k1", START)
    registry.add(BALL, START)
    assert registry.items == {"k2": "Book", "k3": "Ball"}


@pytest.mark.parametrize(("character", "size"), [("x", 1), ("ä", 6), ("🎁", 12), ('"', 2)])
def test_texts_are_bounded_as_stored(character, size) -> None:
    """All texts and keys take 64 KiB at most as JSON, where an umlaut is six bytes and an emoji
    twelve.
    """
    registry = opened()
    number = 0
    while not registry.is_full:
        registry.add(Item(f"{number:04}", character * 1000), START)
        number += 1
    assert number - 1 == MAX_BYTES // (1000 * size + len('["0000", ""], '))
    stored = json.dumps([list(registry.items.items()), registry.removed])
    assert MAX_BYTES - 12_100 < len(stored) <= MAX_BYTES
    registry.remove("0000", START)
    small = Item("k", "x")
    registry.add(small, START)
    assert registry.judge(small) == "full"


def test_remembered_keys_are_bounded_too() -> None:
    """A key that there is no room to remember is refused, and the registry is full; what is in can
    be taken back.
    """
    registry = opened(BIKE)
    keys = [f"{number:0128}" for number in range(600)]
    for key in keys:
        registry.remove(key, START)
    refused = [key for key in keys if registry.judge_removal(key) == "full"]
    assert refused == [key for key in keys if key not in registry.removed]
    assert (registry.is_full, len(registry.removed)) == (True, 496)
    assert (
        MAX_BYTES - 200
        < len(json.dumps([list(registry.items.items()), registry.removed]))
        <= MAX_BYTES
    )
    revision = registry.revision
    registry.remove(refused[0], START)
    assert registry.revision == revision
    registry.remove("k1", START)
    assert (registry.items, registry.judge_removal("k1")) == ({}, "removed")
    assert registry.judge(Item(refused[0], "Bike")) == "full"


def test_a_full_registry_remembers_a_key_that_fits() -> None:
    """Full refuses items; a removal that there is room for is done."""
    registry = opened(BIKE, max_items=1)
    registry.add(BOOK, START)
    registry.remove("k9", START)
    assert (registry.is_full, registry.judge_removal("k9")) == (True, "removed")


def test_adds_and_removals_end_exactly_at_closes_at() -> None:
    """The last millisecond takes them; at closesAt they close the registry instead, as of that
    time.
    """
    registry = opened(BIKE)
    registry.add(BOOK, LAST_MOMENT)
    registry.remove("k1", LAST_MOMENT)
    assert registry.items == {"k2": "Book"}
    for change in (lambda each: each.add(BALL, END), lambda each: each.remove("k2", END + MINUTE)):
        late = replace(registry, items=dict(registry.items))
        change(late)
        assert (late.closed_at, late.closed_by, late.items) == (END, "timeout", {"k2": "Book"})
        assert late.revision == registry.revision + 1


def test_a_closed_registry_takes_nothing_but_knows_its_items() -> None:
    """After the close a new item is refused, and a repeated add is answered as before."""
    registry = opened(BIKE)
    registry.close("user", START)
    registry.add(BOOK, START)
    assert registry.judge(BOOK) == "closed"
    assert registry.judge(BIKE) == "known"
    assert registry.judge(Item("k1", "Book")) == "reused"
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
def test_who_closed_it_and_when(by, now, closed_by, closed_at) -> None:
    """A time-out is refused before closesAt; a finish that comes then or later is too late, and is
    the time-out.
    """
    registry = opened()
    registry.close(by, now)
    assert (registry.closed_by, registry.closed_at) == (closed_by, closed_at)
    assert registry.is_closed is (closed_at is not None)
    assert registry.revision == (2 if closed_at else 1)


def test_the_first_close_wins() -> None:
    """A second close changes nothing."""
    registry = opened()
    registry.close("user", START)
    closed = replace(registry)
    registry.close("timeout", END)
    registry.close("user", END)
    assert registry == closed


def test_a_closed_registry_can_be_sent_again() -> None:
    """Under the next number, once its delivery has come to an end; what had become of that is kept."""
    registry = opened(BIKE)
    registry.send_again(2, START)
    registry.close("user", START)
    registry.send_again(2, START)
    assert (registry.sends, registry.processing, registry.revision) == (1, "pending", 3)
    registry.delivered(1, "failed")
    for number in (1, 3, 0):
        registry.send_again(number, END)
        assert registry.processing == "failed"
    for _ in range(2):
        registry.send_again(2, END)
        assert (registry.sends, registry.processing, registry.previous) == (2, "pending", "failed")
        assert (registry.asked_at, registry.revision) == (END, 5)


def test_it_is_sent_again_once_a_minute() -> None:
    """The minute is counted from when it was last asked for, and the seconds that are left are
    rounded up.
    """
    registry = delivered()
    assert registry.seconds_until_again(END) == 0
    registry.send_again(2, END)
    registry.delivered(2, "delivered")
    for early, seconds in (
        (timedelta(), 60),
        (timedelta(milliseconds=1), 60),
        (timedelta(milliseconds=59_001), 1),
    ):
        assert registry.seconds_until_again(END + early) == seconds
        registry.send_again(3, END + early)
        assert registry.sends == 2
    assert registry.seconds_until_again(END + MINUTE) == 0
    registry.send_again(3, END + MINUTE)
    assert (registry.sends, registry.asked_at) == (3, END + MINUTE)


def test_an_outcome_is_recorded_once() -> None:
    """Late news of this delivery or of an earlier one, and news of an open registry, change
    nothing.
    """
    registry = opened()
    registry.delivered(1, "delivered")
    assert (registry.processing, registry.revision) == ("pending", 1)
    registry.close("user", START)
    registry.delivered(1, "delivered")
    registry.delivered(1, "failed")
    assert (registry.processing, registry.revision) == ("delivered", 3)
    registry.send_again(2, END)
    registry.delivered(1, "failed")
    assert (registry.processing, registry.revision) == ("pending", 4)
    registry.delivered(2, "failed")
    assert (registry.processing, registry.revision) == ("failed", 5)


class Promises(RuleBasedStateMachine):
    """Whatever comes in whatever order, at whatever time: what was told once stays true."""

    keys = st.sampled_from(["a", "b", "c", "long" * 8])
    texts = st.sampled_from(["x", "y", "🎁" * 2500])
    moments = st.integers(-2, 6).map(lambda minutes: START + minutes * MINUTE) | st.just(
        LAST_MOMENT
    )

    @initialize(max_items=st.integers(1, 3), is_open=st.booleans())
    def begin(self, max_items: int, is_open: bool) -> None:
        birth = replace(BIRTH, max_items=max_items)
        self.registry = Registry.announced(birth) if is_open else Registry(birth)
        if is_open:
            self.registry.open()
        else:
            self.registry.close("user", START)
        self.told_of_adds: dict[Item, str] = {}
        self.told_of_removals: dict[str, str] = {}
        self.closed: tuple | None = None
        self.before = self.snapshot()

    def snapshot(self) -> Registry:
        return replace(
            self.registry, items=dict(self.registry.items), removed=list(self.registry.removed)
        )

    @rule(key=keys, text=texts, now=moments)
    def add(self, key: str, text: str, now: datetime) -> None:
        item = Item(key, text)
        self.registry.add(item, now)
        self.told_of_adds[item] = self.registry.judge(item)
        assert self.told_of_adds[item] != "undecided"

    @rule(key=keys, now=moments)
    def remove(self, key: str, now: datetime) -> None:
        self.registry.remove(key, now)
        self.told_of_removals[key] = self.registry.judge_removal(key)
        assert self.told_of_removals[key] != "undecided"

    @rule(by=st.sampled_from(["user", "timeout"]), now=moments)
    def close(self, by: str, now: datetime) -> None:
        self.registry.close(by, now)
        assert self.registry.is_closed or (by == "timeout" and now < END)

    @rule()
    def open(self) -> None:
        self.registry.open()

    @rule(number=st.integers(0, 4), now=moments)
    def send_again(self, number: int, now: datetime) -> None:
        self.registry.send_again(number, now)

    @rule(number=st.integers(0, 4), outcome=st.sampled_from(["delivered", "failed", "off"]))
    def delivered(self, number: int, outcome: str) -> None:
        self.registry.delivered(number, outcome)

    @invariant()
    def what_was_told_is_true(self) -> None:
        registry = self.registry
        for item, verdict in self.told_of_adds.items():
            now = registry.judge(item)
            match verdict:
                case "known" | "reused":
                    assert now in (verdict, "removed")
                case "full":
                    assert now in ("full", "removed", "closed")
                case _:
                    assert now == verdict
        for key, verdict in self.told_of_removals.items():
            now = registry.judge_removal(key)
            assert now == verdict or verdict == "full"
            assert (key in registry.items) is (verdict == "closed")

    @invariant()
    def the_revision_grows_exactly_with_changes(self) -> None:
        now = self.snapshot()
        changed = replace(now, revision=0) != replace(self.before, revision=0)
        assert now.revision - self.before.revision == int(changed)
        self.before = now

    @invariant()
    @precondition(lambda self: self.registry.is_closed)
    def a_close_is_final(self) -> None:
        registry = self.registry
        now = (registry.closed_at, registry.closed_by, dict(registry.items), list(registry.removed))
        self.closed = self.closed or now
        assert now == self.closed
        assert (
            registry.closed_at >= END
            if registry.closed_by == "timeout"
            else START <= registry.closed_at < END
        )

    @invariant()
    def it_keeps_within_its_bounds(self) -> None:
        registry = self.registry
        assert len(registry.items) <= registry.birth.max_items
        assert len(json.dumps([list(registry.items.items()), registry.removed])) <= MAX_BYTES


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def test_pauses_double_up_to_the_longest() -> None:
    """By default 5 s, 10 s, ... to an hour, for a day; the last attempt comes before its end."""
    pauses, elapsed = [], timedelta()
    while (pause := BACKOFF.pause(len(pauses) + 1, elapsed)) is not None:
        pauses.append(pause.total_seconds())
        elapsed += pause
    assert pauses[:10] == [5 * 2**failures for failures in range(10)]
    assert set(pauses[10:]) == {3600}
    assert timedelta(hours=23) < elapsed <= timedelta(hours=24)


def test_pauses_after_very_many_failures() -> None:
    """They are of the longest, however many there were: no number grows without bound."""
    assert Backoff(1, 600, 10**9).pause(10**6, timedelta()) == timedelta(seconds=600)


def test_no_retries_at_all() -> None:
    """A total of nothing is one attempt."""
    assert Backoff(5, 3600, 0).pause(1, timedelta()) is None


def news(id: str, items: int, outcome: str, *, again: bool = False) -> list[Standing]:
    """All that the stats are told of a registry that closes at END, in the order in which it
    happens.
    """
    registry = born(replace(BIRTH, id=id))
    told = [Standing.of(registry, START)]
    for number in range(items):
        registry.add(Item(str(number), "Bike"), START)
        told.append(Standing.of(registry, START))
    registry.close("timeout", END)
    told += [Standing.of(registry, END), Standing.of(registry, END + 5 * SECOND)]
    registry.delivered(1, outcome)
    told.append(Standing.of(registry, END + 6 * SECOND))
    if again:
        registry.send_again(2, END + MINUTE)
        told += [Standing.of(registry, END + MINUTE), Standing.of(registry, END + 2 * MINUTE)]
        registry.delivered(2, "delivered")
        told.append(Standing.of(registry, END + 2 * MINUTE))
    return told


def counts(stats: Stats) -> tuple[int, dict[str, int]]:
    return stats.items, {phase: count for phase, count in stats.phases.items() if count}


def test_a_standing_is_of_a_revision() -> None:
    """It says what a registry counts for, when something is due of it, and what it counted as
    before.
    """
    revisions = [
        (each.revision, each.items, each.phase, each.due, each.previous)
        for each in news("a", 1, "failed")
    ]
    assert revisions == [
        (1, 0, "open", END, None),
        (2, 1, "open", END, None),
        (3, 1, "pending", END, None),
        (3, 1, "pending", END + 5 * SECOND, None),
        (4, 1, "failed", END + 6 * SECOND, None),
    ]
    again = news("a", 1, "failed", again=True)
    assert [each.previous for each in again[5:]] == ["failed"] * 3


def test_every_order_of_the_news_comes_to_the_same() -> None:
    """Of one registry with three adds, which is delivered: all orders, each with all of it told
    once more.
    """
    told = news("a", 3, "delivered")
    assert len(told) == 7
    for order in itertools.permutations(told):
        stats = Stats()
        for standing in (*order, *told):
            stats.observe("a", standing, END + MINUTE)
        assert counts(stats) == (3, {"delivered": 1})


def test_the_latest_of_a_revision_counts() -> None:
    """A delivery that failed reports later without a change of the list; what it had said before
    does not come back.
    """
    first, later = news("a", 0, "failed")[1:3]
    for order in itertools.permutations([first, later, first]):
        stats = Stats()
        for standing in order:
            stats.observe("a", standing, END)
        assert stats.standings["a"].due == later.due == END + 5 * SECOND


@given(st.data())
def test_registries_are_counted_one_by_one(data) -> None:
    """News of several registries, interleaved, repeated and in any order, come to what each of them
    came to.
    """
    outcomes = data.draw(
        st.lists(st.sampled_from(["delivered", "failed", "off"]), min_size=1, max_size=4)
    )
    told, items, phases = [], 0, Counter()
    for number, outcome in enumerate(outcomes):
        size, again = data.draw(st.integers(0, 3)), data.draw(st.booleans())
        told += [(str(number), each) for each in news(str(number), size, outcome, again=again)]
        items += size
        phases["delivered" if again else outcome] += 1
    order = data.draw(
        st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=10)))
    )
    stats = Stats()
    for id, standing in order:
        stats.observe(id, standing, END + 3 * MINUTE)
    assert counts(stats) == (items, dict(phases))
    assert set(stats.standings) == set(map(str, range(len(outcomes))))
    assert {each.phase for each in stats.standings.values()}.isdisjoint(MOVING)


def test_what_is_not_at_rest_is_known_with_its_birth() -> None:
    """Those who heal find there what is due, and since when; what is at rest needs no birth."""
    stats = Stats()
    told = news("a", 1, "failed")
    for standing in told[:-1]:
        stats.observe("a", standing, END)
        assert stats.standings["a"] == standing
        assert stats.standings["a"].birth == replace(BIRTH, id="a")
    stats.observe("a", told[-1], END)
    assert stats.standings["a"] == replace(told[-1], due=END + REMEMBERED, birth=None)


def test_what_came_to_rest_is_remembered_for_an_hour() -> None:
    """Then it is forgotten with the next news, of whatever registry; what is not at rest is never
    forgotten.
    """
    stats = Stats()
    stats.observe("open", news("open", 0, "off")[0], END)
    for standing in news("a", 1, "failed"):
        stats.observe("a", standing, END)
    after = END + REMEMBERED
    stats.observe("b", news("b", 0, "off")[0], after)
    assert set(stats.standings) == {"open", "a", "b"}
    stats.observe("b", news("b", 1, "off")[1], after + SECOND)
    assert set(stats.standings) == {"open", "b"}
    assert counts(stats) == (2, {"open": 2, "failed": 1})


@pytest.mark.parametrize("told", news("a", 3, "delivered")[4:])
def test_late_news_of_what_was_forgotten(told) -> None:
    """A registry that closed more than an hour ago was counted when it came to rest: it counts
    nothing again.
    """
    stats = Stats(3, Counter(delivered=1))
    stats.observe("a", told, END + REMEMBERED + SECOND)
    assert (counts(stats), stats.standings) == ((3, {"delivered": 1}), {})


def test_late_news_of_what_was_never_heard_of() -> None:
    """Up to an hour after its close a registry that is not known is counted."""
    stats = Stats()
    stats.observe("a", news("a", 3, "delivered")[-1], END + REMEMBERED)
    assert counts(stats) == (3, {"delivered": 1})


@given(st.data())
def test_sent_again_after_it_was_forgotten(data) -> None:
    """What `process` sends is counted as pending instead of as what it was, and then as what came
    of it, once.
    """
    told = news("a", 3, "failed", again=True)[-3:]
    order = data.draw(
        st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=5)))
    )
    stats, now = Stats(5, Counter(failed=2)), END + timedelta(days=3)
    stats.observe("a", told[0], now)
    assert counts(stats) == (5, {"failed": 1, "pending": 1})
    stats = Stats(5, Counter(failed=2))
    for standing in order:
        stats.observe("a", standing, now)
    assert counts(stats) == (5, {"failed": 1, "delivered": 1})


def test_shards_add_up() -> None:
    """The sum of shards counts everything once, and leaves them alone."""
    one, other = Stats(), Stats()
    for id, stats in (("a", one), ("b", other)):
        stats.observe(id, news(id, 2, "off")[1], START)
    assert one + other + Stats(1, Counter(off=2)) == Stats(
        3, Counter(open=2, off=2), {"a": news("a", 2, "off")[1], "b": news("b", 2, "off")[1]}
    )
    assert counts(one) == counts(other) == (1, {"open": 1})


def test_the_rules_are_pure() -> None:
    """The model imports neither Azure nor clock nor environment."""
    tree = ast.parse(Path(registry.domain.registry.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported == {
        "__future__",
        "collections",
        "dataclasses",
        "datetime",
        "json",
        "math",
        "typing",
    }
