"""A host that dies keeps its messages for a minute. Registries do without them."""

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest

from devhost.testing import START, FaultRates, NoResponse, open_store, virtual_time
from tests.support.registry_host import Receiver, RegistryHost, assert_all_closed_and_sent
from tests.support.timed_faults import TimedFaults

DOWN = 4.0
"""Seconds for which the host is gone."""


@pytest.fixture(autouse=True)
def messages_take_a_while() -> Iterator[None]:
    """So that the host has some in its hands when it dies."""
    with (
        patch("devhost.testing.faults.MESSAGE_SECONDS", (0.3, 0.3)),
        patch("devhost.testing.faults.DOWN_SECONDS", (DOWN, DOWN)),
    ):
        yield


def dies(at: float) -> TimedFaults:
    """The host dies at that second, with all messages in its hands."""
    rates = FaultRates.only(message_in_hand=1, message_delayed=1)
    return TimedFaults(rates, host_deaths_a_minute=at)


async def open_one(host: RegistryHost) -> str:
    """Open a registry, and go on before its messages have arrived."""
    response = await host.call("POST", "/api/open")
    assert response.status == 201
    id: str = response.json()["id"]
    return id


@pytest.mark.parametrize("died_at", [0.001, 0.1, 0.29])
@pytest.mark.parametrize("call", ["add", "remove", "finish"])
@virtual_time
async def test_what_was_answered_201_works_five_seconds_after_the_return_of_the_host(
    died_at, call
) -> None:
    """Though the message that opens its list is held back for a minute."""
    async with RegistryHost(faults=dies(died_at)) as host:
        id = await open_one(host)
        await host.advance(seconds=died_at + DOWN)
        assert host.list_state(id) is None
        returned = host.now()
        response = await host.call("POST", f"/api/{call}/{id}?item=Bike&itemKey=k")
        assert response.status == 200
        assert host.now() - returned <= timedelta(seconds=5)


@virtual_time
async def test_it_is_shown_as_open_and_empty_meanwhile() -> None:
    """A peek only needs the registry's orchestration."""
    async with RegistryHost(faults=dies(0.1)) as host:
        id = await open_one(host)
        await host.advance(seconds=DOWN + 0.2)
        shown = (await host.call("GET", f"/api/peek/{id}")).json()
        assert (shown["status"], shown["registry"]["items"]) == ("Open", [])


@pytest.mark.parametrize(
    "died_at", [0.1, 30, 299.9, 300.1, 301.001, 301.1, 301.31, 301.4, 301.7, 302]
)
@virtual_time
async def test_all_is_closed_and_sent_in_time_whenever_the_host_dies(died_at) -> None:
    """At the open, at the end, while it closes and while it is sent: somebody else goes on."""
    receiver = Receiver()
    async with RegistryHost(receiver, faults=dies(died_at)) as host:
        id = await open_one(host)
        await host.sleep(10)
        assert (await host.call("POST", f"/api/add/{id}?item=Bike")).status == 200
        await host.advance(minutes=9)
        assert host.faults.counts["host_deaths_a_minute"] == 1
        started = START + timedelta(seconds=died_at + DOWN)
        await assert_all_closed_and_sent(host, receiver, [id], started=started)


@virtual_time
async def test_a_finish_without_a_response_is_completed_by_the_next_one() -> None:
    """Its messages are held back by the host that died, and the caller asks again."""
    receiver = Receiver()
    async with RegistryHost(receiver, faults=dies(50.1)) as host:
        id = await open_one(host)
        await host.advance(seconds=50)
        with pytest.raises(NoResponse):
            await host.call("POST", f"/api/finish/{id}")

        await host.advance(seconds=DOWN)
        returned = host.now()
        response = await host.call("POST", f"/api/finish/{id}")
        assert response.json()["status"] == "Closed"
        assert host.now() - returned <= timedelta(seconds=5)
        await host.advance(minutes=8)
        assert (await host.peek(id))["registry"]["closedBy"] == "user"
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_an_add_without_a_response_counts_once() -> None:
    """Sent again with its key it is in the registry once, however late the first message is."""
    async with RegistryHost(faults=dies(50.1)) as host:
        id = await open_one(host)
        path, headers = f"/api/add/{id}?item=Bike", {"Idempotency-Key": "k"}
        await host.advance(seconds=50)
        with pytest.raises(NoResponse):
            await host.call("POST", path, headers)

        await host.advance(seconds=DOWN)
        response = await host.call("POST", path, headers)
        assert (response.status, response.json()["itemsCount"]) == (200, 1)
        await host.advance(minutes=2)
        assert (await host.peek(id))["registry"]["items"] == ["Bike"]


@virtual_time
async def test_a_task_hub_in_a_file_goes_on_in_another_process(tmp_path) -> None:
    """Open registries and the back-off of deliveries are where they were."""
    receiver = Receiver(always=503)
    store = open_store(tmp_path / "hub.db")
    async with RegistryHost(receiver, store=store) as host:
        closed, left_open = await host.open(), await host.open()
        await host.add(left_open, "Bike")
        await host.finish(closed)
        await host.advance(seconds=20)
        left_at = host.now()
    store.close()
    assert len(receiver.ids) == 3

    receiver.always, store = 204, open_store(tmp_path / "hub.db")
    async with RegistryHost(receiver, store=store, start=left_at) as host:
        await host.advance(seconds=14)
        assert len(receiver.ids) == 3
        await host.advance(seconds=2)
        assert receiver.ids == [closed] * 4
        assert (await host.peek(left_open))["registry"]["items"] == ["Bike"]
        await host.advance(minutes=6)
        assert await host.processing(left_open) == "delivered"
    store.close()
