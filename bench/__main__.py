"""`make bench`: measure devhost beside its baselines, in one run, and print the figures."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

REGISTRIES = 100
SECONDS = 5.0
CLIENTS = (1, 16)
PORTS = {"devhost": 7171, "aiohttp": 7172, "fastapi": 7173}
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Figures:
    """What a run of adds came to; latencies in milliseconds."""

    per_second: float
    median: float
    p99: float


@contextmanager
def serving(command: list[str], log: Path) -> Iterator[None]:
    """Run a server for the length of the block."""
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def adds(url: str, clients: int, ids: list[str], seconds: float) -> Figures:
    """Add items for some seconds, each client one after the other; each answer must be 200."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:

        async def client(number: int) -> None:
            turn = number
            while time.perf_counter() < end:
                began = time.perf_counter()
                async with session.post(f"{url}/api/add/{ids[turn % len(ids)]}", params={"item": "Gift"}) as response:
                    await response.read()
                    response.raise_for_status()
                latencies.append((time.perf_counter() - began) * 1000)
                turn += clients

        began = time.perf_counter()
        await asyncio.gather(*(client(number) for number in range(clients)))
        elapsed = time.perf_counter() - began
    ranked = sorted(latencies)
    return Figures(len(ranked) / elapsed, statistics.median(ranked), ranked[len(ranked) * 99 // 100])


def wait_for(url: str) -> float:
    """Seconds until the server answers."""
    began = time.perf_counter()
    while True:
        try:
            urllib.request.urlopen(url).close()
        except urllib.error.HTTPError:
            return time.perf_counter() - began
        except OSError:
            time.sleep(0.005)
        else:
            return time.perf_counter() - began


def open_registries(url: str, count: int) -> list[str]:
    """Open registries; returns their ids."""

    def open_one() -> str:
        request = urllib.request.Request(f"{url}/api/open", method="POST", headers={"Accept": "text/plain"})
        with urllib.request.urlopen(request) as response:
            return str(response.read().decode())

    return [open_one() for _ in range(count)]


def measure(name: str, folder: Path) -> dict[int, Figures]:
    """Start a server and measure adds at each number of clients, over fresh registries each time."""
    url = f"http://127.0.0.1:{PORTS[name]}"
    commands = {
        "devhost": ["devhost", "--port", str(PORTS[name]), "--data", str(folder / "data")],
        "aiohttp": ["bench.baselines", "aiohttp", str(PORTS[name])],
        "fastapi": ["bench.baselines", "fastapi", str(PORTS[name]), str(folder / "fastapi.db")],
    }
    figures = {}
    with serving(commands[name], folder / f"{name}.log"):
        started = wait_for(f"{url}/api/stats")
        if name == "devhost":
            print(f"devhost: first request answered {started:.2f} s after the start")
        for clients in CLIENTS:
            ids = open_registries(url, REGISTRIES) if name == "devhost" else [uuid.uuid4().hex] * REGISTRIES
            figures[clients] = asyncio.run(adds(url, clients, ids, SECONDS))
    return figures


def main() -> None:
    """Print a table: acknowledged adds a second and their latency, and the ratio to each baseline."""
    with tempfile.TemporaryDirectory() as folder:
        results = {name: measure(name, Path(folder)) for name in PORTS}
    print(f"adds over {REGISTRIES} registries, {SECONDS:g} s each:")
    print(f"{'server':<10}{'clients':>8}{'adds/s':>10}{'median ms':>11}{'99 % ms':>10}{'of devhost':>12}")
    for name, figures in results.items():
        for clients, each in figures.items():
            ratio = each.per_second / results["devhost"][clients].per_second
            print(f"{name:<10}{clients:>8}{each.per_second:>10.0f}{each.median:>11.2f}{each.p99:>10.1f}{ratio:>11.1f}x")


if __name__ == "__main__":
    main()
