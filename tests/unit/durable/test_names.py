import json

import azure.durable_functions as df
import pytest

from registry.durable.messages import dump
from registry.durable.names import (
    STATS_SHARDS,
    birth_of,
    delivery_instance,
    list_entity,
    stats_entities,
    stats_entity,
)
from tests.unit.fake_client import ID, born

SHARD_3 = "00000013" + "a" * 24


def test_a_registry_has_a_list_and_a_delivery_of_its_own() -> None:
    """Their ids are made of its id."""
    assert list_entity(ID) == df.EntityId("RegistryList", ID)
    assert delivery_instance(ID) == f"{ID}-delivery"


def test_each_registry_is_counted_by_one_shard_of_the_stats() -> None:
    """The first eight digits of the id choose the shard, and all shards are read."""
    assert stats_entity(SHARD_3) == df.EntityId("RegistryStats", str(0x13 % STATS_SHARDS))
    assert stats_entity("f" * 32) in stats_entities()
    assert len({entity.key for entity in stats_entities()}) == STATS_SHARDS == 16


@pytest.mark.parametrize("as_text", [True, False])
def test_the_birth_is_read_from_the_input_of_a_life(as_text) -> None:
    """The management API shows an input that the SDK has sent as a text of JSON."""
    birth = born(is_sent=True)
    input = {"v": 1, "trace": "", "sent_at": "", "birth": json.loads(json.dumps(dump(birth)))}
    assert birth_of(ID, json.dumps(input) if as_text else input) == birth


def test_the_birth_is_read_from_inputs_of_older_versions() -> None:
    """They are flat, and do not name the id; 5df348e had no deliveries and no trace."""
    oldest = {
        "openedAt": "2026-12-24T18:00:00.000Z",
        "closesAt": "2026-12-24T18:05:00.000Z",
        "maxItems": 3,
    }
    oldest |= {"items": [], "closedAt": None, "closedBy": None}
    assert birth_of(ID, oldest) == born()
    newer = oldest | {"processing": "pending", "backoff": [1, 600, 7200], "trace": "a" * 32}
    birth = birth_of(ID, json.dumps(newer))
    assert birth == born(is_sent=True, backoff=birth.backoff)
    assert tuple(birth.backoff) == (1, 600, 7200)
