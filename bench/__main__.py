"""`make bench`: measure devhost, beside its baselines and under load, in one run, and print the figures."""

import argparse
import json
import signal
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.load import Figures, adds, opens, peeks
from bench.servers import PORTS, Server
from devhost.protocol import from_timestamp
from devhost.store import Query, Store
from registry.clock import from_text
from tests.e2e.test_crash import kill_under_load
from tests.support.virtual import VirtualHost

REGISTRIES = 100
CLIENTS = (1, 16, 64)


def measure_adds(seconds: float) -> None:
    """Acknowledged adds a second and their latency, and how the baselines compare."""
    figures: dict[str, dict[int, Figures]] = {}
    for name in PORTS:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(name, Path(folder))
            started = server.start()
            if name == "devhost":
                print(f"devhost answers its first request {started:.2f} s after the start")
            figures[name] = {}
            for clients in CLIENTS:
                ids = (
                    opens(server.url, 4, REGISTRIES)[0]
                    if name == "devhost"
                    else [uuid.uuid4().hex for _ in range(REGISTRIES)]
                )
                figures[name][clients] = adds(server.url, clients, ids, seconds=seconds)
            server.stop()
    print(f"\nadds over {REGISTRIES} registries, {seconds:g} s each:")
    print(f"{'server':<10}{'clients':>8}{'adds/s':>10}{'median ms':>11}{'99 % ms':>10}{'of devhost':>12}")
    for name, measured in figures.items():
        for clients, each in measured.items():
            ratio = each.per_second / figures["devhost"][clients].per_second
            print(f"{name:<10}{clients:>8}{each.per_second:>10.0f}{each.median:>11.2f}{each.p99:>10.1f}{ratio:>11.1f}x")


def measure_full(seconds: float) -> None:
    """What an add costs where it is the last that fits, beside one to an empty registry; one client."""
    texts = {"empty": [], "full": ["\N{WRAPPED PRESENT}" * 80] * 64}  # nearly 64 KiB as stored
    medians = {}
    with tempfile.TemporaryDirectory() as folder:
        server = Server("devhost", Path(folder), REGISTRY_MAX_ITEMS=1000)
        server.start()
        for name, gifts in texts.items():
            ids = opens(server.url, 4, 60)[0]
            for gift in gifts:
                adds(server.url, 16, ids, count=len(ids), item=gift)
            medians[name] = adds(server.url, 1, ids, seconds=seconds, item="x").median
        server.stop()
    full, empty = medians["full"], medians["empty"]
    print(f"\nadd to a full registry: {full:.1f} ms, {full / empty:.2f}x of an empty one ({empty:.1f} ms)")


def count_messages() -> None:
    """What a call asks of the task hub, up to its answer and for a second after it."""
    print("\nasked of the task hub:")
    with VirtualHost(timers=False) as host:
        id = host.open()
        calls: dict[str, Callable[[], object]] = {
            "open": host.open,
            "add": lambda: host.add(id, "Bike"),
            "peek": lambda: host.get(f"/api/peek/{id}"),
            "finish": lambda: host.post(f"/api/finish/{id}"),
            "stats": lambda: host.get("/api/stats"),
        }
        for name, call in calls.items():
            host.advance(seconds=2)
            with host.counting() as costs:
                call()
                host.advance(seconds=1)
            print(f"  {name}: {costs.messages} messages, {costs.reads} reads")


def close_many(count: int, open_seconds: int) -> None:
    """Many registries open at once, all of which time out, under peeks; and once more after a kill."""
    print(f"\n{count} registries open at once:")
    with many_open(count, open_seconds) as (server, ids, last_deadline):
        peeking = peeks(server.url, ids, 50, last_deadline + 2 - time.monotonic())
        rate, median, p99 = peeking.per_second, peeking.median, peeking.p99
        print(f"  peeks while they close: {rate:.0f}/s, median {median:.1f} ms, 99 % {p99:.1f} ms")
        print(f"  {server.memory():.0f} MB resident when all have closed")
        server.stop()
        print_lags(server.data / "taskhub.db", datetime.min.replace(tzinfo=UTC))

    print(f"{count} registries that time out while devhost is down:")
    with many_open(count, open_seconds) as (server, _, last_deadline):
        server.stop(signal.SIGKILL)
        time.sleep(max(0, last_deadline - time.monotonic()))
        at = datetime.now(UTC)
        print(f"  first request answered {server.start():.2f} s after the start")
        while open_count(server.url) > 0:
            time.sleep(0.1)
        print(f"  all closed {(datetime.now(UTC) - at).total_seconds():.1f} s after the start")
        server.stop()
        print_lags(server.data / "taskhub.db", at)


@contextmanager
def many_open(count: int, open_seconds: int) -> Iterator[tuple[Server, list[str], float]]:
    """A devhost with so many open registries, their ids, and the last of their deadlines on the monotonic clock."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server("devhost", Path(folder), REGISTRY_OPEN_SECONDS=open_seconds)
        server.start()
        ids, opening = opens(server.url, 8, count)
        last_deadline = time.monotonic() + open_seconds
        rate, median = opening.per_second, opening.median
        print(f"  opened at {rate:.0f}/s, median {median:.1f} ms; {server.memory():.0f} MB resident")
        yield server, ids, last_deadline


def kill_often(kills: int) -> None:
    """SIGKILL under load: what is lost or doubled fails the bench."""
    with tempfile.TemporaryDirectory() as folder:
        items = kill_under_load(Path(folder), kills)
    print(f"\n{kills} times SIGKILL under load: {items} items, none lost, none doubled, every registry closed")


def open_count(url: str) -> int:
    """How many registries the stats count as open."""
    with urllib.request.urlopen(f"{url}/api/stats") as response:
        return int(json.load(response)["openCount"])


def print_lags(path: Path, not_before: datetime) -> None:
    """From the deadline of each registry, or from a later start of the host, to the end of its orchestration."""
    store = Store(path)
    lags, after = [], ""
    while page := store.instances(Query(after=after, limit=1000)):
        for instance in page:
            assert instance.status == "Completed", instance
            closes_at = from_text(json.loads(json.loads(instance.input or ""))["birth"]["closes_at"])
            lags.append((from_timestamp(instance.updated) - max(closes_at, not_before)).total_seconds())
        after = page[-1].id
    store.close()
    lags.sort()
    print(f"  closed after their deadline: median {lags[len(lags) // 2]:.3f} s, last {lags[-1]:.3f} s, all {len(lags)}")


def main() -> None:
    """Run the scenarios."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure devhost.")
    parser.add_argument("--seconds", type=float, default=5, help="length of each run of adds (default: 5)")
    parser.add_argument("--registries", type=int, default=10_000, help="how many are open at once (default: 10000)")
    parser.add_argument("--open-seconds", type=int, default=90, help="how long they live (default: 90)")
    parser.add_argument("--kills", type=int, default=50, help="how often it is killed under load (default: 50)")
    options = parser.parse_args()
    measure_adds(options.seconds)
    measure_full(options.seconds)
    count_messages()
    close_many(options.registries, options.open_seconds)
    kill_often(options.kills)


if __name__ == "__main__":
    main()
