"""What calls cost while many registries are open, beside a hundred."""

import asyncio
import json
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import aiohttp
import azure.durable_functions as df

from bench.load import adds, opens, repeat
from bench.servers import Server, progress
from devhost.testing import open_store
from registry.domain.registry import Registry, RegistryTerms
from registry.domain.snapshots import Snapshot
from registry.domain.stats import Stats
from registry.durable.messages import RecordSnapshot
from registry.durable.names import REGISTRY_STATS, stats_entity
from tests.support.fake_hub import Entity

COUNTS = (100, 1000, 8000, 20000)
CALLS = 200
OPEN_SECONDS = 24 * 3600
COLUMNS = ("open", "add", "stats", "snapshot")


def measure_growth() -> None:
    """Measure the processor time of calls, and of one recorded snapshot, in milliseconds."""
    print("\nprocessor time with so many registries open, in ms (and its ratio to the first line):")
    print(f"{'open':>8}" + "".join(f"{name:>16}" for name in COLUMNS) + f"{'shard bytes':>14}")
    first: list[float] = []
    for count in COUNTS:
        progress(f"calls with {count} open registries")
        shards = _shards(count)
        largest = max(shards.values(), key=lambda stats: len(json.dumps(stats.to_state())))
        times = [*_calls(shards), _recording(largest)]
        first = first or times
        cells = (
            f"{time:.2f} ({time / base:.1f}x)" for time, base in zip(times, first, strict=True)
        )
        size = len(json.dumps(largest.to_state()))
        print(f"{count:>8}" + "".join(f"{cell:>16}" for cell in cells) + f"{size:>14,}", flush=True)


def _shards(count: int) -> dict[str, Stats]:
    """The stats of so many open registries, by the key of their shard."""
    shards: dict[str, Stats] = {}
    now = datetime.now(UTC)
    for _ in range(count):
        id, snapshot = _opened(now)
        shards.setdefault(stats_entity(id).key, Stats()).record(id, snapshot, now)
    return shards


def _opened(now: datetime) -> tuple[str, Snapshot]:
    id = uuid4().hex
    closes_at = now + timedelta(seconds=OPEN_SECONDS)
    terms = RegistryTerms(id=id, opened_at=now, closes_at=closes_at, max_items=500)
    return id, Snapshot.of(Registry.new(terms), closes_at)


def _calls(shards: dict[str, Stats]) -> list[float]:
    """What an open, an add and the stats cost."""
    with TemporaryDirectory() as folder:
        server = Server("devhost", Path(folder), REGISTRY_OPEN_SECONDS=OPEN_SECONDS)
        _store(server.data, shards)
        server.start()
        ids = opens(server.url, 1, 20)[0]
        times = [
            _cost(server, lambda: opens(server.url, 1, CALLS)),
            _cost(server, lambda: adds(server.url, 1, ids, count=CALLS)),
            _cost(server, lambda: asyncio.run(repeat(1, _get_stats(server.url), count=CALLS))),
        ]
        server.stop()
    return times


def _store(folder: Path, shards: dict[str, Stats]) -> None:
    folder.mkdir()
    store = open_store(folder / "taskhub.db")
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    with store.transaction():
        for key, stats in shards.items():
            id = df.EntityId.get_scheduler_id(df.EntityId(REGISTRY_STATS, key))
            store.save_entity(id, json.dumps(stats.to_state()), now)
    store.close()


def _get_stats(url: str) -> Callable[[aiohttp.ClientSession, int], Any]:
    async def get(session: aiohttp.ClientSession, number: int) -> None:
        async with session.get(f"{url}/api/stats") as response:
            await response.read()
            response.raise_for_status()

    return get


def _cost(server: Server, work: Callable[[], object]) -> float:
    """The milliseconds that the server's processor takes for each of the calls."""
    before = server.cpu_seconds()
    work()
    return (server.cpu_seconds() - before) * 1000 / CALLS


def _recording(stats: Stats) -> float:
    """The milliseconds that a shard takes to record a snapshot."""
    now = datetime.now(UTC)
    shard = Entity(REGISTRY_STATS)
    shard.store(stats.to_state())
    id, snapshot = _opened(now)
    message = RecordSnapshot(sent_at=now, id=id, snapshot=snapshot)
    return min(timeit.repeat(lambda: shard.apply(message), number=5, repeat=5)) * 1000 / 5
