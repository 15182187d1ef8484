"""Entities: one RegistryList for each registry, the only judge of what is in it, and RegistryStats
in shards.

Operations run one after the other. The SDK keeps what an operation has set although it fails
afterwards, and makes an entity exist that sets a result: so each sets the state once, at its end,
and has no result. It may be judged again after a crash, with another outcome: what came of it is
told by the state only.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import azure.durable_functions as df

from registry import clock, telemetry
from registry.clock import from_text
from registry.domain.registry import REMEMBERED, Item, Registry, Stats
from registry.durable.messages import stored, to_birth, to_registry, to_standing, to_stats

blueprint = df.Blueprint()

Message = dict[str, Any]
OPERATIONS: dict[str, Callable[[Registry, Message, datetime], None]] = {
    "open": lambda registry, message, now: registry.open(),
    "add": lambda registry, message, now: registry.add(Item(message["key"], message["text"]), now),
    "remove": lambda registry, message, now: registry.remove(message["key"], now),
    "close": lambda registry, message, now: registry.close(message["by"], now),
    "send_again": lambda registry, message, now: registry.send_again(message["number"], now),
    "delivered": lambda registry, message, now: registry.delivered(
        message["number"], message["outcome"]
    ),
}
EVENTS = dict(
    zip(OPERATIONS, ("opened", "added", "removed", "closed", "asked", "sent"), strict=True)
)
"""What is logged of an operation that changes something, unless it has closed or filled the
registry.
"""


@blueprint.entity_trigger(context_name="context", entity_name="RegistryList")
def registry_list(context: df.DurableEntityContext) -> None:
    """The operations that `names` has messages for. Each change leaves its line in the log.

    `open` makes a registry, and so does a `close` that comes before it: a closed, empty one, which
    is not sent. Nothing else does: nobody creates state by guessing ids, or by a message from
    before it was forgotten.
    """
    id, operation, now = context.entity_key, context.operation_name, clock.utc_now()
    state, message = (
        context.get_state(),
        context.get_input(expected_type=dict),
    )  # "" or null is what a failure leaves
    if operation not in OPERATIONS:
        raise ValueError(f"RegistryList has no operation {operation!r}")
    if state:
        registry = to_registry(state, id)
    elif operation in ("open", "close") and now - from_text(message["sent_at"]) <= REMEMBERED:
        registry = Registry.announced(to_birth(message["birth"]))
        registry.processing = registry.processing if operation == "open" else "off"
    else:
        return
    before = replace(registry)
    OPERATIONS[operation](registry, message, now)
    if registry.revision != before.revision:
        context.set_state(stored(registry))
        has_closed, has_filled = (
            registry.is_closed > before.is_closed,
            registry.is_full > before.is_full,
        )
        event = "closed" if has_closed else "filled" if has_filled else EVENTS[operation]
        details: dict[str, object] = {"by": registry.closed_by} if has_closed else {}
        details |= {"outcome": registry.processing} if event == "sent" else {}
        telemetry.record(event, id, message["trace"], items=len(registry.items), **details)


@blueprint.entity_trigger(context_name="context", entity_name="RegistryStats")
def registry_stats(context: df.DurableEntityContext) -> None:
    """`observe`, with where a registry stands."""
    if context.operation_name != "observe":
        raise ValueError(f"RegistryStats has no operation {context.operation_name!r}")
    state, message = context.get_state(), context.get_input(expected_type=dict)
    stats = to_stats(state) if state else Stats()
    stats.observe(message["id"], to_standing(message["standing"]), clock.utc_now())
    context.set_state(stored(stats))
