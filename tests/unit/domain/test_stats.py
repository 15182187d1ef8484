import itertools
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from registry.domain.registry import Item
from registry.domain.stats import DEDUPLICATION_WINDOW, Snapshot, Stats
from tests.clock import START
from tests.support.registries import END, make_terms, open_registry
from tests.unit import stored_by_1_0

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def reports(id: str, items: int, outcome: str, *, is_redelivered: bool = False) -> list[Snapshot]:
    """All snapshots of a registry that closes at END, in the order in which they are reported."""
    registry = open_registry(id=id, max_items=500, has_webhook=True)
    snapshots = [Snapshot.of(registry, START)]
    for number in range(items):
        registry.add(Item(str(number), "Bike"), START)
        snapshots.append(Snapshot.of(registry, START))

    registry.close("timeout", END)
    snapshots += [Snapshot.of(registry, END), Snapshot.of(registry, END + 5 * SECOND)]
    registry.record_delivery(1, outcome)
    snapshots.append(Snapshot.of(registry, END + 6 * SECOND))

    if is_redelivered:
        registry.request_delivery(2, END + MINUTE)
        snapshots.append(Snapshot.of(registry, END + MINUTE))
        snapshots.append(Snapshot.of(registry, END + 2 * MINUTE))
        registry.record_delivery(2, "delivered")
        snapshots.append(Snapshot.of(registry, END + 2 * MINUTE))
    return snapshots


def counts(stats: Stats) -> tuple[int, dict[str, int]]:
    """The items, and the counts that are not zero."""
    return stats.items, {status: count for status, count in stats.counts.items() if count}


class TestSnapshot:
    def test_a_snapshot_is_of_a_revision(self) -> None:
        """It has what the registry counts for, and when something is due."""
        snapshots = [
            (each.revision, each.items, each.status, each.due) for each in reports("a", 1, "failed")
        ]
        assert snapshots == [
            (1, 0, "open", END),
            (2, 1, "open", END),
            (3, 1, "pending", END),
            (3, 1, "pending", END + 5 * SECOND),
            (4, 1, "failed", END + 6 * SECOND),
        ]

    def test_a_snapshot_of_another_delivery_has_the_status_before_it(self) -> None:
        """Under that the registry was counted."""
        snapshots = reports("a", 1, "failed", is_redelivered=True)
        assert [each.previous_status for each in snapshots] == [None] * 5 + ["failed"] * 3

    def test_an_active_registry_will_be_heard_of_again(self) -> None:
        """It is open, or its delivery is pending."""
        assert [each.is_active for each in reports("a", 0, "failed")] == [True, True, True, False]


class TestRecord:
    def test_any_order_comes_to_the_same_counts(self) -> None:
        """All orders of one registry's snapshots, each repeated once more."""
        snapshots = reports("a", 3, "delivered")
        assert len(snapshots) == 7
        for order in itertools.permutations(snapshots):
            stats = Stats()
            for snapshot in (*order, *snapshots):
                stats.record("a", snapshot, END + MINUTE)
            assert counts(stats) == (3, {"delivered": 1})

    def test_the_latest_report_of_a_revision_counts(self) -> None:
        """A failed attempt reports later, although the list has not changed."""
        first, later = reports("a", 0, "failed")[1:3]
        for order in itertools.permutations([first, later, first]):
            stats = Stats()
            for snapshot in order:
                stats.record("a", snapshot, END)
            assert stats.snapshots["a"].due == later.due == END + 5 * SECOND

    @settings(max_examples=50, deadline=None)
    @given(st.data())
    def test_registries_are_counted_independently(self, data) -> None:
        """Snapshots of several, interleaved, repeated, and in any order."""
        outcomes = data.draw(
            st.lists(st.sampled_from(["delivered", "failed", "off"]), min_size=1, max_size=4)
        )
        sent: list[tuple[str, Snapshot]] = []
        items, expected = 0, Counter[str]()
        for number, outcome in enumerate(outcomes):
            size, is_redelivered = data.draw(st.integers(0, 3)), data.draw(st.booleans())
            snapshots = reports(str(number), size, outcome, is_redelivered=is_redelivered)
            sent += [(str(number), each) for each in snapshots]
            items += size
            expected["delivered" if is_redelivered else outcome] += 1

        repeats = data.draw(st.lists(st.sampled_from(sent), max_size=10))
        stats = Stats()
        for id, snapshot in data.draw(st.permutations(sent + repeats)):
            stats.record(id, snapshot, END + 3 * MINUTE)

        assert counts(stats) == (items, dict(expected))
        assert set(stats.snapshots) == set(map(str, range(len(outcomes))))
        assert not any(each.is_active for each in stats.snapshots.values())

    def test_an_active_registry_is_kept_with_its_terms(self) -> None:
        """Reconcile needs them. One that is completed needs none."""
        stats = Stats()
        *active, completed = reports("a", 1, "failed")
        for snapshot in active:
            stats.record("a", snapshot, END)
            assert stats.snapshots["a"] == snapshot
            assert stats.snapshots["a"].terms == make_terms("a", max_items=500, has_webhook=True)

        stats.record("a", completed, END)
        kept = {"due": END + DEDUPLICATION_WINDOW, "terms": None}
        assert stats.snapshots["a"] == completed.model_copy(update=kept)

    def test_a_completed_registry_is_kept_for_an_hour(self) -> None:
        """It goes with the next record of any registry. An active one stays."""
        stats = Stats()
        stats.record("open", reports("open", 0, "off")[0], END)
        for snapshot in reports("a", 1, "failed"):
            stats.record("a", snapshot, END)

        an_hour_later = END + DEDUPLICATION_WINDOW
        stats.record("b", reports("b", 0, "off")[0], an_hour_later)
        assert set(stats.snapshots) == {"open", "a", "b"}

        stats.record("b", reports("b", 1, "off")[1], an_hour_later + SECOND)
        assert set(stats.snapshots) == {"open", "b"}
        assert counts(stats) == (2, {"open": 2, "failed": 1})

    @pytest.mark.parametrize("late", reports("a", 3, "delivered")[4:])
    def test_a_registry_that_closed_long_ago_is_not_counted_again(self, late) -> None:
        """It was counted when it was completed, and its snapshot was dropped since."""
        stats = Stats(items=3, counts=Counter(delivered=1))
        stats.record("a", late, END + DEDUPLICATION_WINDOW + SECOND)
        assert (counts(stats), stats.snapshots) == ((3, {"delivered": 1}), {})

    def test_an_unknown_registry_is_counted_until_an_hour_after_its_close(self) -> None:
        """So late may its first report come."""
        stats = Stats()
        stats.record("a", reports("a", 3, "delivered")[-1], END + DEDUPLICATION_WINDOW)
        assert counts(stats) == (3, {"delivered": 1})

    @settings(max_examples=50, deadline=None)
    @given(st.data())
    def test_a_dropped_registry_that_is_delivered_again_counts_once(self, data) -> None:
        """It counts as pending instead of as before, and then as what became of it."""
        snapshots = reports("a", 3, "failed", is_redelivered=True)[-3:]
        repeats = data.draw(st.lists(st.sampled_from(snapshots), max_size=5))
        days_later = END + timedelta(days=3)

        stats = Stats(items=5, counts=Counter(failed=2))
        stats.record("a", snapshots[0], days_later)
        assert counts(stats) == (5, {"failed": 1, "pending": 1})

        stats = Stats(items=5, counts=Counter(failed=2))
        for snapshot in data.draw(st.permutations(snapshots + repeats)):
            stats.record("a", snapshot, days_later)
        assert counts(stats) == (5, {"failed": 1, "delivered": 1})


def test_shards_add_up() -> None:
    """The sum counts everything once, and leaves the shards alone."""
    one, other = Stats(), Stats()
    for id, stats in (("a", one), ("b", other)):
        stats.record(id, reports(id, 2, "off")[1], START)

    assert one + other + Stats(items=1, counts=Counter(off=2)) == Stats(
        items=3,
        counts=Counter(open=2, off=2),
        snapshots={"a": reports("a", 2, "off")[1], "b": reports("b", 2, "off")[1]},
    )
    assert counts(one) == counts(other) == (1, {"open": 1})


def as_stored(state: Any) -> Any:
    """The state as it comes back from the task hub."""
    return json.loads(json.dumps(state))


INVALID_ENTRIES = [
    ["d" * 32, {"revision": 1}],
    ["d" * 32, {}],
    ["d" * 32, None],
    ["d" * 32, stored_by_1_0.OPEN_SNAPSHOT | {"phase": "closed"}],
    ["d" * 32, stored_by_1_0.OPEN_SNAPSHOT | {"due": "soon"}],
    ["d" * 32, stored_by_1_0.OPEN_SNAPSHOT | {"birth": {"id": 5}}],
    [5, stored_by_1_0.OPEN_SNAPSHOT],
    [[], stored_by_1_0.OPEN_SNAPSHOT],
    ["d" * 32],
    ["d" * 32, stored_by_1_0.OPEN_SNAPSHOT, 1],
    {"__class__": "x"},
    "x",
    None,
    5,
]


class TestState:
    @pytest.mark.parametrize("state", [stored_by_1_0.SHARD, stored_by_1_0.EMPTY_SHARD])
    def test_shards_of_1_0_are_read_and_written_alike(self, state) -> None:
        """With the same members."""
        assert as_stored(Stats.from_state(state).to_state()) == state

    def test_a_shard_of_1_0_means_what_it_meant(self) -> None:
        """Each member is where it belongs."""
        stats = Stats.from_state(stored_by_1_0.SHARD)
        assert (stats.items, stats.counts) == (3, Counter(delivered=1, open=1, pending=1))
        assert stats.snapshots[stored_by_1_0.PENDING_ID] == Snapshot(
            revision=4,
            items=0,
            status="pending",
            due=START + 2 * MINUTE,
            terms=make_terms(stored_by_1_0.PENDING_ID, has_webhook=True),
            closed_at=START,
            previous_status="failed",
        )

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 3), st.sampled_from(["delivered", "failed", "off"]), st.booleans())
    def test_stats_are_read_back_at_every_step(self, items, outcome, is_redelivered) -> None:
        """With all counts and snapshots."""
        stats = Stats()
        for snapshot in reports("a", items, outcome, is_redelivered=is_redelivered):
            stats.record("a", snapshot, END)
            assert Stats.from_state(as_stored(stats.to_state())) == stats

    @pytest.mark.parametrize(
        "name", ["title", "counts", "snapshots", "invalid_entries", "status", "terms"]
    )
    @pytest.mark.parametrize("value", [5, None, {"v": 9}])
    def test_unknown_members_are_ignored(self, name, value) -> None:
        """A later version may have written them; names that only the code has are none either."""
        unknown = {name: value}
        later = stored_by_1_0.SHARD | unknown
        later["standings"] = [
            [id, snapshot | unknown] for id, snapshot in stored_by_1_0.SHARD["standings"]
        ]
        assert as_stored(Stats.from_state(later).to_state()) == stored_by_1_0.SHARD

    def test_names_that_only_the_code_has_are_not_read(self) -> None:
        """A later version may store other members under them."""
        snapshot = stored_by_1_0.OPEN_SNAPSHOT | {"status": "open"}
        del snapshot["phase"]
        stats = Stats.from_state({"counts": {"off": 1}, "standings": [["a", snapshot]]})
        assert (stats.counts, stats.snapshots) == (Counter(), {})
        assert len(stats.invalid_entries) == 1

    @pytest.mark.parametrize("name", ["v", "items", "phases", "standings"])
    def test_missing_members_have_defaults(self, name) -> None:
        """An earlier version did not write them."""
        state = {each: value for each, value in stored_by_1_0.SHARD.items() if each != name}
        default = {"v": 1, "items": 0, "phases": {}, "standings": []}
        assert as_stored(Stats.from_state(state).to_state()) == state | {name: default[name]}

    @pytest.mark.parametrize("name", ["birth", "closed_at", "previous"])
    def test_missing_members_of_a_snapshot_have_defaults(self, name) -> None:
        """They are optional."""
        snapshot = dict(stored_by_1_0.PENDING_SNAPSHOT)
        del snapshot[name]
        state = Stats.from_state({"standings": [["a", snapshot]]}).to_state()
        assert as_stored(state)["standings"] == [["a", snapshot | {name: None}]]

    @pytest.mark.parametrize("junk", [None, 5, "x", [], True])
    def test_junk_is_invalid(self, junk) -> None:
        """Nothing but ValidationError is raised."""
        with pytest.raises(ValidationError):
            Stats.from_state(junk)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"items": "x"},
            {"items": None},
            {"phases": 5},
            {"phases": {"open": "x"}},
            {"phases": {"closed": 1}},
            {"standings": 5},
            {"standings": None},
            {"standings": {"a": stored_by_1_0.OPEN_SNAPSHOT}},
        ],
    )
    def test_a_member_of_another_type_is_invalid(self, wrong) -> None:
        """Nothing but ValidationError is raised."""
        with pytest.raises(ValidationError):
            Stats.from_state(stored_by_1_0.SHARD | wrong)

    @pytest.mark.parametrize("entry", INVALID_ENTRIES)
    def test_an_invalid_entry_stops_no_other_and_is_kept(self, entry) -> None:
        """As it is: somebody may look at it, and a later version may read it."""
        valid = stored_by_1_0.SHARD["standings"]
        state = stored_by_1_0.SHARD | {"standings": [valid[0], entry, *valid[1:]]}
        stats = Stats.from_state(state)
        assert set(stats.snapshots) == {id for id, _ in valid}
        assert [(kept, type(error)) for kept, error in stats.invalid_entries] == [
            (entry, ValidationError)
        ]

        is_named = isinstance(entry, list) and isinstance(entry[0], str)
        assert stats.invalid_entries[0].id == ("d" * 32 if is_named else "")

        stats.record("e" * 32, Snapshot.of(open_registry(id="e" * 32), START), END)
        stored = as_stored(stats.to_state())["standings"]
        assert [each for each in stored if each not in valid][-1] == entry
        assert len(stored) == len(valid) + 2

    def test_invalid_entries_of_shards_add_up(self) -> None:
        """So that whoever reads all shards knows of them."""
        one, other = (Stats.from_state({"standings": [[id, {}]]}) for id in "ab")
        assert [each.id for each in (one + other).invalid_entries] == ["a", "b"]

    def test_texts_are_values_and_never_names(self) -> None:
        """The SDK gives some names in JSON a meaning."""
        stats = Stats(snapshots={"__class__": Snapshot.of(open_registry(), START)})
        assert stats.to_state()["standings"][0][0] == "__class__"
