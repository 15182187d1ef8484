import azure.durable_functions as df

from registry.durable import names
from registry.durable.names import (
    STATS_SHARDS,
    delivery_instance,
    list_entity,
    stats_entities,
    stats_entity,
)
from tests.support.registries import ID

SHARD_3 = "00000013" + "a" * 24


def test_names_in_the_task_hub_do_not_change() -> None:
    """They are those of 1.0: a task hub stays when the code is replaced."""
    assert names.REGISTRY_ORCHESTRATOR == "RegistryOrchestration"
    assert names.DELIVERY_ORCHESTRATOR == "DeliveryOrchestration"
    assert names.CLOSE_EVENT == "finish"
    assert names.CLOSE_REGISTRY == "settle"
    assert names.ATTEMPT_DELIVERY == "send"


def test_a_registry_has_a_list_and_a_delivery_of_its_own() -> None:
    """Their ids are made of its id."""
    assert list_entity(ID) == df.EntityId("RegistryList", ID)
    assert delivery_instance(ID) == f"{ID}-delivery"


def test_each_registry_is_counted_by_one_shard_of_the_stats() -> None:
    """The first eight digits of the id choose the shard, and all shards are read."""
    assert stats_entity(SHARD_3) == df.EntityId("RegistryStats", str(0x13 % STATS_SHARDS))
    assert stats_entity("f" * 32) in stats_entities()
    assert len({entity.key for entity in stats_entities()}) == STATS_SHARDS == 16
