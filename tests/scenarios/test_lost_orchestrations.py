"""An orchestration that ends does not take its registry along: others close, count and send it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from devhost.testing import App, FaultRates, Faults, NoResponse, open_store, virtual_time
from tests.support.cases import cases
from tests.support.registry_host import (
    Receiver,
    RegistryHost,
    assert_all_closed_and_sent,
    with_orchestrator,
    without_processing,
)


class DiesInTurn(Faults):
    """The worker dies in the nth turn of all that are made."""

    def __init__(self, turn: int) -> None:
        super().__init__(0, FaultRates.only())
        self.left = turn

    def happens(self, rate: str) -> bool:
        if rate != "worker_dies_in_turn":
            return False
        self.left -= 1
        return self.left == -1


def keys(host: RegistryHost) -> list[str]:
    """The ids of all lists."""
    return [each.id.split("@")[2] for each in host.entities("RegistryList")]


@pytest.mark.parametrize("turn", cases(range(1, 12), (1, 4, 7, 10)))
@virtual_time
async def test_the_worker_dies_in_a_turn(turn) -> None:
    """Whichever it is: of the stats, of the list, of the registry's orchestration at its start or
    at its timer, or of the delivery.
    """
    receiver = Receiver()
    async with RegistryHost(receiver, faults=DiesInTurn(turn)) as host:
        opened = await host.post("/api/open")
        await host.advance(seconds=10)
        (id,) = keys(host)
        assert opened.status == 500 or opened.json()["id"] == id

        await host.add(id, "Bike", "k")
        assert (await host.add(id, "Bike", "k")).status == 200
        await host.advance(minutes=8)
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_an_open_that_gets_no_further_than_the_stats_is_closed_and_not_sent() -> None:
    """Nobody knows the registry. It closes empty, and is counted as closed."""
    receiver = Receiver()
    async with RegistryHost(receiver, faults=DiesInTurn(0)) as host:
        assert (await host.post("/api/open")).status == 500
        await host.advance(seconds=10)
        assert (await host.stats())["openCount"] == 1
        await host.advance(minutes=7)
        await assert_all_closed_and_sent(host, receiver, [], unopened=1)


@virtual_time
async def test_an_orchestration_whose_worker_dies_in_its_turn_fails() -> None:
    """So it is not the orchestration that closes the registries of the tests above."""
    statuses = set()
    for turn in range(6):
        async with RegistryHost(faults=DiesInTurn(turn)) as host:
            await host.post("/api/open")
            await host.advance(minutes=6)
            statuses |= {each.status for each in host.instances()}
    assert statuses == {"Completed", "Failed"}


@pytest.mark.parametrize("after", [0, 100, 299.9])
@virtual_time
async def test_a_registry_whose_orchestration_is_terminated_closes_in_time(after) -> None:
    """It takes items until its end, whenever an operator terminates the orchestration."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        id = await host.open()
        await host.advance(seconds=after)
        await host.terminate(id)
        if after < 299:
            assert (await host.add(id, "Bike")).status == 200
            assert (await host.peek(id))["status"] == "Open"

        await host.advance(seconds=300 - after)
        await host.advance(minutes=3)
        assert host.instance(id).status == "Terminated"
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_a_registry_whose_orchestration_is_terminated_can_be_finished() -> None:
    """The request itself closes, counts and sends it."""
    receiver = Receiver()
    async with RegistryHost(receiver, timers=False) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.terminate(id)
        finished = (await host.finish(id)).json()
        assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
        await host.advance(seconds=2)
        await assert_all_closed_and_sent(host, receiver, [id])


@pytest.mark.parametrize("call", ["peek", "process", "add"])
@virtual_time
async def test_a_request_after_the_end_closes_what_nobody_has_closed(call) -> None:
    """It is answered when the close is on record, and nothing changes after that."""
    async with RegistryHost(Receiver(), timers=False) as host:
        id = await host.open()
        await host.terminate(id)
        await host.advance(minutes=5)
        method = "GET" if call == "peek" else "POST"
        response = await host.request(method, f"/api/{call}/{id}?item=Bike")
        if call == "add":
            assert response.status == 409
        else:
            assert response.json()["status"] == "Closed"

        shown = (await host.peek(id))["registry"]
        await host.advance(days=1)
        later = (await host.peek(id))["registry"]
        assert without_processing(later) == without_processing(shown)


@pytest.mark.parametrize("failures", [1, 4])
@virtual_time
async def test_a_delivery_that_is_terminated_is_started_again(failures) -> None:
    """The receiver sees one webhook-id."""
    receiver = Receiver(statuses=[503] * failures)
    async with RegistryHost(receiver) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.advance(minutes=5, seconds=2)
        assert await host.processing(id) == "pending"
        await host.terminate(f"{id}-delivery")
        await host.advance(minutes=15)
        await assert_all_closed_and_sent(host, receiver, [id])
        assert receiver.ids == [id] * (failures + 1)


@pytest.mark.parametrize("closed_by", ["timeout", "user"])
@virtual_time
async def test_a_registry_without_its_orchestration_can_be_sent_again(closed_by) -> None:
    """However early or often that is asked, it is sent, and counted once."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.terminate(id)
        assert (await host.post(f"/api/process/{id}")).status == 409
        if closed_by == "user":
            await host.finish(id)
        else:
            await host.advance(minutes=5)

        for _ in range(3):
            response = await host.post(f"/api/process/{id}")
            assert response.status in (202, 429)
            assert response.status == 429 or response.json()["status"] == "Closed"
        await host.advance(minutes=3)
        await assert_all_closed_and_sent(host, receiver, [id])


def call_an_activity_first(context):
    """An orchestrator that asks for something else than the history says."""
    yield context.call_activity("an activity", {})


def fail(context):
    """An orchestrator with a mistake."""
    yield context.create_timer(context.current_utc_datetime)
    raise ValueError("a mistake")


@pytest.mark.parametrize("orchestrator", [call_an_activity_first, fail, None])
@virtual_time
async def test_a_deployment_that_breaks_the_orchestrations_of_open_registries(
    orchestrator: Callable | None,
) -> None:
    """Those that are open are closed, counted and sent in time nevertheless."""
    receiver, store = Receiver(), open_store()
    async with RegistryHost(receiver, store=store) as host:
        ids = [await host.open() for _ in range(3)]
        for id in ids:
            await host.add(id, "Bike")
        await host.advance(minutes=2)
        deployed_at = host.now()

    deploy: Callable[[App], App] = partial(with_orchestrator, orchestrator=orchestrator)
    async with RegistryHost(receiver, store=store, start=deployed_at, wrap=deploy) as host:
        assert (await host.add(ids[0], "Book")).status == 200
        assert (await host.finish(ids[1])).json()["status"] == "Closed"
        await host.advance(minutes=6)
        assert "Completed" not in {host.instance(id).status for id in ids}
        await assert_all_closed_and_sent(host, receiver, ids)
    store.close()


@pytest.mark.parametrize("seed", cases(range(3), [1]))
@virtual_time
async def test_most_orchestrations_end_while_many_use_their_registries(seed) -> None:
    """Because operators terminate them, and workers die."""
    rates = FaultRates.only(
        worker_dies_in_turn=0.05, terminations_a_minute=10, worker_deaths_a_minute=2
    )
    receiver = Receiver()
    async with RegistryHost(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=60) as host:
        answered: list[str] = []

        async def use(number: int) -> None:
            await host.sleep(number)
            opened = await host.call("POST", "/api/open")
            if opened.status != 201:
                return
            id = opened.json()["id"]
            answered.append(id)
            await host.call("POST", f"/api/add/{id}?item=Bike")
            await host.sleep(20)
            if number % 2:
                await host.call("POST", f"/api/finish/{id}")

        async def try_to_use(number: int) -> None:
            with suppress(NoResponse):
                await use(number)

        await asyncio.gather(*map(try_to_use, range(20)))
        await host.advance(minutes=1)
        host.stop_faults()
        await host.advance(minutes=4)

        lists = set(keys(host))
        unopened = {id for id in lists if await host.processing(id) == "off"}
        assert not unopened.intersection(answered)
        assert len(answered) > 10

        # Of some whose open was not answered, only the stats have heard.
        without_list = (await host.stats())["registryCount"] - len(lists)
        assert 0 <= without_list <= 20 - len(answered)
        sent = sorted(lists - unopened)
        await assert_all_closed_and_sent(host, receiver, sent, len(unopened) + without_list)
