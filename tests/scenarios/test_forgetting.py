"""Old registries are forgotten: a month passes without waiting."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from devhost.testing import START, FaultRates, VirtualHost, virtual_time
from tests.support.registry_host import ERROR, PURGE, RECONCILE, Receiver, RegistryHost


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(receiver) -> Iterator[VirtualHost]:
    """Its timers run where a test fires them."""
    async with RegistryHost(receiver, timers=False) as host:
        yield host


def traces(host: VirtualHost, id: str) -> list[object]:
    """What the task hub still has of a registry: instances, histories and state."""
    instances = [id, f"{id}-delivery"]
    kept = [host.instance(each) for each in instances] + [host.list_state(id)]
    return [each for each in kept if each] + [
        each for instance in instances for each in host.store.history(instance)
    ]


async def status(host: VirtualHost, id: str) -> int:
    return (await host.request("GET", f"/api/peek/{id}")).status


@virtual_time
async def test_what_closed_a_month_ago_is_forgotten(host, receiver, caplog) -> None:
    """State, life and delivery; the id is unknown then, and the stats keep counting it."""
    caplog.set_level("INFO")
    id = await host.open()
    await host.add(id, "Bike")
    await host.finish(id)
    await host.advance(seconds=10)
    before = await host.stats()
    assert before["processing"]["delivered"] == 1
    await host.advance(days=30, seconds=-20)
    await host.run_timer(PURGE)
    assert await status(host, id) == 200
    await host.advance(seconds=20)
    await host.run_timer(PURGE)
    for call in ("peek", "add", "finish", "process", "remove"):
        method = "GET" if call == "peek" else "POST"
        assert (await host.request(method, f"/api/{call}/{id}?item=Book&itemKey=k")).status == 404
    assert traces(host, id) == []
    assert await host.stats() == before
    assert f"event=purged registry={id[:8]} trace=-" in caplog.messages
    assert id not in caplog.text


@virtual_time
async def test_messages_to_what_was_forgotten_change_nothing(host) -> None:
    """Whatever is still under way to it, it does not come back."""
    id = await host.open()
    birth = host.instance(id).input
    await host.advance(minutes=6)
    host.suspend(days=31)
    await host.run_timer(PURGE)
    message = '{"v": 1, "trace": "", "sent_at": "2026-12-24T18:00:00.000Z", "key": "k", "text": "Bike", "by": "user"'
    message += ', "birth": ' + birth_in(birth) + "}"
    for operation in ("open", "add", "close"):
        headers = {"Content_Type": "application/json"}
        path = f"/runtime/webhooks/durabletask/entities/RegistryList/{id}?op={operation}"
        assert (await host.post(path, message.encode(), **headers)).status == 202
    assert await status(host, id) == 404
    assert host.list_state(id) in (None, '""', "null")


def birth_in(input: str) -> str:
    """The birth in the input of a life, as JSON."""
    return json.dumps(json.loads(json.loads(input))["birth"])


@virtual_time
async def test_zero_days_are_for_ever(host) -> None:
    """Nothing is even looked at."""
    await host.restart(REGISTRY_RETENTION_DAYS=0)
    id = await host.open()
    await host.advance(minutes=6)
    host.suspend(days=4000)
    with host.counting() as costs:
        await host.run_timer(PURGE)
    assert costs == {}
    assert await status(host, id) == 200


@virtual_time
async def test_what_is_open_or_closed_only_just_now_stays(host) -> None:
    """However long ago it was opened."""
    await host.restart(REGISTRY_RETENTION_DAYS=1, REGISTRY_OPEN_SECONDS=86_400)
    ids = [await host.open(), await host.open()]
    await host.terminate(ids[1])
    await host.advance(hours=23)
    await host.restart(REGISTRY_OPEN_SECONDS=60)
    await host.advance(hours=2)
    await host.run_timer(RECONCILE)
    await host.advance(hours=2)
    await host.run_timer(PURGE)
    assert [await status(host, id) for id in ids] == [200, 200]
    await host.advance(hours=22)
    await host.run_timer(PURGE)
    assert [await status(host, id) for id in ids] == [404, 404]


@virtual_time
async def test_what_is_being_sent_stays(host, receiver) -> None:
    """It is forgotten when that has ended."""
    await host.restart(REGISTRY_RETENTION_DAYS=1, PROCESSING_RETRY_HOURS=48)
    receiver.is_down = True
    id = await host.open()
    await host.advance(hours=30)
    await host.run_timer(PURGE)
    assert await host.processing(id) == "pending"
    await host.advance(hours=19)
    assert await host.processing(id) == "failed"
    counts = await host.stats()
    await host.run_timer(PURGE)
    assert traces(host, id) == []
    assert await host.stats() == counts


@pytest.mark.parametrize("step", range(4))
@virtual_time
async def test_an_interrupted_run_is_made_good_by_the_next(host, step, caplog) -> None:
    """Whichever step it does not get over, that is a line in the log; the next run finds what is
    left.
    """
    ids = [await host.open() for _ in range(3)]
    await host.advance(minutes=6)
    host.suspend(days=31)
    purges = 0

    def fails(call: Call) -> Reply | None:
        nonlocal purges
        if call.method == "DELETE" and ids[0] in call.path:
            purges += 1
            return ERROR if purges > step else None
        return None

    with host.intercepting(fails):
        await host.run_timer(PURGE)
    assert [await status(host, id) for id in ids[1:]] == [404, 404]
    assert bool(traces(host, ids[0])) == (step < 3)
    assert (f"registry {ids[0][:8]}: not forgotten yet: HubUnavailable" in caplog.messages) == (
        step < 3
    )
    await host.run_timer(PURGE)
    assert traces(host, ids[0]) == []


@virtual_time
async def test_a_run_whose_query_fails_is_left_for_the_next_day(host) -> None:
    """Nothing is lost by that."""
    id = await host.open()
    await host.advance(minutes=6)
    host.suspend(days=31)
    with host.intercepting(lambda call: ERROR if call.path.strip("/") == "instances" else None):
        await host.run_timer(PURGE)
    assert await status(host, id) == 200
    await host.run_timer(PURGE)
    assert traces(host, id) == []


@pytest.mark.parametrize("seed", range(3))
@virtual_time
async def test_short_and_empty_pages_hide_nothing(seed) -> None:
    """All 150 of 150 are forgotten by one run, however the pages are cut."""
    async with RegistryHost(
        rates=FaultRates.only(page_short=0.97, page_empty=0.3), seed=seed
    ) as host:
        ids = [await host.open() for _ in range(150)]
        await host.advance(minutes=6)
        host.suspend(days=31)
        await host.run_timer(PURGE)
        assert [id for id in ids if traces(host, id)] == []
        assert host.faults.counts["page_short"] > 20
        assert host.faults.counts["page_empty"] > 3


@virtual_time
async def test_full_pages_of_what_has_to_stay_hide_nothing(host, receiver) -> None:
    """What is behind them goes."""
    await host.restart(REGISTRY_RETENTION_DAYS=1, PROCESSING_RETRY_HOURS=168)
    going = [await host.open() for _ in range(20)]
    await host.advance(minutes=6)
    receiver.always = 503
    staying = [await host.open() for _ in range(120)]
    await host.advance(minutes=6)
    host.suspend(days=2)
    await host.run_timer(PURGE)
    assert [id for id in going if traces(host, id)] == []
    assert {await host.processing(id) for id in staying} == {"pending"}


@virtual_time
async def test_it_happens_every_night() -> None:
    """At three, as REGISTRY_FORGET_SCHEDULE says by default."""
    async with RegistryHost(
        REGISTRY_RETENTION_DAYS=1, start=START + timedelta(hours=8, minutes=30)
    ) as host:
        id = await host.open()
        await host.advance(minutes=6)
        host.suspend(hours=23, minutes=50)
        await host.advance(minutes=33)
        assert (await host.peek(id))["status"] == "Closed"
        await host.advance(minutes=2)
        assert await status(host, id) == 404
