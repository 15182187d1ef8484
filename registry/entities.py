"""Entities: one RegistryList for each registry, the judge of what is in it, and RegistryStats in shards.

The SDK gives an operation the state as its predecessor in the batch left it, also when that one failed, and
`set_result` makes an entity exist. So each operation here sets state and result only where it succeeds.
"""

from collections.abc import Callable

import azure.durable_functions as df

from registry import clock
from registry.model import Item, Registry, State, Stats

blueprint = df.Blueprint()

STATS_SHARDS = 16
"""How many entities share the global counts, because one handles only some tens of operations a second."""


def list_entity(id: str) -> df.EntityId:
    """The entity that holds the registry `id`."""
    return df.EntityId("RegistryList", id)


def stats_entity(id: str) -> df.EntityId:
    """The shard of the stats that counts the registry `id` (32 hex digits)."""
    return df.EntityId("RegistryStats", str(int(id[:8], 16) % STATS_SHARDS))


def stats_entities() -> list[df.EntityId]:
    """All shards of the stats."""
    return [df.EntityId("RegistryStats", str(shard)) for shard in range(STATS_SHARDS)]


@blueprint.entity_trigger(context_name="context", entity_name="RegistryList")
def registry_list(context: df.DurableEntityContext) -> None:
    """`open` with the times; `add` with [key, text]; `close` with who, whose result is the final count."""
    state: State | None = context.get_state(expected_type=dict)
    if context.operation_name == "open":
        if state is None:
            context.set_state(Registry.from_state(context.get_input(expected_type=dict)).to_state())
        return
    if state is None:
        return  # never opened: nobody creates state by guessing ids
    registry = Registry.from_state(state)
    if context.operation_name == "add":
        registry.add(Item(*context.get_input(expected_type=list)), clock.utc_now())
    elif context.operation_name == "close":
        registry.close(context.get_input(expected_type=str), clock.utc_now())
        context.set_result(len(registry.items))
    else:
        raise ValueError(f"RegistryList has no operation {context.operation_name!r}")
    context.set_state(registry.to_state())


@blueprint.entity_trigger(context_name="context", entity_name="RegistryStats")
def registry_stats(context: df.DurableEntityContext) -> None:
    """`opened` with [id]; `observe` and `closed` with [id, count]."""
    state: State | None = context.get_state(expected_type=dict)
    stats = Stats() if state is None else Stats.from_state(state)
    operations: dict[str, Callable[..., None]] = {
        "opened": stats.opened,
        "observe": stats.observe,
        "closed": stats.closed,
    }
    if context.operation_name not in operations:
        raise ValueError(f"RegistryStats has no operation {context.operation_name!r}")
    operations[context.operation_name](*context.get_input(expected_type=list))
    context.set_state(stats.to_state())
