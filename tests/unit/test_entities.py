import json
from typing import Any

import azure.durable_functions as df
import pytest
from registry.entities import STATS_SHARDS, registry_list, registry_stats, stats_entities, stats_entity

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPENING = {
    "openedAt": "2026-12-24T18:00:00.000Z",
    "closesAt": "2026-12-24T18:05:00.000Z",
    "maxItems": 2,
    "trace": TRACE,
}
ID = "00000013" + "a" * 24


class Entity:
    """An entity function with what the host keeps for it; each call is a batch."""

    def __init__(self, builder: Any) -> None:
        self.handle = builder._function.get_user_function()
        self.state: str | None = None
        self.exists = False

    def batch(self, *operations: tuple[str, Any]) -> list[dict[str, Any]]:
        batch = [
            {"name": name, "input": json.dumps(json.dumps(given)), "isSignal": False} for name, given in operations
        ]
        context = {"self": {"name": "e", "key": ID}, "exists": self.exists, "state": self.state, "batch": batch}
        after = json.loads(self.handle(json.dumps(context)))
        self.exists, self.state = after["entityExists"], after["entityState"]
        return after["results"]

    @property
    def items(self) -> list[list[str]]:
        return json.loads(self.state or "null")["items"]


@pytest.fixture
def gifts(clock) -> Entity:
    """An open list of two items at most."""
    entity = Entity(registry_list)
    entity.batch(("open", OPENING))
    return entity


def test_open_sets_the_times_once(gifts) -> None:
    """A repeated open, as a retry brings it, does not empty the list."""
    gifts.batch(("add", ["k1", "Bike", TRACE]))
    gifts.batch(("open", OPENING))
    assert gifts.items == [["k1", "Bike"]]


def test_adds_of_one_batch_all_count(gifts) -> None:
    """Each operation of a batch sees what the one before it did."""
    gifts.batch(
        ("add", ["k1", "Bike", TRACE]),
        ("add", ["k1", "Bike", TRACE]),
        ("add", ["k2", "Book", TRACE]),
        ("add", ["k3", "Ball", TRACE]),
    )
    assert gifts.items == [["k1", "Bike"], ["k2", "Book"]]


@pytest.mark.parametrize("operation", [("add", ["k1", "Bike", TRACE]), ("close", ["user", TRACE]), ("nonsense", None)])
def test_an_entity_that_was_not_opened_is_not_made(clock, operation) -> None:
    """Nobody creates state by guessing ids."""
    entity = Entity(registry_list)
    (dropped,) = entity.batch(operation)
    assert not dropped["isError"]
    assert not entity.exists


def test_adds_after_the_deadline_are_dropped(gifts, clock) -> None:
    """The list judges by its own clock, whenever the signal was sent."""
    clock.advance(minutes=5)
    gifts.batch(("add", ["k1", "Bike", TRACE]))
    assert gifts.items == []


def test_close_answers_with_the_final_count_and_is_final(gifts) -> None:
    """The count is that of the close; what comes after it changes nothing."""
    gifts.batch(("add", ["k1", "Bike", TRACE]))
    (closed, _) = gifts.batch(("close", ["user", TRACE]), ("add", ["k2", "Book", TRACE]))
    assert closed["result"] == "1"
    assert not closed["isError"]
    assert gifts.items == [["k1", "Bike"]]
    assert json.loads(gifts.state)["closedBy"] == "user"


def test_a_second_close_changes_nothing(gifts, caplog) -> None:
    """It has the same answer, and leaves no line."""
    caplog.set_level("INFO")
    results = gifts.batch(("add", ["k1", "Bike", TRACE]), ("close", ["user", TRACE]), ("close", ["timeout", TRACE]))
    assert [each["result"] for each in results[1:]] == ["1", "1"]
    assert json.loads(gifts.state)["closedBy"] == "user"
    assert [message.split()[0] for message in caplog.messages] == ["event=added", "event=closed"]


def test_an_unknown_operation_fails_and_changes_nothing(gifts) -> None:
    """The operation is named, and the rest of the batch goes on."""
    failed, _ = gifts.batch(("burn", None), ("add", ["k1", "Bike", TRACE]))
    assert failed["isError"]
    assert "RegistryList has no operation 'burn'" in failed["result"]
    assert gifts.items == [["k1", "Bike"]]


def test_stats_operations() -> None:
    """opened, observe and closed come to their counts."""
    entity = Entity(registry_stats)
    entity.batch(("observe", [ID, 9]), ("opened", [ID]), ("observe", [ID, 2]))
    assert json.loads(entity.state) == {
        "registries": 1,
        "closedItems": 0,
        "open": {ID: 2},
        "pending": [],
        "processing": {},
    }
    entity.batch(("closed", [ID, 3, "off"]), ("observe", [ID, 3]))
    assert json.loads(entity.state) == {
        "registries": 1,
        "closedItems": 3,
        "open": {},
        "pending": [],
        "processing": {"off": 1},
    }


def test_a_stats_operation_that_fails_changes_nothing() -> None:
    """Also where it fails half-way."""
    entity = Entity(registry_stats)
    entity.batch(("opened", [ID]), ("observe", [ID, 2]))
    before = entity.state
    (failed,) = entity.batch(("closed", [ID, None, "off"]))
    assert failed["isError"]
    assert entity.state == before


def test_an_unknown_stats_operation_fails() -> None:
    """The operation is named, and nothing is stored."""
    entity = Entity(registry_stats)
    (failed,) = entity.batch(("reset", []))
    assert "RegistryStats has no operation 'reset'" in failed["result"]
    assert not entity.exists


def test_each_registry_has_one_shard_of_the_stats() -> None:
    """The first eight digits choose the shard; all shards are read."""
    assert stats_entity(ID) == df.EntityId("RegistryStats", str(0x13 % STATS_SHARDS))
    assert len(stats_entities()) == STATS_SHARDS
    assert stats_entity("f" * 32) in stats_entities()
