"""Names and ids in the task hub, and the messages between those that have them.

Every message may come twice, late, or before another, so it carries what it needs.
"""

import json
from typing import Any, NotRequired, TypedDict

import azure.durable_functions as df

from registry.domain.registry import Birth, ClosedBy, Processing
from registry.durable.messages import State, to_birth

LIFE, FINISH = "RegistryOrchestration", "finish"
"""The orchestration of a registry from its open to its close, whose instance has its id, and the
event that ends it.
"""
DELIVERY = "DeliveryOrchestration"  # the orchestration that sends a closed registry to the webhook
SETTLE, SEND = "settle", "send"  # the activities of both
STATS_SHARDS = 16
"""How many entities share the global counts, because one handles only some tens of operations a
second.
"""


def delivery_instance(id: str) -> str:
    """The instance that delivers the registry `id`: there is one at a time."""
    return f"{id}-delivery"


def list_entity(id: str) -> df.EntityId:
    """The entity that holds the registry `id`."""
    return df.EntityId("RegistryList", id)


def stats_entity(id: str) -> df.EntityId:
    """The shard of the stats that counts the registry `id` (32 hex digits)."""
    return df.EntityId("RegistryStats", str(int(id[:8], 16) % STATS_SHARDS))


def stats_entities() -> list[df.EntityId]:
    """All shards of the stats."""
    return [df.EntityId("RegistryStats", str(shard)) for shard in range(STATS_SHARDS)]


def birth_of(id: str, input: Any) -> Birth:
    """The birth in the input of a life (see `Turn`), also in that of an older version."""
    opening = json.loads(input) if isinstance(input, str) else input
    return to_birth(opening.get("birth", opening), id)


class Message(TypedDict):
    """The envelope of every message. `trace` is the trace id of the caller that it goes back to, or
    empty.
    """

    v: int
    trace: str
    sent_at: str


class Turn(Message):
    """`open` for a list, and the input of a life; with who closes it: `close` for a list, and the
    input of `settle`.
    """

    birth: State
    by: NotRequired[ClosedBy]


class Change(Message):
    """`add` and `remove` for a list. A removal has no text."""

    key: str
    text: NotRequired[str]


class Sending(Message):
    """`send_again` and `delivered` for a list: of the delivery of this number. The second has an
    outcome.
    """

    number: int
    outcome: NotRequired[Processing]


class Delivery(Sending):
    """The input of a delivery; with the pause to the next attempt in seconds, None for the last,
    that of `send`.
    """

    id: str
    backoff: list[int]
    began: str | None
    failures: int
    pause: NotRequired[float | None]


class Observe(Message):
    """`observe` for a shard of the stats."""

    id: str
    standing: State
