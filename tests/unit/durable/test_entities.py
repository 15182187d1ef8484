import json
from datetime import timedelta

import pytest

from registry.domain.registry import Standing
from registry.durable.entities import registry_list, registry_stats
from registry.durable.messages import dump, to_registry, to_stats
from tests.clock import START
from tests.unit.fake_client import ID, TRACE, Entity, born

BIKE = {"key": "k1", "text": "Bike"}
BOOK = {"key": "k2", "text": "Book"}


def message(sent_at: str = "2026-12-24T18:00:00.000Z", **content: object) -> dict[str, object]:
    return {"v": 1, "trace": TRACE, "sent_at": sent_at, **content}


def opening(**changes: object) -> tuple[str, object]:
    return "open", message(birth=dump(born(**changes)))


def closing(by: str) -> tuple[str, object]:
    return "close", message(birth=dump(born(is_sent=True)), by=by)


def add(item: dict[str, str]) -> tuple[str, object]:
    return "add", message(**item)


OTHERS = [add(BIKE), ("remove", message(key="k1")), ("send_again", message(number=2))]
OTHERS += [("delivered", message(number=1, outcome="delivered"))]


@pytest.fixture
def gifts(clock) -> Entity:
    """An open, empty list."""
    entity = Entity(registry_list)
    entity.batch(opening(is_sent=True))
    return entity


def held(entity: Entity):
    return to_registry(entity.read(), ID)


def results(entity: Entity, *operations: tuple[str, object]) -> list[object]:
    """Results of operations, none of which fails."""
    done = entity.batch(*operations)
    assert not any(each["isError"] for each in done), done
    return [each["result"] for each in done]


def test_an_open_makes_an_open_and_empty_registry_once(gifts) -> None:
    """A repeated open changes nothing, also after gifts have come."""
    assert held(gifts).birth == born(is_sent=True)
    assert (held(gifts).items, held(gifts).is_closed, held(gifts).revision) == ({}, False, 1)
    results(gifts, add(BIKE), opening(is_sent=True))
    assert held(gifts).items == {"k1": "Bike"}


def test_operations_have_no_result(gifts) -> None:
    """A reply may leave before its commit: nobody can be tempted to trust it."""
    assert results(gifts, add(BIKE), *OTHERS, closing("user")) == [json.dumps(None)] * 6


def test_adds_of_one_batch_all_count_once(gifts) -> None:
    """Each operation of a batch sees what the one before it did."""
    results(
        gifts,
        add(BIKE),
        add(BIKE),
        add(BOOK),
        add({"key": "k3", "text": "Ball"}),
        add({"key": "k4", "text": "X"}),
    )
    assert held(gifts).items == {"k1": "Bike", "k2": "Book", "k3": "Ball"}
    assert held(gifts).is_full


def test_a_removed_gift_stays_away(gifts) -> None:
    """Also if its add comes after the removal."""
    results(
        gifts,
        add(BIKE),
        ("remove", message(key="k1")),
        ("remove", message(key="k2")),
        add(BIKE),
        add(BOOK),
    )
    assert (held(gifts).items, held(gifts).removed) == ({}, ["k1", "k2"])


def test_a_close_by_the_user_is_final(gifts, clock) -> None:
    """The first close wins; nothing changes what was closed."""
    clock.advance(seconds=10)
    results(gifts, add(BIKE), closing("user"))
    closed = gifts.state
    assert (held(gifts).closed_by, held(gifts).closed_at) == ("user", START + timedelta(seconds=10))
    clock.advance(minutes=5)
    results(
        gifts,
        closing("timeout"),
        closing("user"),
        add(BOOK),
        ("remove", message(key="k1")),
        opening(),
    )
    assert gifts.state == closed


def test_a_close_by_time_is_judged_by_the_clock_of_the_list(gifts, clock) -> None:
    """It is refused before its time, whoever asks; a finish that comes later is a time-out."""
    results(gifts, closing("timeout"))
    assert not held(gifts).is_closed
    clock.advance(minutes=5)
    results(gifts, closing("user"))
    assert (held(gifts).closed_by, held(gifts).closed_at) == ("timeout", born().closes_at)


def test_a_change_that_comes_after_the_time_closes(gifts, clock) -> None:
    """It is not made, whenever it was sent."""
    clock.advance(minutes=5)
    results(gifts, add(BIKE))
    assert (held(gifts).items, held(gifts).closed_by) == ({}, "timeout")


def test_a_delivery_is_recorded_and_begun_again_by_its_number(gifts, clock) -> None:
    """What comes of another delivery than that under way changes nothing."""
    results(
        gifts, ("send_again", message(number=2)), closing("user"), ("send_again", message(number=2))
    )
    assert (held(gifts).processing, held(gifts).sends) == ("pending", 1)
    results(gifts, ("delivered", message(number=2, outcome="failed")))
    assert held(gifts).processing == "pending"
    results(gifts, ("delivered", message(number=1, outcome="failed")))
    assert held(gifts).processing == "failed"
    results(gifts, ("send_again", message(number=2)), ("send_again", message(number=2)))
    again = held(gifts)
    assert (again.processing, again.sends, again.asked_at, again.previous) == (
        "pending",
        2,
        START,
        "failed",
    )
    results(gifts, ("delivered", message(number=1, outcome="failed")))
    assert held(gifts).processing == "pending"
    results(
        gifts,
        ("delivered", message(number=2, outcome="delivered")),
        ("send_again", message(number=3)),
    )
    assert (held(gifts).processing, held(gifts).sends) == ("delivered", 2)
    clock.advance(minutes=1)
    results(gifts, ("send_again", message(number=3)))
    assert (held(gifts).processing, held(gifts).sends) == ("pending", 3)


@pytest.mark.parametrize("operation", [*OTHERS, closing("timeout")], ids=lambda each: each[0])
def test_what_was_not_opened_is_not_made(clock, operation) -> None:
    """Nobody creates state by guessing ids; a close before its time makes nothing either."""
    entity = Entity(registry_list)
    results(entity, operation)
    assert not entity.exists
    assert entity.read() is None


@pytest.mark.parametrize("by", ["user", "timeout"])
def test_a_close_before_the_open_makes_a_closed_registry_that_is_not_sent(clock, by) -> None:
    """The open that comes afterwards, and adds, change nothing."""
    if by == "timeout":
        clock.advance(minutes=5)
    entity = Entity(registry_list)
    results(entity, closing(by))
    registry = held(entity)
    assert (registry.closed_by, registry.processing, registry.items, registry.revision) == (
        by,
        "off",
        {},
        1,
    )
    closed = entity.state
    results(entity, opening(is_sent=True), add(BIKE))
    assert entity.state == closed


@pytest.mark.parametrize("operation", [opening(), closing("user"), closing("timeout")])
def test_old_messages_for_a_list_that_is_not_there_are_ignored(clock, operation) -> None:
    """An hour after they were sent it may have been forgotten: then it stays so."""
    clock.advance(hours=1, milliseconds=1)
    entity = Entity(registry_list)
    results(entity, operation)
    assert not entity.exists


def test_messages_of_an_hour_still_make_a_list(clock) -> None:
    """So long may a task hub take."""
    clock.advance(hours=1)
    entity = Entity(registry_list)
    results(entity, opening())
    assert held(entity).birth == born()


def test_old_messages_for_a_list_that_is_there_count(gifts, clock) -> None:
    """Only what is not there can have been forgotten."""
    clock.advance(hours=2)
    results(gifts, closing("timeout"))
    assert held(gifts).is_closed


def test_a_list_that_was_deleted_begins_anew(clock) -> None:
    """What the task hub keeps of it is no state."""
    entity = Entity(registry_list)
    entity.exists, entity.state = True, json.dumps("")
    results(entity, add(BIKE), opening())
    assert (held(entity).birth, held(entity).items) == (born(), {})


@pytest.mark.parametrize(
    "broken", [("burn", message()), ("add", message(key="k2")), ("add", None), ("add", ["k2", "x"])]
)
def test_an_operation_that_fails_changes_nothing(gifts, broken) -> None:
    """Neither one that is not known nor one whose message is of another form; the rest of the batch
    goes on.
    """
    failed, done = gifts.batch(broken, add(BIKE))
    assert failed["isError"]
    assert not done["isError"]
    assert (held(gifts).items, held(gifts).revision) == ({"k1": "Bike"}, 2)


def test_an_unknown_operation_is_named(clock) -> None:
    """It makes no state."""
    entity = Entity(registry_list)
    (failed,) = entity.batch(("burn", message()))
    assert failed["isError"]
    assert "RegistryList has no operation 'burn'" in failed["result"]
    assert not entity.exists


def test_the_lists_of_older_versions_are_read_and_go_on(clock) -> None:
    """Their members have other names; the items were pairs there too."""
    entity = Entity(registry_list)
    state = {
        "openedAt": "2026-12-24T18:00:00.000Z",
        "closesAt": "2026-12-24T18:05:00.000Z",
        "maxItems": 3,
    }
    entity.exists, entity.state = (
        True,
        json.dumps(state | {"items": [["k1", "Bike"]], "closedAt": None}),
    )
    results(entity, add(BOOK), closing("user"))
    assert held(entity).items == {"k1": "Bike", "k2": "Book"}
    assert held(entity).closed_by == "user"


def test_each_change_leaves_its_line(clock, caplog) -> None:
    """With the first eight digits of the id, which is a capability, and without the items; no
    change, no line.
    """
    caplog.set_level("INFO")
    entity = Entity(registry_list)
    entity.batch(
        opening(is_sent=True, max_items=1), opening(), add(BIKE), add(BIKE), add(BOOK), add(BOOK)
    )
    entity.batch(("remove", message(key="k1")), closing("user"), closing("timeout"))
    entity.batch(
        ("delivered", message(number=1, outcome="failed")), ("send_again", message(number=2))
    )
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


def test_a_change_that_closes_says_so(gifts, clock, caplog) -> None:
    """An add that comes late is a close in the log."""
    caplog.set_level("INFO")
    clock.advance(minutes=5)
    gifts.batch(add(BIKE))
    assert caplog.messages == [f"event=closed registry=01234567 items=0 by=timeout trace={TRACE}"]


def observing(**changes: object) -> tuple[str, object]:
    standing = Standing(
        **{"revision": 1, "items": 0, "phase": "open", "due": born().closes_at, "birth": born()}
        | changes
    )
    return "observe", message(id=ID, standing=dump(standing))


def test_the_stats_count_where_registries_stand(clock) -> None:
    """The latest revision counts, in any order, however often it comes."""
    entity = Entity(registry_stats)
    closed = observing(revision=4, items=2, phase="off", closed_at=START)
    results(
        entity,
        observing(),
        observing(revision=3, items=3),
        observing(revision=2, items=2),
        observing(),
    )
    stats = to_stats(entity.read())
    assert (stats.items, dict(stats.phases), stats.standings[ID].birth) == (3, {"open": 1}, born())
    results(entity, closed, observing(revision=3, items=3), closed)
    stats = to_stats(entity.read())
    assert (stats.items, +stats.phases) == (2, {"off": 1})


def test_the_stats_forget_by_the_clock_of_their_entity(clock) -> None:
    """What has been at rest for an hour is counted, and no longer listed."""
    entity = Entity(registry_stats)
    results(entity, observing(revision=2, phase="off", closed_at=START))
    clock.advance(hours=1, seconds=1)
    other = "f" * 32
    results(entity, ("observe", observing()[1] | {"id": other}))
    stats = to_stats(entity.read())
    assert list(stats.standings) == [other]
    assert stats.phases.total() == 2


def test_a_stats_operation_that_fails_changes_nothing(clock) -> None:
    """An unknown one is named, and makes no state; one with a broken message leaves what there was."""
    entity = Entity(registry_stats)
    (failed,) = entity.batch(("reset", message()))
    assert "RegistryStats has no operation 'reset'" in failed["result"]
    assert not entity.exists
    results(entity, observing())
    before = entity.state
    failed, other = entity.batch(
        ("observe", message(id=ID, standing={"birth": None})), ("opened", [ID])
    )
    assert failed["isError"]
    assert other["isError"]
    assert entity.state == before
