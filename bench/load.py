"""Clients that load a server, and what they saw."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True)
class Figures:
    """The figures of a run of requests. Latencies are in milliseconds."""

    per_second: float
    median: float
    p99: float

    @classmethod
    def of(cls, latencies: list[float], elapsed: float) -> "Figures":
        """Make figures from latencies in seconds."""
        ranked = sorted(latency * 1000 for latency in latencies)
        return cls(
            len(ranked) / elapsed, statistics.median(ranked), ranked[len(ranked) * 99 // 100]
        )

    @classmethod
    def middle(cls, rounds: "list[Figures]") -> "Figures":
        """Return the median of each figure over several rounds."""
        return cls(
            *(
                statistics.median(getattr(each, name) for each in rounds)
                for name in cls.__annotations__
            )
        )


Request = Callable[[aiohttp.ClientSession, int], Awaitable[None]]


async def repeat(clients: int, request: Request, *, seconds: float = 0, count: int = 0) -> Figures:
    """Let clients make requests one after the other, for some seconds or up to a number."""
    latencies: list[float] = []
    began = time.perf_counter()
    numbers = iter(range(count or 1 << 60))

    async def client(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            sent = time.perf_counter()
            if seconds and sent - began > seconds:
                return
            await request(session, number)
            latencies.append(time.perf_counter() - sent)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return Figures.of(latencies, time.perf_counter() - began)


def adds(
    url: str,
    clients: int,
    ids: list[str],
    *,
    seconds: float = 0,
    count: int = 0,
    item: str = "Bike",
) -> Figures:
    """Add items to the registries in turn; each answer must be 200."""

    async def add(session: aiohttp.ClientSession, number: int) -> None:
        async with session.post(
            f"{url}/api/add/{ids[number % len(ids)]}", params={"item": item}
        ) as response:
            await response.read()
            response.raise_for_status()

    return asyncio.run(repeat(clients, add, seconds=seconds, count=count))


def opens(url: str, clients: int, count: int) -> tuple[list[str], Figures]:
    """Open registries; returns their ids."""
    ids: list[str] = []

    async def open_one(session: aiohttp.ClientSession, number: int) -> None:
        async with session.post(f"{url}/api/open", headers={"Accept": "text/plain"}) as response:
            response.raise_for_status()
            ids.append(await response.text())

    return ids, asyncio.run(repeat(clients, open_one, count=count))


def peeks(url: str, ids: list[str], per_second: int, seconds: float) -> Figures:
    """Peek at a steady rate, whatever the answers take; each must be 200."""
    latencies: list[float] = []

    async def peek(session: aiohttp.ClientSession, id: str) -> None:
        sent = time.perf_counter()
        async with session.get(f"{url}/api/peek/{id}") as response:
            await response.read()
            response.raise_for_status()
        latencies.append(time.perf_counter() - sent)

    async def run() -> float:
        began = time.perf_counter()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for number in range(int(per_second * seconds)):
                group.create_task(peek(session, ids[number * 37 % len(ids)]))
                await asyncio.sleep(max(0, began + (number + 1) / per_second - time.perf_counter()))
        return time.perf_counter() - began

    elapsed = asyncio.run(run())
    return Figures.of(latencies, elapsed)
