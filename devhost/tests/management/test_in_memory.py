import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

import aiohttp
import pytest
from azure.durable_functions import DurableOrchestrationClient, EntityId, OrchestrationRuntimeStatus

from devhost.functions.indexing import index
from devhost.functions.sdk import close_client_session
from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.management.urls import client_binding
from devhost.runner import running
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store
from tests.sample_app import make_app


@asynccontextmanager
async def serving(**options) -> AsyncIterator[tuple[DurableOrchestrationClient, Store]]:
    """Serve the sample app; gives a Durable client, and the store."""
    store = open_store()
    async with running(index(make_app()), store, grace_period=1, **options) as served:
        yield DurableOrchestrationClient(client_binding(served.origin)), store


async def outcome(call) -> object:
    """What a call returns or raises."""
    try:
        result = await call
    except Exception as error:
        return type(error), str(error)
    results = result if isinstance(result, list) else [result]
    return [vars(each) if hasattr(each, "__dict__") else each for each in results]


REPLIES = [
    ManagementResponse(202, '{"id": "one"}', {"Location": "http://test/one"}),
    ManagementResponse(
        200,
        '{"instancesDeleted": 1, "name": "\\ud83c\\udf81 \N{WRAPPED PRESENT}", '
        '"instanceId": "NaN"}',
    ),
    ManagementResponse(200, "NaN"),
    ManagementResponse(202),
    ManagementResponse(202, " \n"),
    ManagementResponse(400, '{"Message": "no", "ExceptionMessage": "It is not."}'),
    ManagementResponse(404),
    ManagementResponse(410, "null"),
    ManagementResponse(500, '{"Message": "out of order"}'),
    ManagementResponse(200, "not JSON"),
]


async def walk(in_memory: bool) -> tuple[list[ManagementRequest], list[object]]:
    """Call every method of the client; returns the requests to the API, and the outcomes."""
    asked: list[ManagementRequest] = []
    replies = itertools.cycle(REPLIES)

    async def answer(_: ManagementApi, call: ManagementRequest) -> ManagementResponse:
        asked.append(replace(call, origin=""))
        return next(replies)

    entity, since = (
        EntityId("Counter", "a b+c%41%2F\u00fc&d=e;f'\""),
        datetime(2026, 12, 24, tzinfo=UTC),
    )
    async with serving(in_memory=in_memory) as (client, _):
        calls = [
            lambda: client.start_new("two_events", "one", {"gift": "\N{WRAPPED PRESENT} <&>"}),
            lambda: client.start_new("two_events", version="1 0&x=%"),
            lambda: client.start_new("a/../b", "\u00fc?x=1#y"),
            lambda: client.get_status(
                "one", show_history=True, show_history_output=True, show_input=True
            ),
            lambda: client.get_status_all(),
            lambda: client.get_status_by(since, since, list(OrchestrationRuntimeStatus)),
            lambda: client.raise_event("one", "go", "a\nb", "Hub", "Storage"),
            lambda: client.raise_event("one", "go"),
            lambda: client.suspend("one", "a rest & more"),
            lambda: client.resume("one", "100 %"),
            lambda: client.terminate("one", "enough & over"),
            lambda: client.rewind("one", "again"),
            lambda: client.restart("one", restart_with_new_instance_id=False),
            lambda: client.purge_instance_history("one"),
            lambda: client.purge_instance_history_by(
                since, since, list(OrchestrationRuntimeStatus)
            ),
            lambda: client.signal_entity(entity, "add", 3),
            lambda: client.signal_entity(entity, "add"),
            lambda: client.read_entity_state(entity),
        ]
        with patch.object(ManagementApi, "answer", answer):
            return asked, [await outcome(call()) for call in calls for _ in REPLIES]


def test_in_memory_all_is_as_over_http() -> None:
    """What the API is asked, and what the client makes of every response."""
    asked, outcomes = asyncio.run(walk(in_memory=True))
    asked_over_http, outcomes_over_http = asyncio.run(walk(in_memory=False))
    assert asked == asked_over_http
    assert repr(outcomes) == repr(outcomes_over_http)  # for NaN is not equal to itself
    assert len(asked) == len(outcomes) == 18 * len(REPLIES)


def test_no_session_is_used_for_a_host_in_memory() -> None:
    """Over HTTP the client needs one."""

    async def start(in_memory: bool) -> str:
        async with serving(in_memory=in_memory) as (client, _):
            with patch.object(aiohttp.ClientSession, "_request", side_effect=OSError("no network")):
                return await client.start_new("two_events", "one")

    assert asyncio.run(start(in_memory=True)) == "one"
    with pytest.raises(OSError, match="no network"):
        asyncio.run(start(in_memory=False))


def test_requests_find_their_host_by_its_address() -> None:
    """Also if there are several hosts in the process."""

    async def scenario() -> None:
        async with serving() as (first, one), serving() as (second, other):
            await first.start_new("two_events", "a")
            await second.start_new("two_events", "b")
            assert [store.instance("a") is not None for store in (one, other)] == [True, False]
            assert [store.instance("b") is not None for store in (one, other)] == [False, True]

    asyncio.run(scenario())


def test_requests_from_another_event_loop_are_sent_over_http() -> None:
    async def elsewhere(client: DurableOrchestrationClient) -> str:
        try:
            return await client.start_new("two_events", "one")
        finally:
            await close_client_session()

    async def scenario() -> str:
        async with serving() as (client, _):
            return await asyncio.to_thread(asyncio.run, elsewhere(client))

    assert asyncio.run(scenario()) == "one"


def test_a_host_that_has_stopped_is_not_reached_any_more() -> None:
    """Another host may have its address by then."""

    async def scenario() -> None:
        async with serving() as (client, _):
            pass
        try:
            await client.start_new("two_events")
        finally:
            await close_client_session()

    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(scenario())


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_task_hub_that_cannot_be_read_is_500(in_memory: bool) -> None:
    """With the reason."""

    async def scenario() -> None:
        async with serving(in_memory=in_memory) as (client, store):
            store.close()
            await client.start_new("two_events")

    with pytest.raises(Exception, match="cannot be written"):
        asyncio.run(scenario())
