"""Commits are late, and batches of entities run again: what callers see holds all the same."""

import asyncio
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from devhost.testing import CommitFault, FaultRates, Faults, virtual_time
from tests.support.cases import cases
from tests.support.registry_host import Receiver, RegistryHost, moment, without_processing

SECONDS = 30


@pytest.fixture(autouse=True)
def commits_take_two_seconds() -> Iterator[None]:
    """From the moment when a batch has run, and its replies have left."""
    with (
        patch("devhost.testing.faults.COMMIT_SECONDS", (2, 2)),
        patch("devhost.testing.faults.LONG_COMMITS", 0),
    ):
        yield


@pytest.fixture
def host() -> RegistryHost:
    """A host that commits late."""
    return RegistryHost(rates=FaultRates.only(commit_late=1), REGISTRY_OPEN_SECONDS=SECONDS)


async def open_on_record(host: RegistryHost) -> tuple[str, float]:
    """Open a registry, and wait for its commit; returns its id, and the seconds until its end."""
    id = await host.open()
    await host.advance(seconds=3)
    closes_at = moment((await host.peek(id))["registry"]["closesAt"])
    return id, (closes_at - host.now()).total_seconds()


@pytest.mark.parametrize("before", [0.001, 0.1, 0.5])
@pytest.mark.parametrize("seen_by", ["peek", "finish", "add"])
@virtual_time
async def test_an_item_that_is_committed_after_the_end_is_in_what_is_shown_as_closed(
    host, before, seen_by
) -> None:
    """200 ms after closesAt nobody sees a closed registry without an item that is acknowledged
    later; after that nothing changes.
    """
    id, rest = await open_on_record(host)

    async def add_late():
        await host.sleep(rest - before)
        return await host.call("POST", f"/api/add/{id}?item=Bike", {"Idempotency-Key": "k"})

    async def look():
        await host.sleep(rest + 0.2)
        path = {
            "peek": f"/api/peek/{id}",
            "finish": f"/api/finish/{id}",
            "add": f"/api/add/{id}?item=Book",
        }
        return await host.call("GET", path[seen_by])

    added, seen = await asyncio.gather(add_late(), look())
    shown = await host.peek(id)
    assert shown["status"] == "Closed"
    assert (shown["registry"]["items"] == ["Bike"]) == (added.status == 200)
    assert added.status in (200, 409)
    if seen_by == "add":
        assert seen.status == 409
    else:
        assert seen.json() == shown

    await host.advance(minutes=3)
    assert await host.peek(id) == shown


@virtual_time
async def test_an_item_that_is_refused_is_never_in_the_registry(host) -> None:
    """It is sent again and again while the close is on its way, until it is refused for good."""
    id, rest = await open_on_record(host)

    async def insist(number: int) -> tuple[str, int]:
        await host.sleep(rest - 0.3 + number * 0.1)
        path, headers = f"/api/add/{id}?item={number}", {"Idempotency-Key": str(number)}
        statuses = [(await host.call("POST", path, headers)).status for _ in range(3)]
        assert len(set(statuses)) == 1
        return str(number), statuses[-1]

    statuses = dict(await asyncio.gather(*map(insist, range(8))))
    await host.advance(minutes=1)
    added = {key for key, status in statuses.items() if status == 200}
    assert set((await host.peek(id))["registry"]["items"]) == added
    assert set(statuses.values()) == {200, 409}


@pytest.mark.parametrize("before", [0.001, 0.5, 1.5])
@virtual_time
async def test_a_finish_never_changes_who_closed(host, before) -> None:
    """Whoever was shown first as having closed it, and when, stays so."""
    id, rest = await open_on_record(host)
    seen = []

    async def finish() -> None:
        await host.sleep(rest - before)
        seen.append((await host.call("POST", f"/api/finish/{id}")).json())

    async def look() -> None:
        await host.sleep(rest - 1)
        for _ in range(60):
            await host.sleep(0.1)
            shown = (await host.call("GET", f"/api/peek/{id}")).json()
            if shown["status"] == "Closed":
                seen.append(shown)

    await asyncio.gather(finish(), look(), look())
    await host.advance(minutes=2)
    seen.append(await host.peek(id))
    assert len(seen) > 10
    closes = {(each["registry"]["closedBy"], each["registry"]["closedAt"]) for each in seen}
    assert len(closes) == 1


class RunsAgain(Faults):
    """The next batches are thrown away after their replies have left, and run again 5 s later."""

    def __init__(self) -> None:
        super().__init__(0, FaultRates.only())
        self.next = 0

    def commit_fault(self) -> tuple[CommitFault, float]:
        self.next -= 1
        return (RUN_AGAIN, 5.0) if self.next >= 0 else (COMMITTED, 0.0)


COMMITTED: CommitFault = "committed"
RUN_AGAIN: CommitFault = "executed again"


@pytest.mark.parametrize("before", [2, 4.9, 30])
@pytest.mark.parametrize("batches", [1, 2, 3])
@virtual_time
async def test_registry_stats_and_delivery_agree_on_a_close_that_runs_twice(
    before, batches
) -> None:
    """Also if it runs before the end at first and then after it: the commit counts."""
    receiver, faults = Receiver(), RunsAgain()
    async with RegistryHost(receiver, faults=faults, REGISTRY_OPEN_SECONDS=60) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.advance(seconds=60 - before)

        faults.next = batches
        add, finish = await asyncio.gather(
            host.call("POST", f"/api/add/{id}?item=Book", {"Idempotency-Key": "k"}),
            host.call("POST", f"/api/finish/{id}"),
        )
        await host.advance(minutes=4)
        assert faults.next < 0

        shown = (await host.peek(id))["registry"]
        assert add.status in (200, 202, 409)
        if add.status != 202:
            assert ("Book" in shown["items"]) == (add.status == 200)
        if finish.status == 200:
            finished = finish.json()["registry"]
            assert without_processing(finished) == without_processing(shown)

        counts = await host.stats()
        assert (counts["closedCount"], counts["itemsCount"]) == (1, len(shown["items"]))
        assert counts["processing"] == {"off": 0, "pending": 0, "delivered": 1, "failed": 0}
        (delivery,) = receiver.deliveries
        assert without_processing(delivery.body["registry"]) == without_processing(shown)


@pytest.mark.parametrize("seed", cases(range(3), [1]))
@virtual_time
async def test_registries_stats_and_deliveries_agree_whatever_runs_again(seed) -> None:
    """Half of all batches and turns are thrown away, on clocks that are a second off."""
    rates = FaultRates.only(batch_again=0.5, clock_off=0.5, turn_again=0.3)
    receiver = Receiver()
    async with RegistryHost(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=20) as host:

        async def use(number: int) -> str:
            id = (await host.call("POST", "/api/open")).json()["id"]
            await host.sleep(number % 20)
            for item in range(3):
                await host.call("POST", f"/api/add/{id}?item={item}")
            if number % 2:
                await host.call("POST", f"/api/finish/{id}")
            return id

        ids = await asyncio.gather(*map(use, range(10)))
        host.stop_faults()
        await host.advance(minutes=4)

        shown = {id: (await host.peek(id))["registry"] for id in ids}
        counts = await host.stats()
        assert (counts["registryCount"], counts["closedCount"]) == (10, 10)
        assert counts["processing"]["delivered"] == 10
        assert counts["itemsCount"] == sum(len(each["items"]) for each in shown.values())
        assert set(receiver.ids) == set(ids)
        for delivery in receiver.deliveries:
            sent = without_processing(delivery.body["registry"])
            assert sent == without_processing(shown[delivery.id])
