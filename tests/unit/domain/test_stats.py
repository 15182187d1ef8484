import itertools
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from registry.domain.registry import Item
from registry.domain.snapshots import Snapshot, read_entry
from registry.domain.stats import COMPLETED_KEPT, DEDUPLICATION_WINDOW, Stats
from tests.clock import START
from tests.support.registries import END, open_registry
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


def kept(snapshot: Snapshot, due: datetime | None = None) -> Snapshot:
    """What is stored of a snapshot."""
    dropped = {"terms": None, "closed_at": None, "due": due or snapshot.due}
    return snapshot.model_copy(update=dropped)


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

    def test_an_active_registry_is_kept_until_it_is_completed(self) -> None:
        """Reconcile sees to it by what is kept: terms and the time of the close are not."""
        stats = Stats()
        *active, completed = reports("a", 1, "failed")
        for snapshot in active:
            stats.record("a", snapshot, END)
            assert stats.snapshots["a"] == kept(snapshot)

        stats.record("a", completed, END)
        assert stats.snapshots["a"] == kept(completed, END + COMPLETED_KEPT)

    def test_a_completed_registry_is_kept_for_fifteen_minutes(self) -> None:
        """It goes with the next record of any registry. An active one stays."""
        stats = Stats()
        stats.record("open", reports("open", 0, "off")[0], END)
        for snapshot in reports("a", 1, "failed"):
            stats.record("a", snapshot, END)

        later = END + timedelta(minutes=15)
        stats.record("b", reports("b", 0, "off")[0], later)
        assert set(stats.snapshots) == {"open", "a", "b"}

        stats.record("b", reports("b", 1, "off")[1], later + SECOND)
        assert set(stats.snapshots) == {"open", "b"}
        assert counts(stats) == (2, {"open": 2, "failed": 1})

    def test_only_completed_registries_that_are_due_are_looked_at(self) -> None:
        """Not all of them for each message."""
        stats = Stats()
        for number in range(100):
            stats.record(str(number), reports(str(number), 0, "off")[-1], END + number * SECOND)

        with patch("registry.domain.snapshots.read_entry", side_effect=read_entry) as read:
            stats.record("open", reports("open", 0, "off")[0], END + COMPLETED_KEPT + 3 * SECOND)
        assert len(stats.snapshots) == 98
        assert read.call_count == 4

    def test_what_a_wrong_clock_completed_holds_up_nothing(self) -> None:
        """Otherwise everything that is completed would be kept for a day."""
        stats = Stats()
        for number in range(3):
            now = END + timedelta(days=number == 0)
            stats.record(str(number), reports(str(number), 0, "off")[-1], now)

        stats.record("open", reports("open", 0, "off")[0], END + SECOND)
        assert set(stats.snapshots) == {"1", "2", "open"}

    @pytest.mark.parametrize("late", reports("a", 3, "delivered")[4:])
    def test_a_registry_that_closed_long_ago_is_not_counted_again(self, late) -> None:
        """It was counted when it was completed, and its snapshot was dropped since."""
        stats = Stats(items=3, counts=Counter(delivered=1))
        stats.record("a", late, END + DEDUPLICATION_WINDOW + SECOND)
        assert (counts(stats), dict(stats.snapshots)) == ((3, {"delivered": 1}), {})

    def test_an_unknown_registry_is_counted_until_an_hour_after_its_close(self) -> None:
        """So late may its first report come."""
        stats = Stats()
        stats.record("a", reports("a", 3, "delivered")[-1], END + DEDUPLICATION_WINDOW)
        assert counts(stats) == (3, {"delivered": 1})

    @pytest.mark.parametrize("skew", [-30 * SECOND, 0 * SECOND, 30 * SECOND])
    @pytest.mark.parametrize("again", range(3, 6))
    def test_a_registry_whose_entry_was_dropped_is_not_counted_again(self, again, skew) -> None:
        """However soon after that it is reported again. Clocks may differ a little."""
        snapshots = reports("a", 2, "delivered")
        stats = Stats()
        for snapshot in snapshots:
            stats.record("a", snapshot, END + skew)
        stats.record("b", reports("b", 0, "off")[0], END + skew + COMPLETED_KEPT + SECOND)
        assert set(stats.snapshots) == {"b"}

        stats.record("a", snapshots[again], END + skew + COMPLETED_KEPT + 2 * SECOND)
        assert counts(stats) == (2, {"open": 1, "delivered": 1})

    def test_a_registry_that_closed_while_nothing_ran_is_counted(self) -> None:
        """Nothing was dropped that was completed since it closed, so it was not counted before."""
        stats = Stats()
        stats.record("a", reports("a", 0, "off")[-1], END - 5 * MINUTE)
        restarted = END + timedelta(hours=5)
        stats.record("b", reports("b", 0, "off")[0], restarted)
        assert set(stats.snapshots) == {"b"}

        stats.record("c", reports("c", 3, "delivered")[-1], restarted)
        assert counts(stats) == (3, {"open": 1, "off": 1, "delivered": 1})

    def test_a_list_that_lost_its_state_can_replace_what_is_counted(self) -> None:
        """With the items that it really has."""
        stats = Stats()
        lost = reports("a", 3, "off")[-4]
        stats.record("a", lost, START)
        again = reports("a", 0, "off")[-1]
        assert again.revision < lost.revision

        replacing = again.replacing(stats.snapshots["a"])
        stats.record("a", replacing, END)
        assert counts(stats) == (0, {"off": 1})
        assert again.replacing(Stats().snapshots.get("b", reports("b", 0, "off")[0])) == again

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
    """The sum counts everything once."""
    total = Stats(items=1, counts=Counter(off=2))
    for id in ("a", "b"):
        shard = Stats()
        shard.record(id, reports(id, 2, "off")[1], START)
        total += shard

    assert counts(total) == (3, {"open": 2, "off": 2})
    assert dict(total.snapshots) == {id: kept(reports(id, 2, "off")[1]) for id in ("a", "b")}


def as_stored(state: Any) -> Any:
    """The state as it comes back from the task hub."""
    return json.loads(json.dumps(state))


def as_1_0_reads(state: Any) -> Any:
    """What 1.0 makes of a state: it drops what it does not know."""
    return {name: as_stored(state)[name] for name in stored_by_1_0.EMPTY_SHARD}


INVALID_PAIRS = [
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
INVALID_ENTRIES = [
    None,
    5,
    "x",
    {},
    [],
    [1, 0],
    [1, 0, None],
    [1, 0, "soon"],
    [1, 0, 10**12],
    [1, 0, -1],
    [-1, 0, 1798135500],
    [1, 10**20, 1798135500],
    [1, 0, 1798135500, "closed"],
    [1, 0, 1798135500, "pending", "x"],
    stored_by_1_0.OPEN_SNAPSHOT,
]
SHARD = {
    "v": 1,
    "items": 3,
    "phases": {"delivered": 1},
    "standings": [],
    "active_items": 0,
    "active_phases": {"open": 1, "pending": 1},
    "active": {
        stored_by_1_0.PENDING_ID: [4, 0, 1798135320, "pending", "failed"],
        stored_by_1_0.OPEN_ID: [0, 0, 1798135500],
    },
    "completed": {stored_by_1_0.ID: [11, 3, 1798138891, "delivered", "failed"]},
    "dropped_until": None,
}
"""What becomes of a shard that 1.0 has stored."""


class TestState:
    def test_a_shard_of_1_0_is_stored_anew(self) -> None:
        """And then it stays the same."""
        assert as_stored(Stats.from_state(stored_by_1_0.SHARD).to_state()) == SHARD
        assert as_stored(Stats.from_state(SHARD).to_state()) == SHARD

    def test_a_shard_of_1_0_means_what_it_meant(self) -> None:
        """Each member is where it belongs."""
        stats = Stats.from_state(stored_by_1_0.SHARD)
        assert (stats.items, stats.counts) == (3, Counter(delivered=1, open=1, pending=1))
        assert stats.snapshots[stored_by_1_0.PENDING_ID] == Snapshot(
            revision=4,
            items=0,
            status="pending",
            due=START + 2 * MINUTE,
            previous_status="failed",
        )

    def test_completed_registries_of_1_0_are_dropped_after_an_hour(self) -> None:
        """For so long it keeps them."""
        state = {"standings": [["a", stored_by_1_0.DELIVERED_SNAPSHOT]]}
        due = datetime.fromisoformat(stored_by_1_0.DELIVERED_SNAPSHOT["due"])
        for number, now in enumerate((due - timedelta(hours=1), due, due + SECOND)):
            stats = Stats.from_state(state)
            stats.record("b", reports("b", 0, "off")[0], now)
            assert ("a" in stats.snapshots) == (number < 2)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 3), st.sampled_from(["delivered", "failed", "off"]), st.integers(0, 6))
    def test_after_a_roll_back_to_1_0_registries_that_were_open_are_counted_once(
        self, items, outcome, before
    ) -> None:
        """It drops their entries, and counts them when it hears of them next."""
        snapshots = reports("a", items, outcome)
        before = min(before, len(snapshots) - 2)
        stats = Stats()
        for snapshot in snapshots[:before]:
            stats.record("a", snapshot, END)

        rolled_back = Stats.from_state(as_1_0_reads(stats.to_state()))
        assert counts(rolled_back) == (0, {})
        for snapshot in snapshots[before:]:
            rolled_back.record("a", snapshot, END)
        assert counts(rolled_back) == (items, {outcome: 1})

    def test_after_a_roll_back_to_1_0_completed_registries_stay_counted(self) -> None:
        """Nothing is heard of them any more."""
        stats = Stats()
        for snapshot in reports("a", 3, "delivered"):
            stats.record("a", snapshot, END)
        rolled_back = Stats.from_state(as_1_0_reads(stats.to_state()))
        assert counts(rolled_back) == (3, {"delivered": 1})

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 3), st.sampled_from(["delivered", "failed", "off"]), st.booleans())
    def test_stats_are_read_back_at_every_step(self, items, outcome, is_redelivered) -> None:
        """With all counts and snapshots."""
        stats = Stats()
        snapshots = reports("a", items, outcome, is_redelivered=is_redelivered)
        for number, snapshot in enumerate(snapshots):
            stats.record("a", snapshot, END + number * 4 * MINUTE)
            assert Stats.from_state(as_stored(stats.to_state())) == stats

    def test_five_hundred_open_registries_take_less_than_30_000_characters(self) -> None:
        """Azure Storage keeps a longer state in a blob, and then each message costs more."""
        stats = Stats(items=10**9, counts=Counter(off=10**9, delivered=10**9, failed=10**9))
        for number in range(500):
            snapshot = Snapshot(revision=99, items=99, status="open", due=END)
            stats.record(f"{number:032x}", snapshot, START)
        assert len(json.dumps(stats.to_state())) < 30_000

    @pytest.mark.parametrize("name", ["title", "counts", "snapshots", "invalid_pairs", "status"])
    @pytest.mark.parametrize("value", [5, None, {"v": 9}])
    def test_unknown_members_are_ignored(self, name, value) -> None:
        """A later version may have written them; names that only the code has are none either."""
        unknown = {name: value}
        later = stored_by_1_0.SHARD | unknown
        later["standings"] = [
            [id, snapshot | unknown] for id, snapshot in stored_by_1_0.SHARD["standings"]
        ]
        assert as_stored(Stats.from_state(later).to_state()) == SHARD
        assert as_stored(Stats.from_state(SHARD | unknown).to_state()) == SHARD

    def test_what_an_entry_has_at_its_end_is_ignored(self) -> None:
        """A later version may have written it."""
        state = {"active": {"a": [3, 2, 1798135320, "pending", "failed", "x", None]}}
        assert Stats.from_state(state).snapshots["a"] == Snapshot(
            revision=3, items=2, status="pending", due=START + 2 * MINUTE, previous_status="failed"
        )

    def test_names_that_only_the_code_has_are_not_read(self) -> None:
        """A later version may store other members under them."""
        snapshot = stored_by_1_0.OPEN_SNAPSHOT | {"status": "open"}
        del snapshot["phase"]
        stats = Stats.from_state({"counts": {"off": 1}, "standings": [["a", snapshot]]})
        assert (stats.counts, dict(stats.snapshots)) == (Counter(), {})
        assert len(stats.invalid_entries) == 1

    @pytest.mark.parametrize("name", SHARD)
    def test_missing_members_have_defaults(self, name) -> None:
        """An earlier version did not write them."""
        state = {each: value for each, value in SHARD.items() if each != name}
        default = as_stored(Stats().to_state())
        assert as_stored(Stats.from_state(state).to_state()) == state | {name: default[name]}

    @pytest.mark.parametrize("name", ["birth", "closed_at", "previous"])
    def test_missing_members_of_a_snapshot_of_1_0_have_defaults(self, name) -> None:
        """They are optional."""
        snapshot = dict(stored_by_1_0.PENDING_SNAPSHOT)
        del snapshot[name]
        assert len(Stats.from_state({"standings": [["a", snapshot]]}).snapshots) == 1

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
            {"active_items": "x"},
            {"active_phases": {"closed": 1}},
            {"active": []},
            {"active": None},
            {"completed": 5},
            {"dropped_until": "soon"},
            {"dropped_until": 10**12},
        ],
    )
    def test_a_member_of_another_type_is_invalid(self, wrong) -> None:
        """Nothing but ValidationError is raised."""
        with pytest.raises(ValidationError):
            Stats.from_state(SHARD | wrong)

    @pytest.mark.parametrize("pair", INVALID_PAIRS)
    def test_an_invalid_pair_of_1_0_stops_no_other_and_is_kept(self, pair) -> None:
        """As it is: somebody may look at it, and a later version may read it."""
        valid = stored_by_1_0.SHARD["standings"]
        state = stored_by_1_0.SHARD | {"standings": [valid[0], pair, *valid[1:]]}
        stats = Stats.from_state(state)
        assert set(stats.snapshots) == {id for id, _ in valid}
        assert [(stored, type(error)) for stored, error in stats.invalid_entries] == [
            (pair, ValidationError)
        ]

        is_named = isinstance(pair, list) and isinstance(pair[0], str)
        assert stats.invalid_entries[0].id == ("d" * 32 if is_named else "")

        stats.record("e" * 32, Snapshot.of(open_registry(id="e" * 32), START), END)
        assert as_stored(stats.to_state())["standings"] == [pair]
        assert len(stats.snapshots) == len(valid) + 1

    @pytest.mark.parametrize("member", ["active", "completed"])
    @pytest.mark.parametrize("entry", INVALID_ENTRIES)
    def test_an_invalid_entry_stops_no_other_and_is_kept(self, member, entry) -> None:
        """As it is, until its registry is reported again."""
        id = "0" * 32
        state = SHARD | {member: {id: entry, **SHARD[member]}}
        stats = Stats.from_state(state)
        assert dict(stats.snapshots) == dict(Stats.from_state(SHARD).snapshots)
        assert [(each.id, type(each.error)) for each in stats.invalid_entries] == [
            (id, ValidationError)
        ]

        later = END + timedelta(hours=2)
        stats.record("e" * 32, Snapshot.of(open_registry(id="e" * 32), START), later)
        assert as_stored(stats.to_state())[member][id] == entry
        assert stored_by_1_0.ID not in stats.snapshots

        stats.record(id, Snapshot.of(open_registry(id=id), START), later)
        assert stats.snapshots[id].status == "open"
        assert stats.invalid_entries == []

    def test_invalid_entries_of_shards_add_up(self) -> None:
        """So that whoever reads all shards knows of them."""
        total = Stats()
        for state in (
            {"standings": [["a", {}]]},
            {"active": {"b": 5}},
            {"completed": {"c": None}},
        ):
            total += Stats.from_state(state)
        assert [each.id for each in total.invalid_entries] == ["a", "b", "c"]

    def test_snapshots_can_be_taken_out(self) -> None:
        """Whichever they are."""
        stats = Stats.from_state(SHARD)
        for id in list(stats.snapshots):
            del stats.snapshots[id]
        assert (stats.active, stats.completed) == ({}, {})
