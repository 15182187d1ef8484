"""SIGKILL at any instant: what was acknowledged stays, once, and every registry still closes."""

import random
import resource
import threading
import time
import uuid
from pathlib import Path

import pytest
import requests

from tests.e2e.process import Devhost

REGISTRIES = 10
CLIENTS = 4


class Load:
    """Clients that add items, each under a key of its own, and retry until an outcome is sure."""

    def __init__(self, host: Devhost, ids: list[str]) -> None:
        self.acknowledged: dict[str, set[str]] = {id: set() for id in ids}
        self.attempted: dict[str, set[str]] = {id: set() for id in ids}
        self.unexpected: list[str] = []
        self._host = host
        self._done = threading.Event()
        self._clients = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        for client in self._clients:
            client.join(30)

    def _run(self) -> None:
        session = requests.Session()
        while not self._done.is_set():
            id, item = random.choice(list(self.attempted)), uuid.uuid4().hex
            self.attempted[id].add(item)
            while not self._done.is_set() and not self._has_outcome(session, id, item):
                time.sleep(0.01)  # the host is down, or does not know yet

    def _has_outcome(self, session: requests.Session, id: str, item: str) -> bool:
        url, key = f"{self._host.url}/api/add/{id}", {"Idempotency-Key": item}
        try:
            answer = session.post(url, params={"item": item}, headers=key, timeout=15)
        except requests.RequestException:
            return False
        if answer.status_code == 200:
            self.acknowledged[id].add(item)
        elif answer.status_code not in (202, 503) and "full" not in answer.text:
            self.unexpected.append(answer.text)
        return answer.status_code in (200, 409)


@pytest.mark.verify
def test_a_kill_under_load_loses_and_doubles_nothing(tmp_path) -> None:
    """The host is killed again and again; each registry closes with what was acknowledged, once."""
    assert kill_under_load(tmp_path, kills=4) > 4


def kill_under_load(folder: Path, kills: int) -> int:
    """Kill a host so many times while clients add, and check every registry.

    Returns how many items they have.
    """
    with Devhost(folder / "data", REGISTRY_OPEN_SECONDS=3600, REGISTRY_MAX_ITEMS=1000) as host:
        ids = [requests.post(f"{host.url}/api/open").json()["id"] for _ in range(REGISTRIES)]
        with Load(host, ids) as load:
            for _ in range(kills):
                time.sleep(random.uniform(0.05, 0.5))
                host.kill()
                host.start()
            time.sleep(0.5)

        assert load.unexpected == []
        count = 0
        for id in ids:
            finished = requests.post(f"{host.url}/api/finish/{id}").json()
            assert finished["status"] == "Closed"
            items = finished["registry"]["items"]
            assert len(items) == len(set(items))
            assert load.acknowledged[id] <= set(items) <= load.attempted[id]
            count += len(items)
        assert stats_of_closed(host) == {
            "registryCount": REGISTRIES,
            "itemsCount": count,
            "openCount": 0,
            "closedCount": REGISTRIES,
            "processing": {"off": REGISTRIES, "pending": 0, "delivered": 0, "failed": 0},
        }
    return count


def stats_of_closed(host: Devhost) -> dict:
    """The stats once all registries are closed in them, which is soon after the close."""
    for _ in range(200):
        stats = requests.get(f"{host.url}/api/stats").json()
        if stats["openCount"] == 0:
            break
        time.sleep(0.05)
    return stats


def test_a_full_disk_loses_nothing(tmp_path) -> None:
    """What does not fit is not acknowledged, and when there is room again everything goes on."""
    with Devhost(tmp_path / "data") as host:
        id = requests.post(f"{host.url}/api/open").json()["id"]
        used = sum(file.stat().st_size for file in (tmp_path / "data").iterdir())
        host.limit_files(used + 100_000)
        answers: dict[str, int] = {}
        for number in range(200):
            key = f"key-{number}"
            url = f"{host.url}/api/add/{id}"
            answer = requests.post(
                url, json={"item": f"{number} " + "x" * 1000}, headers={"Idempotency-Key": key}
            )
            answers[key] = answer.status_code
            if answer.status_code != 200:
                break
        assert answers.pop(key) in (202, 503)
        assert set(answers.values()) == {200}
        assert requests.get(f"{host.url}/api/peek/{id}").json()["status"] == "Open"
        host.limit_files(resource.RLIM_INFINITY)
        again = requests.post(
            url, json={"item": f"{number} " + "x" * 1000}, headers={"Idempotency-Key": key}
        )
        assert again.status_code == 200
        items = requests.post(f"{host.url}/api/finish/{id}").json()["registry"]["items"]
        assert [int(item.split()[0]) for item in items] == list(range(len(answers) + 1))


def test_a_timer_that_fell_due_while_the_host_was_down_fires_at_the_start(tmp_path) -> None:
    """And the registry is closed as of its deadline."""
    with Devhost(tmp_path / "data", REGISTRY_OPEN_SECONDS=2) as host:
        opened = requests.post(f"{host.url}/api/open").json()
        requests.post(f"{host.url}/api/add/{opened['id']}", params={"item": "Bike"})
        host.kill()
        time.sleep(2.1)
        host.start()
        shown = requests.get(f"{host.url}/api/peek/{opened['id']}").json()
        assert shown["registry"]["closedAt"] == opened["closesAt"]
        stats = stats_of_closed(host)
        del stats["processing"]
        assert stats == {"registryCount": 1, "itemsCount": 1, "openCount": 0, "closedCount": 1}


def test_a_stop_reports_to_the_stats_what_waits(tmp_path) -> None:
    """By SIGTERM, within the second that two reports of a registry are apart."""
    with Devhost(tmp_path / "data") as host:
        id = requests.post(f"{host.url}/api/open", timeout=30).json()["id"]
        for item in ("Bike", "Book", "Ball"):
            requests.post(f"{host.url}/api/add/{id}", params={"item": item}, timeout=30)
        host.stop()
        host.start()
        counts = requests.get(f"{host.url}/api/stats", timeout=30).json()
    assert (counts["openCount"], counts["itemsCount"]) == (1, 3)
