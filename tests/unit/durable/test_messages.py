import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.clock import to_text
from registry.domain.registry import (
    BACKOFF,
    Backoff,
    Birth,
    ClosedBy,
    Item,
    Phase,
    Processing,
    Registry,
    Standing,
    Stats,
)
from registry.durable.messages import (
    LONG_AGO,
    VERSION,
    dump,
    shown,
    stored,
    to_birth,
    to_registry,
    to_standing,
    to_stats,
)
from tests.clock import START

ID = "0123456789abcdef0123456789abcdef"
END = START + timedelta(minutes=5)

moments = st.integers(0, 10**12).map(
    lambda milliseconds: LONG_AGO + timedelta(milliseconds=milliseconds)
)
numbers = st.integers(0, 1000)
texts = st.text(st.characters(exclude_categories=["Cs"]))
backoffs = st.builds(Backoff, numbers, numbers, numbers)
births = st.builds(Birth, texts, moments, moments, numbers, st.booleans(), backoffs)
processings = st.sampled_from(get_args(Processing))
registries = st.builds(
    Registry,
    births,
    items=st.dictionaries(texts, texts, max_size=3),
    removed=st.lists(texts, max_size=3),
    is_full=st.booleans(),
    closed_at=st.none() | moments,
    closed_by=st.none() | st.sampled_from(get_args(ClosedBy)),
    processing=processings,
    sends=numbers,
    asked_at=st.none() | moments,
    previous=st.none() | processings,
    revision=numbers,
)
phases = st.sampled_from(["open", *get_args(Processing)])
standings = st.builds(
    Standing,
    numbers,
    st.none() | numbers,
    phases,
    moments,
    birth=st.none() | births,
    closed_at=st.none() | moments,
    previous=st.none() | phases,
)
all_stats = st.builds(
    Stats,
    numbers,
    st.dictionaries(phases, st.integers(-5, 1000)).map(Counter),
    st.dictionaries(texts, standings, max_size=3),
)


def read_back(state: dict) -> dict:
    """The state as it comes back from the task hub."""
    return json.loads(json.dumps(state))


@given(registries)
def test_a_registry_reads_back(registry) -> None:
    """Whatever is in it, in order."""
    read = to_registry(read_back(stored(registry)), registry.birth.id)
    assert read == registry
    assert list(read.items) == list(registry.items)


@given(births)
def test_a_birth_reads_back(birth) -> None:
    """As messages and inputs carry it."""
    assert to_birth(read_back(dump(birth))) == birth


@given(standings)
def test_a_standing_reads_back(standing) -> None:
    """As messages carry it."""
    assert to_standing(read_back(dump(standing))) == standing


@given(all_stats)
def test_stats_read_back(stats) -> None:
    """A shard with all that it knows."""
    assert to_stats(read_back(stored(stats))) == stats


def test_states_have_their_version() -> None:
    """By it a later version knows how to read them."""
    assert (
        stored(Registry.announced(Birth(ID, START, END, 1)))["v"] == stored(Stats())["v"] == VERSION
    )


def test_texts_name_no_member() -> None:
    """Keys and ids come from outside: they are values in what is stored, never names."""
    registry = Registry(Birth(ID, START, END, 1), {"__class__": "x"})
    stats = Stats(0, Counter(), {"__class__": Standing(1, 0, "open", END)})
    assert stored(registry)["items"] == [["__class__", "x"]]
    assert stored(stats)["standings"][0][0] == "__class__"


def test_what_is_read_shares_nothing_with_the_state() -> None:
    """An operation that fails has changed nothing of what it was given."""
    state = read_back(stored(Registry.announced(Birth(ID, START, END, 1))))
    kept = json.dumps(state)
    registry = to_registry(state, ID)
    registry.items["k"] = "Bike"
    assert json.dumps(state) == kept


FIRST = {"openedAt": to_text(START), "closesAt": to_text(END), "maxItems": 7}
"""What a list stored in the first version, and what its life had for input."""


def test_an_open_list_of_the_first_version() -> None:
    """It was sent nowhere, and its revision counts what happened to it."""
    registry = to_registry(
        FIRST | {"items": [["k1", "Bike"], ["k2", "Book"]], "closedAt": None, "closedBy": None}, ID
    )
    assert registry == Registry(Birth(ID, START, END, 7), {"k1": "Bike", "k2": "Book"}, revision=4)


def test_a_closed_list_of_the_first_version() -> None:
    """Who closed it and when stays as it was."""
    registry = to_registry(
        FIRST | {"items": [["k1", "Bike"]], "closedAt": to_text(START), "closedBy": "user"}, ID
    )
    assert (registry.closed_at, registry.closed_by, registry.processing) == (START, "user", "off")


def test_a_list_as_the_first_version_opened_it() -> None:
    """What a new registry does not have may be missing."""
    assert to_registry(FIRST, ID) == Registry(Birth(ID, START, END, 7), revision=2)


@pytest.mark.parametrize("processing", get_args(Processing))
def test_a_list_of_the_second_version(processing) -> None:
    """It was sent unless its processing was off; what had become of that is kept."""
    closed = {
        "items": [],
        "closedAt": to_text(END),
        "closedBy": "timeout",
        "processing": processing,
    }
    registry = to_registry(FIRST | closed, ID)
    birth = Birth(ID, START, END, 7, is_sent=processing != "off")
    assert registry == Registry(
        birth, {}, closed_at=END, closed_by="timeout", processing=processing, revision=2
    )


def test_the_input_of_a_life_of_the_second_version() -> None:
    """The backoff is that of its open."""
    life = FIRST | {
        "items": [],
        "closedAt": None,
        "closedBy": None,
        "processing": "pending",
        "backoff": [1, 2, 3],
    }
    assert to_birth(life, ID) == Birth(ID, START, END, 7, True, Backoff(1, 2, 3))
    assert to_birth(FIRST, ID).backoff == BACKOFF


def test_a_list_of_an_older_version_goes_on() -> None:
    """It is stored in today's form with its next change."""
    registry = to_registry(FIRST | {"items": [["k1", "Bike"]], "processing": "pending"}, ID)
    registry.close("user", START)
    assert to_registry(read_back(stored(registry)), ID) == registry
    assert registry.revision == 4


NOW = datetime(2027, 1, 1, tzinfo=UTC)
OPEN, PENDING = (
    Birth("o", NOW, NOW + timedelta(minutes=5), 9, True),
    Birth("p", START, END, 9, True),
)
DELIVERED = Registry(
    PENDING, dict.fromkeys("ab", "x"), closed_at=END, closed_by="timeout", processing="delivered"
)
Counts = tuple[int, dict[Phase, int]]


def counts(stats: Stats) -> Counts:
    return stats.items, {phase: count for phase, count in stats.phases.items() if count}


def first(registries: int, closed_items: int, open: dict[str, int]) -> dict:
    """What a shard stored in the first version."""
    return {"registries": registries, "closedItems": closed_items, "open": open}


def second(
    registries: int, closed_items: int, open: dict[str, int], ids: list[str], **processing: int
) -> dict:
    """What a shard stored in the second version."""
    return first(registries, closed_items, open) | {"pending": ids, "processing": processing}


@pytest.mark.parametrize(
    ("state", "read", "healed"),
    [
        pytest.param(first(0, 0, {}), (0, {}), (5, {"open": 1, "delivered": 1}), id="nothing"),
        pytest.param(
            first(5, 6, {"o": 2, "p": 1}),
            (9, {"open": 2, "off": 3}),
            (11, {"open": 1, "delivered": 1, "off": 3}),
            id="the first version",
        ),
        pytest.param(
            second(9, 10, {"o": 3}, ["p"], off=1, delivered=3, failed=2),
            (13, {"open": 1, "pending": 1, "off": 2, "delivered": 3, "failed": 2}),
            (13, {"open": 1, "off": 2, "delivered": 4, "failed": 2}),
            id="the second version, after the first",
        ),
        pytest.param(
            second(3, 5, {"o": 3, "p": 1}, ["p"], pending=-1, failed=1),
            (9, {"open": 1, "pending": 1, "failed": 1}),
            (10, {"open": 1, "delivered": 1, "failed": 1}),
            id="sent again while it counted as open",
        ),
        pytest.param(
            second(2, 0, {"o": 3, "p": 1}, [], pending=-1, delivered=1),
            (4, {"open": 2}),
            (5, {"open": 1, "delivered": 1}),
            id="sent again and delivered while it counted as open",
        ),
        pytest.param(
            second(3, 5, {"o": 3}, ["p"], pending=-1, failed=2),
            (8, {"open": 1, "pending": 1, "failed": 1}),
            (8, {"open": 1, "delivered": 1, "failed": 1}),
            id="sent again and given up, and closed after that",
        ),
        pytest.param(
            second(4, 5, {"o": 3, "p": 0}, ["p"], off=1),
            (8, {"open": 1, "pending": 1, "off": 2}),
            (10, {"open": 1, "delivered": 1, "off": 2}),
            id="sent again by an app that sent nothing when it was opened",
        ),
    ],
)
def test_shards_of_older_versions(state, read, healed) -> None:
    """They count each registry once, and what is heard of those that were not at rest brings them
    up to date.
    """
    stats = to_stats(read_back(state))
    assert counts(stats) == read
    assert all(each.due == LONG_AGO and each.birth is None for each in stats.standings.values())
    p = replace(DELIVERED, revision=9) if stats.standings else replace(DELIVERED, closed_at=NOW)
    for id, registry in (("o", Registry(OPEN, dict.fromkeys("abc", "x"), revision=4)), ("p", p)):
        stats.observe(id, Standing.of(registry, NOW), NOW)
    assert counts(stats) == healed
    assert to_stats(read_back(stored(stats))) == stats


SHOWN = Birth(ID, START, END, 500)


def test_a_registry_as_people_see_it() -> None:
    """Items are their texts, in order; keys stay with those who added them, and removed items are
    not shown.
    """
    registry = Registry.announced(SHOWN)
    for key, text in (("k1", "Bike"), ("k2", "<b>"), ("k3", "Bike")):
        registry.add(Item(key, text), START)
    registry.remove("k1", START)
    assert shown(registry, START) == {
        "status": "Open",
        "registry": {
            "id": SHOWN.id,
            "items": ["<b>", "Bike"],
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "closedAt": None,
            "closedBy": None,
            "processing": "off",
        },
    }


def test_a_closed_registry() -> None:
    """It shows who closed it, and when, whatever the time is now."""
    registry = Registry.announced(replace(SHOWN, is_sent=True))
    registry.close("user", START)
    for now in (START, END):
        told = shown(registry, now)
        assert told["status"] == "Closed"
        assert (told["registry"]["closedAt"], told["registry"]["closedBy"]) == (
            "2026-12-24T18:00:00.000Z",
            "user",
        )
        assert told["registry"]["processing"] == "pending"


@pytest.mark.parametrize(
    ("early", "status"), [(timedelta(milliseconds=1), "Open"), (timedelta(), "Closing")]
)
def test_a_registry_whose_time_is_up(early, status) -> None:
    """It is not Closed before its close is on record, and no longer Open."""
    told = shown(Registry.announced(SHOWN), END - early)
    assert (told["status"], told["registry"]["closedAt"]) == (status, None)
