"""The life of a registry, start to end, on devhost and in virtual time: five minutes pass without waiting."""

import json

import pytest
from registry.entities import STATS_SHARDS

from tests.virtual import VirtualHost


@pytest.fixture(params=["memory", "file"])
def host(request, tmp_path):
    with VirtualHost(tmp_path / "hub.db" if request.param == "file" else None) as host:
        yield host


def counts(host) -> tuple[int, ...]:
    """registryCount, itemsCount, openCount, closedCount."""
    return tuple(host.get("/api/stats").values())[:4]


def test_nobody_finishes_it(host) -> None:
    """After five minutes, and not before, it is closed by the time-out."""
    id = host.open()
    assert host.add(id, "Bike").status_code == 200
    host.advance(minutes=4, seconds=59, milliseconds=999)
    assert host.get(f"/api/peek/{id}")["status"] == "Open"
    assert host.add(id, "Book").status_code == 200
    host.advance(milliseconds=1)
    shown = host.get(f"/api/peek/{id}")
    assert shown["status"] == "Closed"
    assert shown["registry"]["items"] == ["Bike", "Book"]
    assert shown["registry"]["closedBy"] == "timeout"
    assert shown["registry"]["closedAt"] == shown["registry"]["closesAt"]
    assert host.add(id, "Ball").status_code == 409
    assert host.store.instance(id).status == "Completed"
    assert json.loads(host.store.instance(id).output) == {"closedBy": "timeout", "itemsCount": 2}
    assert counts(host) == (1, 2, 0, 1)


def test_somebody_finishes_it(host) -> None:
    """Then nothing is left to happen, and a second finish shows the same."""
    id = host.open()
    host.add(id, "Bike")
    host.clock.advance(minutes=1)
    finished = host.get(f"/api/finish/{id}")
    assert finished["registry"]["closedBy"] == "user"
    assert finished["registry"]["closedAt"] == "2026-12-24T18:01:00.000Z"
    assert host.store.next_due() is None
    assert host.store.instance(id).status == "Completed"
    host.advance(minutes=10)
    assert host.get(f"/api/finish/{id}") == host.get(f"/api/peek/{id}") == finished
    assert counts(host) == (1, 1, 0, 1)


def test_a_late_timer_does_not_show(host) -> None:
    """From closesAt on it is closed for everybody, while the timer has yet to fire."""
    id = host.open()
    host.clock.advance(minutes=5)
    run, host.run = host.run, lambda: None  # the host is too busy for turns
    assert host.get(f"/api/peek/{id}")["registry"]["closedBy"] == "timeout"
    assert host.add(id, "Bike").status_code == 409
    assert host.get(f"/api/finish/{id}")["registry"]["closedBy"] == "timeout"
    host.run = run
    host.run()
    assert host.get(f"/api/peek/{id}")["registry"]["items"] == []


def test_a_finish_that_comes_too_late_does_not_win(host) -> None:
    """Raised before the end, taken after it: the time-out has closed the registry, as everybody was shown."""
    id = host.open()
    with host.store.transaction():
        host.engine.raise_event(id, "finish", "null")
    host.clock.advance(minutes=6)
    assert host.get(f"/api/peek/{id}")["registry"]["closedBy"] == "timeout"
    host.run()
    assert host.get(f"/api/peek/{id}")["registry"]["closedBy"] == "timeout"
    assert counts(host) == (1, 0, 0, 1)


def test_right_after_open_it_is_open(host) -> None:
    """While the orchestration is pending, peek shows it, and add and finish wait for it."""
    run, host.run = host.run, lambda: None
    id = host.open()
    assert host.store.instance(id).status == "Pending"
    assert host.get(f"/api/peek/{id}")["status"] == "Open"
    assert counts(host) == (0, 0, 0, 0)
    host.clock.on_sleep = run
    host.run = lambda: None if host.store.instance(id).status == "Pending" else run()
    assert host.add(id, "Bike").status_code == 200
    assert host.get(f"/api/finish/{id}")["registry"]["items"] == ["Bike"]


def test_a_signal_to_an_id_that_was_never_opened_leaves_nothing(host) -> None:
    """No state, no count."""
    assert host.add("f" * 32, "Bike").status_code == 404
    with host.store.transaction():
        host.engine.signal("@registrylist@" + "f" * 32, "add", json.dumps('["k", "Bike", ""]'))
    host.run()
    assert host.store.entity("@registrylist@" + "f" * 32) is None
    assert host.get("/api/stats")["registryCount"] == 0


@pytest.mark.parametrize("delivery", ["late", "twice", "twice, late"])
def test_an_add_counts_once_however_its_signal_arrives(host, delivery) -> None:
    """And is there when it is acknowledged."""
    id = host.open()
    host.deliveries.next = [delivery]
    answer = host.add(id, "Bike", key="k1")
    assert answer.status_code == 200
    host.deliver_held()
    assert host.add(id, "Bike", key="k1").get_body() == answer.get_body()
    assert host.get(f"/api/peek/{id}")["registry"]["items"] == ["Bike"]


def test_an_acknowledged_add_survives_a_restart(tmp_path) -> None:
    """With the file of the task hub."""
    with VirtualHost(tmp_path / "hub.db") as host:
        id = host.open()
        host.add(id, "Bike")
    with VirtualHost(tmp_path / "hub.db") as host:
        assert host.get(f"/api/peek/{id}")["registry"]["items"] == ["Bike"]
        host.advance(minutes=5)
        assert counts(host) == (1, 1, 0, 1)


def test_the_stats_are_spread_over_their_shards(host) -> None:
    """Many registries, all counted."""
    for _ in range(64):
        host.open()
    used = sum(host.store.entity(f"@registrystats@{shard}") is not None for shard in range(STATS_SHARDS))
    assert used > STATS_SHARDS // 2
    assert counts(host) == (64, 0, 64, 0)
    host.advance(minutes=5)
    assert counts(host) == (64, 0, 0, 64)
