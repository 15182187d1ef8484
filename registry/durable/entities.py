"""Entities: one RegistryList for each registry, which alone decides, and RegistryStats in shards.

Operations run one after the other. An operation sets the state once, at its end, and returns
nothing: the SDK keeps a state although its operation fails afterwards, and a result alone makes an
entity exist. After a crash an operation may run again, with another outcome; so callers read the
outcome from the state.

What is invalid, a message or a stored state, is logged and left alone. It stops nothing else.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import azure.durable_functions as df

from registry import clock, telemetry
from registry.domain.registry import Item, Registry
from registry.domain.stats import DEDUPLICATION_WINDOW, Stats
from registry.durable import names
from registry.durable.messages import (
    AddItem,
    CloseRegistry,
    Invalid,
    OpenRegistry,
    RecordDelivery,
    RecordSnapshot,
    RemoveItem,
    RequestDelivery,
    Signal,
)

blueprint = df.Blueprint()


class UnknownOperation(ValueError):
    """The entity has no operation of this name."""


class OtherShard(ValueError):
    """Another shard counts the registry."""


@blueprint.entity_trigger(context_name="context", entity_name=names.REGISTRY_LIST)
def registry_list(context: df.DurableEntityContext) -> None:
    """Apply a message to a registry. Each change leaves a line in the log."""
    now = clock.utc_now()
    try:
        signal = _read_signal(context, LIST_SIGNALS)
        registry = _read_registry(context, signal, now)
    except Invalid as error:
        _log_dropped(context, error)
        return

    if registry is None:
        return

    before = registry.model_copy()
    APPLY[type(signal)](registry, signal, now)
    if registry.revision != before.revision:
        context.set_state(registry.to_state())
        _log_change(before, registry, signal)


@blueprint.entity_trigger(context_name="context", entity_name=names.REGISTRY_STATS)
def registry_stats(context: df.DurableEntityContext) -> None:
    """Count a registry by its snapshot."""
    try:
        signal = _read_signal(context, STATS_SIGNALS)
        _check_shard(context, signal)
        state = context.get_state()
        stats = Stats.from_state(state) if state else Stats()
    except Invalid as error:
        _log_dropped(context, error)
        return

    stats.record(signal.id, signal.snapshot, clock.utc_now(), signal.replaces)
    context.set_state(stats.to_state())


def _open(registry: Registry, signal: OpenRegistry, now: datetime) -> None:
    registry.open()


def _add(registry: Registry, signal: AddItem, now: datetime) -> None:
    registry.add(Item(signal.key, signal.text), now)


def _remove(registry: Registry, signal: RemoveItem, now: datetime) -> None:
    registry.remove(signal.key, now)


def _close(registry: Registry, signal: CloseRegistry, now: datetime) -> None:
    registry.close(signal.by, now)


def _request_delivery(registry: Registry, signal: RequestDelivery, now: datetime) -> None:
    registry.request_delivery(signal.number, now)


def _record_delivery(registry: Registry, signal: RecordDelivery, now: datetime) -> None:
    registry.record_delivery(signal.number, signal.outcome)


APPLY: Mapping[type[Signal], Callable[[Registry, Any, datetime], None]] = {
    OpenRegistry: _open,
    AddItem: _add,
    RemoveItem: _remove,
    CloseRegistry: _close,
    RequestDelivery: _request_delivery,
    RecordDelivery: _record_delivery,
}
LIST_SIGNALS: Mapping[str, type[Signal]] = {each.operation: each for each in APPLY}
STATS_SIGNALS: Mapping[str, type[Signal]] = {RecordSnapshot.operation: RecordSnapshot}
EVENTS = {
    OpenRegistry: "opened",
    AddItem: "added",
    RemoveItem: "removed",
    RequestDelivery: "asked",
    RecordDelivery: "sent",
}
"""What is logged of a change, unless it has closed or filled the registry."""


def _read_signal(context: df.DurableEntityContext, signals: Mapping[str, type[Signal]]) -> Any:
    """The message of this operation. Raises one of `Invalid`."""
    kind = signals.get(context.operation_name)
    if kind is None:
        raise UnknownOperation

    return kind.from_input(context.get_input(expected_type=object))


def _read_registry(
    context: df.DurableEntityContext, signal: Signal, now: datetime
) -> Registry | None:
    """The stored registry, or the one that the message makes. Raises one of `Invalid`.

    Only `open` makes one, or a `close` that comes before it: a closed, empty one that is not
    delivered. A message that is too old makes none, or a registry would come back after its purge.
    """
    if isinstance(signal, OpenRegistry | CloseRegistry):
        signal.terms.check_id(context.entity_key)

    if state := context.get_state():  # "" or null is what a failed first operation leaves.
        return Registry.from_state(state)

    is_too_old = now - signal.sent_at > DEDUPLICATION_WINDOW
    if is_too_old or not isinstance(signal, OpenRegistry | CloseRegistry):
        return None

    signal.terms.check(context.entity_key, now)
    registry = Registry.new(signal.terms)
    if isinstance(signal, CloseRegistry):
        registry.delivery.status = "off"
    return registry


def _check_shard(context: df.DurableEntityContext, signal: RecordSnapshot) -> None:
    """Raise OtherShard where another shard counts the registry, ValueError where none does."""
    if names.stats_entity(signal.id).key != context.entity_key:
        raise OtherShard


def _log_change(before: Registry, after: Registry, signal: Signal) -> None:
    event = EVENTS.get(type(signal), "")
    details: dict[str, object] = {}
    if after.is_closed and not before.is_closed:
        event, details = "closed", {"by": after.closed_by}
    elif after.is_full and not before.is_full:
        event = "filled"
    elif isinstance(signal, RecordDelivery):
        details = {"outcome": after.delivery.status}

    telemetry.record(event, after.terms.id, signal.trace, items=len(after.items), **details)


def _log_dropped(context: df.DurableEntityContext, error: Exception) -> None:
    """Log that a message is dropped. It changes nothing."""
    entity = f"{context.entity_name} {telemetry.short_id(context.entity_key)}"
    operation = telemetry.printable(context.operation_name, 40)
    telemetry.log_invalid(f"{entity}: '{operation}' is dropped: it", error)
