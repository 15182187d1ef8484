"""Old registries are forgotten: a month passes without waiting."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.testing.faults import Rates
from devhost.testing.virtual_host import START, VirtualHost
from tests.scenarios.world import (
    ERROR,
    Receiver,
    answering,
    host_with,
    peek,
    processing,
    stats,
    terminate,
)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(receiver) -> Iterator[VirtualHost]:
    """Its timers run where a test fires them."""
    with host_with(receiver, timers=False) as host:
        yield host


def traces(host: VirtualHost, id: str) -> list[object]:
    """What the task hub still has of a registry: instances, histories and state."""
    instances = [id, f"{id}-delivery"]
    kept = [host.store.instance(each) for each in instances] + [
        host.store.entity(f"@registrylist@{id}")
    ]
    return [each for each in kept if each] + [
        each for instance in instances for each in host.store.history(instance)
    ]


def status(host: VirtualHost, id: str) -> int:
    return host.request("GET", f"/api/peek/{id}").status


def test_what_closed_a_month_ago_is_forgotten(host, receiver, caplog) -> None:
    """State, life and delivery; the id is unknown then, and the stats keep counting it."""
    caplog.set_level("INFO")
    id = host.open()
    host.add(id, "Bike")
    host.post(f"/api/finish/{id}")
    host.advance(seconds=10)
    before = stats(host)
    assert before["processing"]["delivered"] == 1
    host.advance(days=30, seconds=-20)
    host.fire("forget")
    assert status(host, id) == 200
    host.advance(seconds=20)
    host.fire("forget")
    for call in ("peek", "add", "finish", "process", "remove"):
        method = "GET" if call == "peek" else "POST"
        assert host.request(method, f"/api/{call}/{id}?item=Book&itemKey=k").status == 404
    assert traces(host, id) == []
    assert stats(host) == before
    assert f"event=purged registry={id[:8]} trace=-" in caplog.messages
    assert id not in caplog.text


def test_messages_to_what_was_forgotten_change_nothing(host) -> None:
    """Whatever is still under way to it, it does not come back."""
    id = host.open()
    birth = host.store.instance(id).input
    host.advance(minutes=6)
    host.leap(days=31)
    host.fire("forget")
    message = '{"v": 1, "trace": "", "sent_at": "2026-12-24T18:00:00.000Z", "key": "k", "text": "Bike", "by": "user"'
    message += ', "birth": ' + birth_in(birth) + "}"
    for operation in ("open", "add", "close"):
        headers = {"Content_Type": "application/json"}
        path = f"/runtime/webhooks/durabletask/entities/RegistryList/{id}?op={operation}"
        assert host.post(path, message.encode(), **headers).status == 202
    assert status(host, id) == 404
    assert host.store.entity(f"@registrylist@{id}") in (None, '""', "null")


def birth_in(input: str) -> str:
    """The birth in the input of a life, as JSON."""
    return json.dumps(json.loads(json.loads(input))["birth"])


def test_zero_days_are_for_ever(host) -> None:
    """Nothing is even looked at."""
    host.choose(REGISTRY_RETENTION_DAYS=0)
    id = host.open()
    host.advance(minutes=6)
    host.leap(days=4000)
    with host.counting() as costs:
        host.fire("forget")
    assert costs == {}
    assert status(host, id) == 200


def test_what_is_open_or_closed_only_just_now_stays(host) -> None:
    """However long ago it was opened."""
    host.choose(REGISTRY_RETENTION_DAYS=1, REGISTRY_OPEN_SECONDS=86_400)
    ids = [host.open(), host.open()]
    terminate(host, ids[1])
    host.advance(hours=23)
    host.choose(REGISTRY_OPEN_SECONDS=60)
    host.advance(hours=2)
    host.fire("heal")
    host.advance(hours=2)
    host.fire("forget")
    assert [status(host, id) for id in ids] == [200, 200]
    host.advance(hours=22)
    host.fire("forget")
    assert [status(host, id) for id in ids] == [404, 404]


def test_what_is_being_sent_stays(host, receiver) -> None:
    """It is forgotten when that has ended."""
    host.choose(REGISTRY_RETENTION_DAYS=1, PROCESSING_RETRY_HOURS=48)
    receiver.is_down = True
    id = host.open()
    host.advance(hours=30)
    host.fire("forget")
    assert processing(host, id) == "pending"
    host.advance(hours=19)
    assert processing(host, id) == "failed"
    counts = stats(host)
    host.fire("forget")
    assert traces(host, id) == []
    assert stats(host) == counts


@pytest.mark.parametrize("step", range(4))
def test_an_interrupted_run_is_made_good_by_the_next(host, step, caplog) -> None:
    """Whichever step it does not get over, that is a line in the log; the next run finds what is
    left.
    """
    ids = [host.open() for _ in range(3)]
    host.advance(minutes=6)
    host.leap(days=31)
    purges = 0

    def fails(call: ManagementRequest) -> ManagementResponse | None:
        nonlocal purges
        if call.method == "DELETE" and ids[0] in call.path:
            purges += 1
            return ERROR if purges > step else None
        return None

    with answering(host, fails):
        host.fire("forget")
    assert [status(host, id) for id in ids[1:]] == [404, 404]
    assert bool(traces(host, ids[0])) == (step < 3)
    assert (f"registry {ids[0][:8]}: not forgotten yet: HubUnavailable" in caplog.messages) == (
        step < 3
    )
    host.fire("forget")
    assert traces(host, ids[0]) == []


def test_a_run_whose_query_fails_is_left_for_the_next_day(host) -> None:
    """Nothing is lost by that."""
    id = host.open()
    host.advance(minutes=6)
    host.leap(days=31)
    with answering(host, lambda call: ERROR if call.path.strip("/") == "instances" else None):
        host.fire("forget")
    assert status(host, id) == 200
    host.fire("forget")
    assert traces(host, id) == []


@pytest.mark.parametrize("seed", range(3))
def test_short_and_empty_pages_hide_nothing(seed) -> None:
    """All 150 of 150 are forgotten by one run, however the pages are cut."""
    with host_with(rates=Rates.only(page_short=0.97, page_empty=0.3), seed=seed) as host:
        ids = [host.open() for _ in range(150)]
        host.advance(minutes=6)
        host.leap(days=31)
        host.fire("forget")
        assert [id for id in ids if traces(host, id)] == []
        assert host.host.unkind.counts["page_short"] > 20
        assert host.host.unkind.counts["page_empty"] > 3


def test_full_pages_of_what_has_to_stay_hide_nothing(host, receiver) -> None:
    """What is behind them goes."""
    host.choose(REGISTRY_RETENTION_DAYS=1, PROCESSING_RETRY_HOURS=168)
    going = [host.open() for _ in range(20)]
    host.advance(minutes=6)
    receiver.always = 503
    staying = [host.open() for _ in range(120)]
    host.advance(minutes=6)
    host.leap(days=2)
    host.fire("forget")
    assert [id for id in going if traces(host, id)] == []
    assert {processing(host, id) for id in staying} == {"pending"}


def test_it_happens_every_night() -> None:
    """At three, as REGISTRY_FORGET_SCHEDULE says by default."""
    with host_with(REGISTRY_RETENTION_DAYS=1, start=START + timedelta(hours=8, minutes=30)) as host:
        id = host.open()
        host.advance(minutes=6)
        host.leap(hours=23, minutes=50)
        host.advance(minutes=33)
        assert peek(host, id)["status"] == "Closed"
        host.advance(minutes=2)
        assert status(host, id) == 404
