"""Many registries that close, and kills under load."""

import json
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.load import opens, peeks
from bench.servers import Server, progress
from devhost.replay.protocol import from_timestamp
from devhost.storage.rows import Query
from devhost.storage.sqlite import open_store
from registry.domain.moments import from_text
from tests.e2e.test_crash import kill_under_load


def close_many(count: int, open_seconds: int) -> None:
    """Many registries open at once, all of which time out, under peeks; and once more after a kill."""
    progress(f"{count} registries open at once")
    print(f"\n{count} registries open at once:")
    with many_open(count, open_seconds) as (server, ids, last_deadline):
        peeking = peeks(server.url, ids, 50, last_deadline + 2 - time.monotonic())
        rate, median, p99 = peeking.per_second, peeking.median, peeking.p99
        print(f"  peeks while they close: {rate:.0f}/s, median {median:.1f} ms, 99 % {p99:.1f} ms")
        print(f"  {server.memory():.0f} MB resident when all have closed")
        server.stop()
        print_lags(server.data / "taskhub.db", datetime.min.replace(tzinfo=UTC))

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
        print_lags(server.data / "taskhub.db", at)


@contextmanager
def many_open(count: int, open_seconds: int) -> Iterator[tuple[Server, list[str], float]]:
    """A devhost with so many open registries, their ids, and the last of their deadlines on the
    monotonic clock.
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
    """SIGKILL under load: what is lost or doubled fails the bench."""
    progress(f"{kills} times SIGKILL under load")
    with tempfile.TemporaryDirectory() as folder:
        items = kill_under_load(Path(folder), kills)
    print(
        f"\n{kills} times SIGKILL under load: {items} items, none lost, none doubled, every registry closed"
    )


def open_count(url: str) -> int:
    """How many registries the stats count as open."""
    with urllib.request.urlopen(f"{url}/api/stats") as response:
        return int(json.load(response)["openCount"])


def print_lags(path: Path, not_before: datetime) -> None:
    """From the deadline of each registry, or from a later start of the host, to the end of its
    orchestration.
    """
    store = open_store(path)
    lags, after = [], ""
    while page := store.instances(Query(after=after, limit=1000)):
        for instance in page:
            assert instance.status == "Completed", instance
            closes_at = from_text(
                json.loads(json.loads(instance.input or ""))["birth"]["closes_at"]
            )
            lags.append(
                (from_timestamp(instance.updated) - max(closes_at, not_before)).total_seconds()
            )
        after = page[-1].id
    store.close()
    lags.sort()
    print(
        f"  closed after their deadline: median {lags[len(lags) // 2]:.3f} s, last {lags[-1]:.3f} s, all {len(lags)}"
    )
