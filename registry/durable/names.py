"""Names and ids in the task hub.

The words of Durable Functions, as this app uses them:

task hub         the storage that holds everything below
orchestrator     a function that says what happens in which order; it is replayed, so it does no I/O
instance         one run of an orchestrator, with an id
activity         a function that an orchestrator calls, and that may do I/O; it may run twice
entity           a small state with a key; its operations run one after the other
operation        what an entity can do; it is asked for by a message
signal           a message to an entity, without an answer
external event   a message to an instance that waits for it
durable timer    a time at which an instance goes on, also after a restart
history          what an instance has done so far; a replay follows it
client           what functions use to start instances, signal entities and read their state

A task hub outlives the code that writes to it. So the values below, and the member names in
`messages` and `domain`, are those of 1.0: two versions can work on one task hub, also after a
roll-back.
"""

import azure.durable_functions as df

REGISTRY_ORCHESTRATOR = "RegistryOrchestration"
"""Waits for the close of a registry. Its instance has the registry's id."""
CLOSE_EVENT = "finish"
CLOSE_REGISTRY = "settle"
"""The activity `close_registry`."""

DELIVERY_ORCHESTRATOR = "DeliveryOrchestration"
"""Delivers a closed registry to the processing webhook."""
ATTEMPT_DELIVERY = "send"
"""The activity `attempt_delivery`."""

REGISTRY_LIST = "RegistryList"
REGISTRY_STATS = "RegistryStats"
STATS_SHARDS = 16
"""How many entities share the counts: one handles only some tens of operations a second."""


def delivery_instance(id: str) -> str:
    """The id of the instance that delivers a registry. There is one at a time."""
    return f"{id}-delivery"


def list_entity(id: str) -> df.EntityId:
    """The entity that holds a registry."""
    return df.EntityId(REGISTRY_LIST, id)


def stats_entity(id: str) -> df.EntityId:
    """The shard of the stats that counts a registry. Its id is 32 hex digits."""
    return df.EntityId(REGISTRY_STATS, str(int(id[:8], 16) % STATS_SHARDS))


def stats_entities() -> list[df.EntityId]:
    """All shards of the stats."""
    return [df.EntityId(REGISTRY_STATS, str(shard)) for shard in range(STATS_SHARDS)]
