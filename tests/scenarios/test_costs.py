"""What a call asks of the task hub at most: on Azure every message and every read is money."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

import pytest

from devhost.testing import Costs, FaultRates, virtual_time
from tests.support.registry_host import RECONCILE, SNAPSHOT, Receiver, RegistryHost

START, CLOSE_EVENT = "start RegistryOrchestration", "event finish"
OPEN, ADD, CLOSE = (f"signal RegistryList.{name}" for name in ("open", "add", "close"))
READ, READ_STATS = "read RegistryList", "read RegistryStats"


class Bound(NamedTuple):
    """The most that is asked of the task hub, as docs/costs.md has it."""

    messages: int
    reads: int


BOUNDS = {
    "open": Bound(3, 0),
    "add": Bound(2, 3),
    "peek": Bound(0, 1),
    "stats": Bound(0, 16),
    "finish": Bound(4, 6),
    "time-out": Bound(2, 3),
    "reconcile": Bound(0, 16),
}


@contextmanager
def bounded(host: RegistryHost, call: str) -> Iterator[Costs]:
    """Count what is asked of the task hub in the block, and check the bound of a call."""
    with host.counting() as costs:
        yield costs
    assert costs.messages <= BOUNDS[call].messages, costs
    assert costs.reads <= BOUNDS[call].reads, costs


@pytest.fixture(params=["at once", "as on storage"])
def host(request) -> Iterator[RegistryHost]:
    """A host that commits at once, and one that takes 15 to 50 ms for that."""
    rates = FaultRates.only(commit_late=1) if request.param == "as on storage" else None
    with (
        patch("devhost.testing.faults.COMMIT_SECONDS", (0.015, 0.05)),
        patch("devhost.testing.faults.LONG_COMMITS", 0),
    ):
        yield RegistryHost(rates=rates, timers=False)


@virtual_time
async def test_an_open_takes_three_messages(host) -> None:
    """And no read."""
    with bounded(host, "open") as costs:
        await host.open()
        await host.advance(seconds=2)
    assert costs == {SNAPSHOT: 1, START: 1, OPEN: 1}


@virtual_time
async def test_a_lone_add_takes_a_message_and_a_snapshot(host) -> None:
    """And three reads at most."""
    id = await host.open()
    await host.advance(seconds=2)
    with bounded(host, "add") as costs:
        assert (await host.add(id, "Bike")).status == 200
        await host.advance(seconds=2)
    assert costs.pop(READ) <= 3
    assert costs == {ADD: 1, SNAPSHOT: 1}


@virtual_time
async def test_an_add_that_is_repeated_takes_a_read(host) -> None:
    """It shows that the item is in, so no message is sent."""
    id = await host.open()
    await host.add(id, "Bike", "k")
    await host.advance(seconds=2)
    with host.counting() as costs:
        assert (await host.add(id, "Bike", "k")).status == 200
    assert costs.pop(SNAPSHOT, 0) <= 1
    assert costs == {READ: 1}


@virtual_time
async def test_adds_in_a_burst_take_a_message_each(host) -> None:
    """And a snapshot a second, however many they are."""
    id = await host.open()
    await host.advance(seconds=2)

    async def guest(number: int) -> None:
        await host.sleep(number * 0.1)
        assert (await host.call("POST", f"/api/add/{id}?item={number}")).status == 200

    with host.counting() as costs:
        await asyncio.gather(*map(guest, range(50)))
        await host.advance(seconds=3)
    assert costs[ADD] == 50
    assert costs[READ] <= 150
    assert costs[SNAPSHOT] <= 7
    assert costs.messages <= 57


@virtual_time
async def test_adds_learn_how_soon_a_change_can_be_read(host) -> None:
    """In the long run they take little more than two reads each."""
    id = await host.open()
    with host.counting() as costs:
        for number in range(200):
            assert (await host.add(id, str(number))).status == 200
    assert costs[ADD] == 200
    assert costs[READ] <= 2.2 * 200


@virtual_time
async def test_an_add_takes_no_time_where_changes_can_be_read_at_once() -> None:
    """As soon as the app has learnt that."""
    async with RegistryHost(timers=False) as host:
        id = await host.open()
        for number in range(60):
            await host.add(id, str(number))
        began = host.now()
        assert (await host.add(id, "last")).status == 200
        assert (host.now() - began).total_seconds() < 0.001


@virtual_time
async def test_a_finish_takes_four_messages(host) -> None:
    """And six reads at most, those of the orchestration that ends included."""
    id = await host.open()
    await host.advance(seconds=2)
    with bounded(host, "finish") as costs:
        assert (await host.finish(id)).status == 200
        await host.advance(seconds=3)
    assert costs.pop(READ) <= 3 + 3
    assert costs.pop(CLOSE) <= 1 + 1
    assert costs == {CLOSE_EVENT: 1, SNAPSHOT: 1}


@virtual_time
async def test_a_time_out_takes_two_messages(host) -> None:
    """And three reads at most."""
    await host.open()
    await host.advance(minutes=4)
    with bounded(host, "time-out") as costs:
        await host.advance(minutes=2)
    assert costs.pop(READ) <= 3
    assert costs == {CLOSE: 1, SNAPSHOT: 1}


@virtual_time
async def test_a_peek_takes_one_read_and_stats_sixteen(host) -> None:
    """Of a registry that is open, and of one that is closed."""
    id = await host.open()
    await host.advance(seconds=2)
    for _ in ("open", "closed"):
        with bounded(host, "peek") as costs:
            await host.peek(id)
        assert costs == {READ: 1}
        await host.finish(id)
        await host.advance(seconds=2)

    with bounded(host, "stats") as costs:
        await host.stats()
    assert costs == {READ_STATS: 16}


@virtual_time
async def test_reconcile_takes_sixteen_reads_when_there_is_nothing_to_do() -> None:
    """One registry is open, and the delivery of another one goes on by itself."""
    async with RegistryHost(Receiver(statuses=[503] * 5), timers=False) as host:
        await host.finish(await host.open())
        await host.open()
        with bounded(host, "reconcile") as costs:
            await host.run_timer(RECONCILE)
        assert costs == {READ_STATS: 16}


@virtual_time
async def test_an_invalid_request_asks_nothing_of_the_task_hub() -> None:
    """Nor does the description of the API."""
    async with RegistryHost() as host:
        id = await host.open()
        with host.counting() as costs:
            assert (await host.get("/api/openapi.json")).status == 200
            assert (await host.get("/api/peek/nonsense")).status == 404
            assert (await host.post(f"/api/add/{id}")).status == 400
            blank = await host.post(f"/api/add/{id}?item=%20")
            assert blank.json()["type"].endswith("invalid-item")
        assert costs == {}
