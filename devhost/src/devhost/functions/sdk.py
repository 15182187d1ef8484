"""Where devhost reaches into the SDK: the one module that does, each time with its reason.

Payloads pass through azure-functions' own converters, as in the Python worker.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from azure.durable_functions import DurableEntityContext, DurableOrchestrationClient, Entity
from azure.durable_functions.models.history import HistoryEvent
from azure.durable_functions.models.utils import http_utils
from azure.functions import meta

Exchange = Callable[[str, str, str | None], Awaitable[tuple[int, str]]]
"""Answers a request (method, URL, JSON of the body or None) with a status and the JSON of a body,
or empty text.
"""

_exchanges: dict[str, tuple[asyncio.AbstractEventLoop, Exchange]] = {}
"""By the base of the URLs that they answer, on the event loop where they do."""


@cache
def remember_moments() -> None:
    """Let the SDK parse the text of each moment once: it does so for every event in every replay,
    and takes longer for that than for all else. The same text is always the same moment.
    """
    events = sys.modules[HistoryEvent.__module__]
    events.dt_parse = lru_cache(maxsize=10_000)(events.dt_parse)  # type: ignore[attr-defined]  # not a name of its own


def convert_in(binding: str, value: Any, type: str) -> Any:
    """Give a trigger's payload the form in which the function takes it."""
    return (
        meta.get_binding_registry()
        .get(binding)
        .decode(meta.Datum(value, type), trigger_metadata={})
    )


def convert_out(binding: str, value: Any) -> meta.Datum:
    """Give what a function returned the form in which a host takes it."""
    return meta.get_binding_registry().get(binding).encode(value, expected_type=None)


async def close_client_session() -> None:
    """Close the HTTP session that the SDK's client keeps for the process: it is the host that knows
    of the end.
    """
    await http_utils._close_session()


@contextmanager
def handed_over(base: str, exchange: Exchange) -> Iterator[None]:
    """In the block, requests of the SDK's client to URLs that begin with `base` are answered by
    `exchange`.

    They are not sent over HTTP, which takes longer than all else that they cause. What comes from
    another event loop than this one goes on to be sent.
    """
    _hand_over()
    _exchanges[base] = asyncio.get_running_loop(), exchange
    try:
        yield
    finally:
        del _exchanges[base]


@cache
def _hand_over() -> None:
    """Have new clients ask here before they send: each takes the functions that do so as its module
    has them then.
    """
    client = sys.modules[DurableOrchestrationClient.__module__]
    client.post_async_request = _post  # type: ignore[attr-defined]  # what the module has imported
    client.get_async_request = _get  # type: ignore[attr-defined]
    client.delete_async_request = _delete  # type: ignore[attr-defined]


async def _post(url: str, data: Any = None, *correlation: Any, **named: Any) -> list[Any]:
    if exchange := _exchange_for(url):
        return await _answer(exchange, "POST", url, None if data is None else json.dumps(data))
    answer: list[Any] = await http_utils.post_async_request(url, data, *correlation, **named)
    return answer


async def _get(url: str, *correlation: Any, **named: Any) -> list[Any]:
    if exchange := _exchange_for(url):
        status, body = await _answer(exchange, "GET", url)
        return [status, "" if body is None else body]
    answer: list[Any] = await http_utils.get_async_request(url, *correlation, **named)
    return answer


async def _delete(url: str, *correlation: Any, **named: Any) -> list[Any]:
    if exchange := _exchange_for(url):
        return await _answer(exchange, "DELETE", url)
    answer: list[Any] = await http_utils.delete_async_request(url, *correlation, **named)
    return answer


def _exchange_for(url: str) -> Exchange | None:
    for base, (loop, exchange) in _exchanges.items():
        if url.startswith(base) and loop is asyncio.get_running_loop():
            return exchange
    return None


async def _answer(exchange: Exchange, method: str, url: str, data: str | None = None) -> list[Any]:
    """The status and the body, as the SDK reads it: None where it is empty."""
    status, body = await exchange(method, url, data)
    return [status, json.loads(body) if body.strip() else None]


def telling(
    entity: Callable[..., str], on_error: Callable[[str, str, str, Exception], None]
) -> Callable[..., str]:
    """An entity that tells of each operation that fails (name, key, operation, error): the SDK
    keeps the text only.

    What the SDK has not made of a function of the app stays as it is.
    """
    operate = getattr(entity, "entity_function", None)
    if operate is None:
        return entity

    def wrapped(context: DurableEntityContext) -> None:
        try:
            operate(context)
        except Exception as error:
            on_error(context.entity_name, context.entity_key, context.operation_name, error)
            raise

    told: Callable[..., str] = Entity.create(wrapped)
    return told
