import ast
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

import registry.model
from registry.model import Backoff, Item, Registry, Stats
from registry.settings import BACKOFF
from tests.clock import START

END = START + timedelta(minutes=5)
LAST_MOMENT = END - timedelta(milliseconds=1)
BIKE, BOOK, BALL = Item("k1", "Bike"), Item("k2", "Book"), Item("k3", "Ball")


def opened(*items: Item, max_items: int = 500) -> Registry:
    return Registry(START, END, max_items, list(items))


def test_items_keep_their_order_and_text() -> None:
    """Items are kept verbatim, in the order of their adds."""
    registry = opened()
    strange = Item("k4", " <b>\u0000 🎁 'quoted' \n")
    for item in (BOOK, strange, BIKE):
        assert registry.add(item, START) == "added"
    assert registry.items == [BOOK, strange, BIKE]


def test_a_repeated_add_changes_nothing() -> None:
    """A known key with the same text is the same add again."""
    registry = opened(BIKE, BOOK)
    assert registry.add(BIKE, START) == "known"
    assert registry.items == [BIKE, BOOK]


def test_a_key_stands_for_one_item() -> None:
    """A known key with another text is refused."""
    registry = opened(BIKE)
    assert registry.add(Item("k1", "Book"), START) == "reused"
    assert registry.items == [BIKE]


def test_the_same_gift_twice_is_two_items() -> None:
    """It is the key that tells adds apart, not the text."""
    registry = opened(BIKE)
    assert registry.add(Item("k9", "Bike"), START) == "added"
    assert [item.text for item in registry.items] == ["Bike", "Bike"]


def test_a_full_registry_takes_nothing_but_knows_its_items() -> None:
    """Full refuses a new item, and answers a repeated add as before."""
    registry = opened(BIKE, BOOK, max_items=2)
    assert registry.add(BALL, START) == "full"
    assert registry.add(BOOK, START) == "known"
    assert registry.items == [BIKE, BOOK]


def test_adds_end_exactly_at_closes_at() -> None:
    """The last millisecond takes an item; closes_at does not, although no close was recorded."""
    registry = opened()
    assert registry.add(BIKE, LAST_MOMENT) == "added"
    assert registry.add(BOOK, END) == "closed"
    assert not registry.is_closed
    assert registry.items == [BIKE]


def test_a_closed_registry_takes_nothing_but_knows_its_items() -> None:
    """After the close a new item is refused, and a repeated add is answered as before."""
    registry = opened(BIKE)
    registry.close("user", START)
    assert registry.add(BOOK, START) == "closed"
    assert registry.add(BIKE, START) == "known"
    assert registry.add(Item("k1", "Book"), START) == "reused"
    assert registry.items == [BIKE]


@pytest.mark.parametrize(
    ("by", "now", "closed_by", "closed_at"),
    [
        ("user", START + timedelta(minutes=1), "user", START + timedelta(minutes=1)),
        ("user", END, "timeout", END),
        ("timeout", END + timedelta(seconds=7), "timeout", END),
        ("timeout", LAST_MOMENT, "timeout", END),
    ],
)
def test_who_closed_it_and_when(by, now, closed_by, closed_at) -> None:
    """A finish that comes at closes_at or later came too late: the time-out had closed the registry."""
    registry = opened()
    registry.close(by, now)
    assert (registry.closed_by, registry.closed_at) == (closed_by, closed_at)


def test_the_first_close_wins() -> None:
    """A second close changes nothing."""
    registry = opened()
    registry.close("user", START)
    registry.close("timeout", END)
    assert (registry.closed_by, registry.closed_at) == ("user", START)


def test_from_closes_at_on_it_shows_as_closed() -> None:
    """A late timer does not show: `at` closes by the clock, and leaves what is recorded alone."""
    registry = opened(BIKE)
    assert registry.at(LAST_MOMENT) is registry
    shown = registry.at(END)
    assert (shown.closed_by, shown.closed_at, shown.items) == ("timeout", END, [BIKE])
    assert not registry.is_closed


def test_a_recorded_close_shows_as_recorded() -> None:
    """A registry that its user closed stays closed by the user after closes_at."""
    registry = opened()
    registry.close("user", START)
    assert registry.at(END) is registry


def test_registry_state_is_json_and_reads_back() -> None:
    """State survives JSON, open and closed."""
    registry = opened(BIKE, Item("k5", "Ünï\u0000 🎄"))
    assert Registry.from_state(json.loads(json.dumps(registry.to_state()))) == registry
    registry.close("timeout", END)
    assert Registry.from_state(json.loads(json.dumps(registry.to_state()))) == registry


def test_stats_count_a_registry_once() -> None:
    """A repeated `opened` counts once and keeps the observed count."""
    stats = Stats()
    stats.opened("a")
    stats.observe("a", 2)
    stats.opened("a")
    assert stats == Stats(registries=1, open={"a": 2})


def test_observations_may_be_repeated_late_or_lost() -> None:
    """The highest count observed is kept."""
    stats = Stats()
    stats.opened("a")
    for count in (3, 1, 3, 2):
        stats.observe("a", count)
    assert stats.open == {"a": 3}


def test_an_observation_of_an_unknown_registry_is_ignored() -> None:
    """Neither an id that was never opened nor one that has closed is counted again."""
    stats = Stats()
    stats.observe("a", 1)
    stats.opened("b")
    stats.closed("b", 4, "off")
    stats.observe("b", 4)
    assert stats == Stats(registries=1, closed_items=4, processing=Counter(off=1))


def test_closed_moves_the_final_count_once() -> None:
    """The final count replaces what was observed; a repeated `closed` changes nothing."""
    stats = Stats()
    stats.opened("a")
    stats.observe("a", 2)
    stats.closed("a", 3, "off")
    stats.closed("a", 3, "off")
    assert stats == Stats(registries=1, closed_items=3, processing=Counter(off=1))


def test_each_delivery_counts_once() -> None:
    """Pending, then what came of it; repeated news change nothing."""
    stats = Stats()
    stats.opened("a")
    stats.closed("a", 3, "pending")
    stats.closed("a", 3, "pending")
    assert (stats.pending, stats.processing) == ({"a"}, Counter())
    stats.processed("a", "failed")
    stats.processed("a", "failed")
    assert (stats.pending, stats.processing) == (set(), Counter(failed=1))


def test_sent_again_is_pending_again() -> None:
    """And no longer counts as what it was before."""
    stats = Stats(registries=2, processing=Counter(failed=1, off=1))
    for _ in range(2):
        stats.sent_again("a", "failed")
    assert (stats.pending, stats.processing) == ({"a"}, Counter(off=1))
    stats.processed("a", "delivered")
    assert (stats.pending, stats.processing) == (set(), Counter(off=1, delivered=1))


def test_a_closed_registry_can_be_sent_again() -> None:
    """An open one cannot; what had become of it before is told."""
    registry = opened(BIKE)
    assert registry.send_again(LAST_MOMENT) is None
    registry.close("user", START)
    assert registry.send_again(END) == "off"
    assert registry.processing == "pending"
    registry.processed("failed")
    assert registry.send_again(END) == "failed"


def test_sending_again_records_the_close_by_the_clock() -> None:
    """Where an operator ended the orchestration before its timer, nobody else does."""
    registry = opened()
    assert registry.send_again(END) == "off"
    assert (registry.closed_at, registry.closed_by) == (END, "timeout")


def test_an_outcome_is_recorded_once() -> None:
    """Late news of an earlier delivery change nothing."""
    registry = opened()
    registry.processing = "pending"
    registry.processed("delivered")
    registry.processed("failed")
    assert registry.processing == "delivered"


def test_pauses_double_up_to_the_longest() -> None:
    """By default 5 s, 10 s, ... to an hour, for a day; the last attempt comes before its end."""
    pauses, elapsed = [], timedelta()
    while (pause := BACKOFF.pause(len(pauses) + 1, elapsed)) is not None:
        pauses.append(pause.total_seconds())
        elapsed += pause
    assert pauses[:10] == [5 * 2**failures for failures in range(10)]
    assert set(pauses[10:]) == {3600}
    assert timedelta(hours=23) < elapsed <= timedelta(hours=24)


def test_no_retries_at_all() -> None:
    """A total of nothing is one attempt."""
    assert Backoff(5, 3600, 0).pause(1, timedelta()) is None


def test_shards_add_up() -> None:
    """The sum of shards counts everything once."""
    one = Stats(1, 5, {}, {"b"}, Counter(off=1))
    assert one + Stats(2, 1, {"a": 1}, {"c"}, Counter(off=1, failed=1)) == Stats(
        3, 6, {"a": 1}, {"b", "c"}, Counter(off=2, failed=1)
    )


def test_stats_leave_the_state_that_they_were_read_from_alone() -> None:
    """So that an operation that fails has changed nothing."""
    state = {"registries": 1, "closedItems": 0, "open": {"a": 1}}
    Stats.from_state(state).closed("a", 1, "off")
    assert state == {"registries": 1, "closedItems": 0, "open": {"a": 1}}


def test_stats_state_is_json_and_reads_back() -> None:
    """State survives JSON."""
    stats = Stats(2, 5, {"a": 1}, {"b"}, Counter(failed=1))
    assert Stats.from_state(json.loads(json.dumps(stats.to_state()))) == stats


def test_the_rules_are_pure() -> None:
    """The model imports neither Azure nor clock nor environment."""
    tree = ast.parse(Path(registry.model.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"__future__", "collections", "dataclasses", "datetime", "typing", "registry.times"}
