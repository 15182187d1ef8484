"""What one call costs the task hub: on the real one every message and every read is money
(docs/costs.md).
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest

from devhost.testing import Costs, FaultRates, VirtualHost, virtual_time
from tests.support.registry_host import RECONCILE, ROOT, Receiver, RegistryHost

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "costs.md").read_text()


class Bound(NamedTuple):
    """The most that is asked of the task hub."""

    messages: int
    reads: int


BOUNDS = {
    "open": Bound(3, 0),
    "add": Bound(2, 3),
    "peek": Bound(0, 1),
    "stats": Bound(0, 16),
    "finish": Bound(4, 6),
    "time-out": Bound(2, 3),
    "heal": Bound(0, 16),
}


@contextmanager
def bounded(host: VirtualHost, call: str) -> Iterator[Costs]:
    """Count what is asked of the task hub in the block, which is as much as the bound allows at
    most.
    """
    with host.counting() as costs:
        yield costs
    assert costs.messages <= BOUNDS[call].messages, costs
    assert costs.reads <= BOUNDS[call].reads, costs


@pytest.fixture(params=["at once", "as on storage"])
def host(request):
    """A host that commits at once, and one that takes 15 to 50 ms for that."""
    rates = FaultRates.only(commit_late=1) if request.param == "as on storage" else None
    with (
        patch("devhost.testing.faults.COMMIT_SECONDS", (0.015, 0.05)),
        patch("devhost.testing.faults.LONG_COMMITS", 0),
        RegistryHost(rates=rates, timers=False) as host,
    ):
        yield host


@virtual_time
async def test_an_open(host) -> None:
    """Three messages and no read."""
    with bounded(host, "open") as costs:
        await host.open()
        await host.advance(seconds=2)
    assert costs == {
        "signal RegistryStats.observe": 1,
        "start RegistryOrchestration": 1,
        "signal RegistryList.open": 1,
    }


@virtual_time
async def test_a_lone_add(host) -> None:
    """One message and one observation; at most three reads, the first included."""
    id = await host.open()
    await host.advance(seconds=2)
    with bounded(host, "add") as costs:
        assert (await host.add(id, "Bike")).status == 200
        await host.advance(seconds=2)
    assert costs.pop("read RegistryList") <= 3
    assert costs == {"signal RegistryList.add": 1, "signal RegistryStats.observe": 1}


@virtual_time
async def test_an_add_that_is_repeated(host) -> None:
    """One read tells that the gift is in; to send it again would cost a message."""
    id = await host.open()
    await host.add(id, "Bike", "k")
    await host.advance(seconds=2)
    with host.counting() as costs:
        assert (await host.add(id, "Bike", "k")).status == 200
    assert costs.pop("signal RegistryStats.observe", 0) <= 1
    assert costs == {"read RegistryList": 1}


@virtual_time
async def test_adds_in_a_burst(host) -> None:
    """One message each, and an observation a second, whatever they are."""
    id = await host.open()
    await host.advance(seconds=2)

    async def guest(number: int):
        await host.sleep(number * 0.1)
        assert (await host.call("POST", f"/api/add/{id}?item={number}")).status == 200

    with host.counting() as costs:
        await asyncio.gather(*map(guest, range(50)))
        await host.advance(seconds=3)
    assert costs["signal RegistryList.add"] == 50
    assert costs["read RegistryList"] <= 150
    assert costs["signal RegistryStats.observe"] <= 7
    assert costs.messages <= 57


@virtual_time
async def test_adds_learn_how_soon_a_change_can_be_read(host) -> None:
    """In the long run they take little more than two reads each."""
    id = await host.open()
    with host.counting() as costs:
        for number in range(200):
            assert (await host.add(id, str(number))).status == 200
    assert costs["signal RegistryList.add"] == 200
    assert costs["read RegistryList"] <= 2.2 * 200


@virtual_time
async def test_where_changes_can_be_read_at_once_an_add_takes_no_time() -> None:
    """Once that is known."""
    async with RegistryHost(timers=False) as host:
        id = await host.open()
        for number in range(60):
            await host.add(id, str(number))
        began = host.now()
        assert (await host.add(id, "last")).status == 200
        assert (host.now() - began).total_seconds() < 0.001


@virtual_time
async def test_a_finish(host) -> None:
    """Two messages and three reads; and its life settles it, which takes as much again at most."""
    id = await host.open()
    await host.advance(seconds=2)
    with bounded(host, "finish") as costs:
        assert (await host.finish(id)).status == 200
        await host.advance(seconds=3)
    assert costs.pop("read RegistryList") <= 3 + 3
    assert costs.pop("signal RegistryList.close") <= 1 + 1
    assert costs == {"event finish": 1, "signal RegistryStats.observe": 1}


@virtual_time
async def test_a_registry_whose_time_runs_out(host) -> None:
    """To settle it takes at most two messages and three reads."""
    await host.open()
    await host.advance(minutes=4)
    with bounded(host, "time-out") as costs:
        await host.advance(minutes=2)
    assert costs.pop("read RegistryList") <= 3
    assert costs == {"signal RegistryList.close": 1, "signal RegistryStats.observe": 1}


@virtual_time
async def test_a_look(host) -> None:
    """One read, of a registry that is open and of one that is closed; sixteen for the stats."""
    id = await host.open()
    await host.advance(seconds=2)
    for _ in ("open", "closed"):
        with bounded(host, "peek") as costs:
            await host.get_json(f"/api/peek/{id}")
        assert costs == {"read RegistryList": 1}
        await host.finish(id)
        await host.advance(seconds=2)
    with bounded(host, "stats") as costs:
        await host.get_json("/api/stats")
    assert costs == {"read RegistryStats": 16}


@virtual_time
async def test_healing_where_nothing_is_to_be_healed() -> None:
    """Sixteen reads a minute."""
    receiver = Receiver(statuses=[503] * 5)
    async with RegistryHost(receiver, timers=False) as host:
        await host.post(f"/api/finish/{await host.open()}")
        await host.open()
        with bounded(host, RECONCILE) as costs:
            await host.run_timer(RECONCILE)
        assert costs == {"read RegistryStats": 16}


@virtual_time
async def test_what_is_refused_before_it_is_sent_costs_nothing() -> None:
    """Ids that are none, items that are none."""
    async with RegistryHost() as host:
        id = await host.open()
        with host.counting() as costs:
            assert await host.get_json("/api/openapi.json")
            assert (await host.request("GET", "/api/peek/nonsense")).status == 404
            assert (await host.post(f"/api/add/{id}")).status == 400
            assert (
                (await host.post(f"/api/add/{id}?item=%20")).json()["type"].endswith("invalid-item")
            )
        assert costs == {}


def test_the_page_has_these_bounds() -> None:
    """In its table, and no others."""
    rows = re.findall(r"^\| `?([\w-]+)`?[^|]*\| *\d* *\| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert {name: Bound(int(messages), int(reads)) for name, messages, reads in rows} == BOUNDS


def test_the_page_adds_up() -> None:
    """The life of a registry by the recorded transactions, and the reads of idle queues by
    host.json.
    """
    recorded = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE))
    opened, added, peeked, finished = (
        int(recorded[call]) for call in ("open", "add", "peek", "finish")
    )
    life = opened + 10 * added + 50 * peeked + finished
    words = " ".join(PAGE.split()).replace("\u00d7", "*")
    assert f"{opened} + 10 * {added} + 50 * {peeked} + {finished} = {life} transactions" in words
    provider = json.loads((ROOT / "host.json").read_text())["extensions"]["durableTask"][
        "storageProvider"
    ]
    assert provider["maxQueuePollingInterval"] == "00:00:01"
    assert f"| {provider['partitionCount']} partitions, 1 second (host.json) |" in PAGE
    idle = re.findall(
        r"^\| (\d+) partitions, (\d+) seconds?[^|]*\| (\d+) \| ([\d.]+) \|$", PAGE, re.MULTILINE
    )
    assert len(idle) == 4
    for partitions, seconds, a_minute, millions in idle:
        assert int(a_minute) == (int(partitions) + 1) * 60 / int(seconds)
        assert float(millions) == round(int(a_minute) * 43_200 / 1e6, 1)
