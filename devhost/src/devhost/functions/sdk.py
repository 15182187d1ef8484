"""Everything that reaches into private parts of the SDK, each time with the reason.

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
"""Answers a request (method, URL, JSON or None) with a status and a body (JSON or empty)."""

_exchanges: dict[str, tuple[asyncio.AbstractEventLoop, Exchange]] = {}
"""By the base of the URLs that they answer, each on its event loop."""


@cache
def remember_moments() -> None:
    """Let the SDK parse each timestamp once.

    It parses those of every event in every replay, and takes longer for that than for all else.
    """
    events = sys.modules[HistoryEvent.__module__]
    parse = lru_cache(maxsize=10_000)(events.dt_parse)
    events.dt_parse = parse  # type: ignore[attr-defined]  # what the module has imported


def convert_in(binding: str, value: Any, type: str) -> Any:
    """Convert a trigger's payload to the argument of the function."""
    return (
        meta.get_binding_registry()
        .get(binding)
        .decode(meta.Datum(value, type), trigger_metadata={})
    )


def convert_out(binding: str, value: Any) -> meta.Datum:
    """Convert what a function returned to the form that a host takes."""
    return meta.get_binding_registry().get(binding).encode(value, expected_type=None)


async def close_client_session() -> None:
    """Close the HTTP session that the SDK's client keeps open for the whole process."""
    await http_utils._close_session()


@contextmanager
def handed_over(base: str, exchange: Exchange) -> Iterator[None]:
    """Within the block, answer the SDK client's requests to URLs under `base` by `exchange`.

    Sending them over HTTP would take longer than everything else about them. Requests from other
    event loops than this one are still sent.
    """
    _hand_over()
    _exchanges[base] = asyncio.get_running_loop(), exchange
    try:
        yield
    finally:
        del _exchanges[base]


@cache
def _hand_over() -> None:
    """Let new clients ask here before they send.

    A new client takes the functions that send from its module, so they are replaced there.
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
    """The status, and the body as the SDK parses it: None if it is empty."""
    status, body = await exchange(method, url, data)
    return [status, json.loads(body) if body.strip() else None]


def report_errors(
    entity: Callable[..., str], on_error: Callable[[str, str, str, Exception], None]
) -> Callable[..., str]:
    """Wrap an entity, so that `on_error` gets the exception of each operation that fails.

    Its arguments are the entity's name and key, the operation and the exception: the SDK itself
    only keeps the message. An entity that was not made by the SDK is returned as it is.
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

    entity_with_errors: Callable[..., str] = Entity.create(wrapped)
    return entity_with_errors
