"""Many registries at once, in a shortened form; `make bench` has the full one, with its figures."""

import time
from pathlib import Path

import pytest
import requests

from bench.load import adds, opens, peeks
from tests.e2e.process import Devhost

REGISTRIES = 100
MOST_MEMORY = 200


def wait_until_closed(host: Devhost, count: int) -> None:
    """Until the stats count them all as closed."""
    for _ in range(600):
        stats = requests.get(f"{host.url}/api/stats").json()
        if stats["openCount"] == 0:
            break
        time.sleep(0.05)
    assert (stats["registryCount"], stats["closedCount"]) == (count, count)


@pytest.mark.verify
def test_many_registries_time_out_while_others_peek(tmp_path) -> None:
    """Each closes by itself, with what is in it, and the host stays small."""
    with Devhost(tmp_path / "data", REGISTRY_OPEN_SECONDS=3) as host:
        ids, _ = opens(host.url, 1, 1)
        adds(host.url, 4, ids, seconds=0.2)
        ids += opens(host.url, 8, REGISTRIES - 1)[0]
        assert peeks(host.url, ids, per_second=50, seconds=2).per_second > 0
        wait_until_closed(host, REGISTRIES)
        items = 0
        for id in ids:
            shown = requests.get(f"{host.url}/api/peek/{id}").json()
            assert (shown["status"], shown["registry"]["closedBy"]) == ("Closed", "timeout")
            items += len(shown["registry"]["items"])
        assert requests.get(f"{host.url}/api/stats").json()["itemsCount"] == items > 0
        assert resident_memory(host) < MOST_MEMORY


@pytest.mark.verify
def test_many_timers_that_fell_due_while_the_host_was_down(tmp_path) -> None:
    """Requests are answered while they fire."""
    with Devhost(tmp_path / "data", REGISTRY_OPEN_SECONDS=3) as host:
        ids, _ = opens(host.url, 8, REGISTRIES)
        host.kill()
        time.sleep(3)
        host.start()
        assert (
            requests.get(f"{host.url}/api/peek/{ids[-1]}").json()["registry"]["closedBy"]
            == "timeout"
        )
        wait_until_closed(host, REGISTRIES)


def resident_memory(host: Devhost) -> float:
    """In MB."""
    (line,) = [
        line
        for line in Path(f"/proc/{host.pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return int(line.split()[1]) / 1024
