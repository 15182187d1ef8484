"""Old registries are deleted: a month passes at once."""

from datetime import timedelta

import pytest

from devhost.testing import (
    START,
    FaultRates,
    ManagementRequest,
    ManagementResponse,
    virtual_time,
)
from tests.support.cases import cases
from tests.support.registry_host import ERROR, PURGE, RECONCILE, Receiver, RegistryHost


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(receiver) -> RegistryHost:
    """Its timer functions only run when a test runs them."""
    return RegistryHost(receiver, timers=False)


def remains(host: RegistryHost, id: str) -> list[object]:
    """What the task hub still has of a registry: instances, histories and state."""
    instances = [id, f"{id}-delivery"]
    kept = [host.instance(each) for each in instances] + [host.list_state(id)]
    histories = [event for each in instances for event in host.store.history(each)]
    return [each for each in kept if each] + histories


async def status(host: RegistryHost, id: str) -> int:
    """The status of a peek."""
    return (await host.get(f"/api/peek/{id}")).status


async def close_some(host: RegistryHost, count: int, days: int = 31) -> list[str]:
    """Open registries that time out, and let days pass; returns their ids."""
    ids = [await host.open() for _ in range(count)]
    await host.advance(minutes=6)
    host.suspend(days=days)
    return ids


@virtual_time
async def test_what_closed_a_month_ago_is_purged(host, caplog) -> None:
    """With its orchestration and delivery. Its id is unknown then; the stats still count it."""
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
        response = await host.request(method, f"/api/{call}/{id}?item=Book&itemKey=k")
        assert response.status == 404
    assert remains(host, id) == []
    assert await host.stats() == before
    assert "event=purged registries=1 skipped=0" in caplog.messages
    assert id not in caplog.text


@virtual_time
async def test_messages_to_what_was_purged_change_nothing(host) -> None:
    """Messages that were on their way do not bring it back."""
    sent = []

    def note(request: ManagementRequest) -> None:
        if request.method == "POST" and request.path.startswith("entities/RegistryList/"):
            sent.append(request)

    with host.intercepting(note):
        id = await host.open()
        await host.add(id, "Bike")
        await host.finish(id)
    host.suspend(days=31)
    await host.run_timer(PURGE)
    assert {request.query["op"] for request in sent} >= {"open", "add", "close"}

    for request in sent:
        assert (await host.management.answer(request)).status == 202
    await host.run_until_idle()
    assert await status(host, id) == 404
    assert host.list_state(id) in (None, '""', "null")


@virtual_time
async def test_zero_days_keep_everything_for_ever(host) -> None:
    """The task hub is not even asked."""
    await host.restart(REGISTRY_RETENTION_DAYS=0)
    (id,) = await close_some(host, 1, days=4000)
    with host.counting() as costs:
        await host.run_timer(PURGE)
    assert costs == {}
    assert await status(host, id) == 200


@virtual_time
async def test_what_is_open_or_closed_only_lately_stays(host) -> None:
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
    """It is purged after that has ended."""
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
    assert remains(host, id) == []
    assert await host.stats() == counts


@pytest.mark.parametrize("step", range(4))
@virtual_time
async def test_an_interrupted_run_is_made_good_by_the_next(host, step, caplog) -> None:
    """A step that fails is logged, and stops no other; the next run finds what is left."""
    first, *others = await close_some(host, 3)
    purges = 0

    def fail(request: ManagementRequest) -> ManagementResponse | None:
        nonlocal purges
        if request.method == "DELETE" and first in request.path:
            purges += 1
            return ERROR if purges > step else None
        return None

    with host.intercepting(fail):
        await host.run_timer(PURGE)
    assert [await status(host, id) for id in others] == [404, 404]
    has_failed = step < 3
    assert bool(remains(host, first)) == has_failed
    assert any(f"registry {first[:8]}: not" in each for each in caplog.messages) == has_failed

    await host.run_timer(PURGE)
    assert remains(host, first) == []


@virtual_time
async def test_a_run_whose_query_fails_is_made_good_the_next_day(host) -> None:
    """Nothing is lost by that."""
    (id,) = await close_some(host, 1)
    with host.intercepting(lambda each: ERROR if each.path.strip("/") == "instances" else None):
        await host.run_timer(PURGE)
    assert await status(host, id) == 200
    await host.run_timer(PURGE)
    assert remains(host, id) == []


@pytest.mark.parametrize("seed", cases(range(3), [1]))
@virtual_time
async def test_short_and_empty_pages_hide_nothing(seed) -> None:
    """150 registries are purged by one run, however the pages are cut."""
    rates = FaultRates.only(page_short=0.97, page_empty=0.3)
    async with RegistryHost(rates=rates, seed=seed) as host:
        ids = await close_some(host, 150)
        await host.run_timer(PURGE)
        assert [id for id in ids if remains(host, id)] == []
        assert host.faults.counts["page_short"] > 20
        assert host.faults.counts["page_empty"] > 3


@pytest.mark.verify
@virtual_time
async def test_full_pages_of_what_has_to_stay_hide_nothing(host, receiver) -> None:
    """What comes after them is purged."""
    await host.restart(REGISTRY_RETENTION_DAYS=1, PROCESSING_RETRY_HOURS=168)
    going = await close_some(host, 20, days=0)
    receiver.always = 503
    staying = await close_some(host, 120, days=2)
    await host.run_timer(PURGE)
    assert [id for id in going if remains(host, id)] == []
    assert {await host.processing(id) for id in staying} == {"pending"}


@virtual_time
async def test_it_runs_at_three_in_the_night() -> None:
    """By itself."""
    start = START + timedelta(hours=8, minutes=30)
    async with RegistryHost(REGISTRY_RETENTION_DAYS=1, start=start) as host:
        id = await host.open()
        await host.advance(minutes=6)
        host.suspend(hours=23, minutes=50)
        await host.advance(minutes=33)
        assert (await host.peek(id))["status"] == "Closed"
        await host.advance(minutes=2)
        assert await status(host, id) == 404
