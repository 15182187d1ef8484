"""Entities: one RegistryList for each registry, the judge of what is in it, and RegistryStats in shards.

The SDK gives an operation the state as its predecessor in the batch left it, also when that one failed, and
`set_result` makes an entity exist. So each operation here sets state and result only where it succeeds.
"""

from collections.abc import Callable

import azure.durable_functions as df

from registry import clock, telemetry
from registry.model import Item, Registry, State, Stats
from registry.times import to_text

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
    """`open` with the orchestration's input; `add` with [key, text, trace]; `close` with [by, trace], whose result is
    the final count; `send_again`, whose result is what had become of the delivery; `processed` with [outcome, trace].

    Every change leaves its line in the log here, where it happens.
    """
    id: str = context.entity_key
    state: State | None = context.get_state(expected_type=dict)
    if context.operation_name == "open":
        if state is None:
            _open(context, id, context.get_input(expected_type=dict))
        return
    if state is None:
        return  # never opened, or forgotten: nobody creates state by guessing ids
    operations: dict[str, Callable[..., None]] = {
        "add": _add,
        "close": _close,
        "send_again": _send_again,
        "processed": _processed,
    }
    if context.operation_name not in operations:
        raise ValueError(f"RegistryList has no operation {context.operation_name!r}")
    registry = Registry.from_state(state)
    operations[context.operation_name](context, id, registry)
    context.set_state(registry.to_state())


def _open(context: df.DurableEntityContext, id: str, opening: State) -> None:
    registry = Registry.from_state(opening)
    context.set_state(registry.to_state())
    telemetry.record("opened", id, opening["trace"], closesAt=to_text(registry.closes_at))


def _add(context: df.DurableEntityContext, id: str, registry: Registry) -> None:
    key, text, trace = context.get_input(expected_type=list)
    if registry.add(Item(key, text), clock.utc_now()) == "added":
        telemetry.record("added", id, trace, items=len(registry.items))


def _close(context: df.DurableEntityContext, id: str, registry: Registry) -> None:
    by, trace = context.get_input(expected_type=list)
    was_closed = registry.is_closed
    registry.close(by, clock.utc_now())
    context.set_result(len(registry.items))
    if not was_closed:
        telemetry.record("closed", id, trace, by=registry.closed_by, items=len(registry.items))


def _send_again(context: df.DurableEntityContext, id: str, registry: Registry) -> None:
    context.set_result(registry.send_again(clock.utc_now()))


def _processed(context: df.DurableEntityContext, id: str, registry: Registry) -> None:
    outcome, trace = context.get_input(expected_type=list)
    registry.processed(outcome)
    telemetry.record("sent", id, trace, outcome=outcome)


@blueprint.entity_trigger(context_name="context", entity_name="RegistryStats")
def registry_stats(context: df.DurableEntityContext) -> None:
    """The methods of Stats of these names, with their arguments as a list."""
    state: State | None = context.get_state(expected_type=dict)
    stats = Stats() if state is None else Stats.from_state(state)
    operations: dict[str, Callable[..., None]] = {
        "opened": stats.opened,
        "observe": stats.observe,
        "closed": stats.closed,
        "sent_again": stats.sent_again,
        "processed": stats.processed,
    }
    if context.operation_name not in operations:
        raise ValueError(f"RegistryStats has no operation {context.operation_name!r}")
    operations[context.operation_name](*context.get_input(expected_type=list))
    context.set_state(stats.to_state())
