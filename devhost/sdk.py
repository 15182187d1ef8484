"""Where devhost reaches into the SDK: the one module that does, each time with its reason.

Payloads pass through azure-functions' own converters, as in the Python worker.
"""

import sys
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from azure.durable_functions import DurableEntityContext, Entity
from azure.durable_functions.models.history import HistoryEvent
from azure.durable_functions.models.utils import http_utils
from azure.functions import meta


@cache
def remember_moments() -> None:
    """Let the SDK parse the text of each moment once: it does so for every event in every replay, and takes longer for
    that than for all else. The same text is always the same moment.
    """
    events = sys.modules[HistoryEvent.__module__]
    events.dt_parse = lru_cache(maxsize=10_000)(events.dt_parse)  # type: ignore[attr-defined]  # not a name of its own


def convert_in(binding: str, value: Any, type: str) -> Any:
    """Give a trigger's payload the form in which the function takes it."""
    return meta.get_binding_registry().get(binding).decode(meta.Datum(value, type), trigger_metadata={})


def convert_out(binding: str, value: Any) -> meta.Datum:
    """Give what a function returned the form in which a host takes it."""
    return meta.get_binding_registry().get(binding).encode(value, expected_type=None)


async def close_client_session() -> None:
    """Close the HTTP session that the SDK's client keeps for the process: it is the host that knows of the end."""
    await http_utils._close_session()


def telling(entity: Callable[..., str], on_error: Callable[[str, str, str, Exception], None]) -> Callable[..., str]:
    """An entity that tells of each operation that fails (name, key, operation, error): the SDK keeps the text only."""
    operate = entity.entity_function  # type: ignore[attr-defined]  # the function of the app

    def wrapped(context: DurableEntityContext) -> None:
        try:
            operate(context)
        except Exception as error:
            on_error(context.entity_name, context.entity_key, context.operation_name, error)
            raise

    told: Callable[..., str] = Entity.create(wrapped)
    return told
