"""Many registries that close, and kills under load."""

import json
import signal
import sqlite3
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.load import opens, peeks
from bench.servers import Server, progress
from tests.e2e.test_crash import kill_under_load


def close_many(count: int, open_seconds: int) -> None:
    """Measure many registries that time out at once: under peeks, and after a kill."""
    progress(f"{count} registries open at once")
    print(f"\n{count} registries open at once:")
    with many_open(count, open_seconds) as (server, ids, last_deadline):
        peeking = peeks(server.url, ids, 50, last_deadline + 2 - time.monotonic())
        rate, median, p99 = peeking.per_second, peeking.median, peeking.p99
        print(f"  peeks while they close: {rate:.0f}/s, median {median:.1f} ms, 99 % {p99:.1f} ms")
        print(f"  {server.memory():.0f} MB resident when all have closed")
        server.stop()
        print_lags(server.data / "taskhub.db", open_seconds)

    progress(f"{count} registries that time out while devhost is down")
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
        print_lags(server.data / "taskhub.db", open_seconds, not_before=at)


@contextmanager
def many_open(count: int, open_seconds: int) -> Iterator[tuple[Server, list[str], float]]:
    """Start a devhost and open registries.

    Yields the server, their ids, and the last of their deadlines by the monotonic clock.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = Server("devhost", Path(folder), REGISTRY_OPEN_SECONDS=open_seconds)
        server.start()
        ids, opening = opens(server.url, 8, count)
        last_deadline = time.monotonic() + open_seconds
        rate, median = opening.per_second, opening.median
        print(
            f"  opened at {rate:.0f}/s, median {median:.1f} ms; {server.memory():.0f} MB resident"
        )
        yield server, ids, last_deadline


def kill_often(kills: int) -> None:
    """Kill the server under load; fails if an item is lost or doubled."""
    progress(f"{kills} times SIGKILL under load")
    with tempfile.TemporaryDirectory() as folder:
        items = kill_under_load(Path(folder), kills)
    print(f"\n{kills} times SIGKILL under load: {items} items, none lost, none doubled, ", end="")
    print("every registry closed")


def open_count(url: str) -> int:
    """Return how many registries are open by the stats."""
    with urllib.request.urlopen(f"{url}/api/stats") as response:
        return int(json.load(response)["openCount"])


def print_lags(path: Path, open_seconds: int, not_before: datetime | None = None) -> None:
    """Print how long after its deadline, or a later start of the host, each orchestration ended."""
    db = sqlite3.connect(path)
    rows = db.execute("SELECT status, created, updated FROM instances").fetchall()
    db.close()

    lags = []
    for status, created, updated in rows:
        assert status == "Completed", status
        due = datetime.fromisoformat(created) + timedelta(seconds=open_seconds)
        ended = datetime.fromisoformat(updated)
        lags.append((ended - max(due, not_before or due)).total_seconds())
    print(f"  closed after their deadline: median {statistics.median(lags):.3f} s, ", end="")
    print(f"last {max(lags):.3f} s, all {len(lags)}")
