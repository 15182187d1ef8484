"""A host that dies keeps what it had in its hands for a minute: registries are usable without that,
and settled.
"""

from datetime import timedelta
from unittest.mock import patch

import pytest

from devhost.testing import START, FaultRates, Faults, NoResponse, Store, virtual_time
from tests.support.registry_host import Receiver, RegistryHost, assert_all_closed_and_sent

DOWN = 4.0
"""Seconds for which the host is gone."""


@pytest.fixture(autouse=True)
def messages_take_a_while():
    """So that there are some to be in hand."""
    with patch("devhost.testing.faults.MESSAGE_SECONDS", (0.3, 0.3)):
        yield


class Dies(Faults):
    """The host dies at a moment, with all messages in its hands."""

    def __init__(self, at: float) -> None:
        super().__init__(0, FaultRates.only(message_in_hand=1, message_delayed=1))
        self.moments = [at]

    def seconds_until(self, rate: str) -> float | None:
        return self.moments.pop() if rate == "host_deaths_a_minute" and self.moments else None

    def down_seconds(self) -> float:
        return DOWN


@pytest.mark.parametrize("died_at", [0.001, 0.1, 0.29])
@pytest.mark.parametrize("call", ["add", "remove", "finish"])
@virtual_time
async def test_what_was_answered_201_works_five_seconds_after_the_return_of_the_host(
    died_at, call
) -> None:
    """Though the open of its list lies in the hands of the host that died, for a minute."""
    async with RegistryHost(faults=Dies(died_at)) as host:
        id = await open_one(host)
        await host.advance(seconds=died_at + DOWN)
        assert host.list_state(id) is None
        returned = host.now()
        answer = await host.call("POST", f"/api/{call}/{id}?item=Bike&itemKey=k")
        assert answer.status == 200
        assert host.now() - returned <= timedelta(seconds=5)


async def open_one(host) -> str:
    answer = await host.call("POST", "/api/open")
    assert answer.status == 201
    id: str = answer.json()["id"]
    return id


@virtual_time
async def test_it_is_shown_as_open_and_empty_meanwhile() -> None:
    """A peek needs the life of a registry only."""
    async with RegistryHost(faults=Dies(0.1)) as host:
        id = await open_one(host)
        await host.advance(seconds=DOWN + 0.2)
        shown = (await host.call("GET", f"/api/peek/{id}")).json()
        assert (shown["status"], shown["registry"]["items"]) == ("Open", [])


@pytest.mark.parametrize(
    "died_at", [0.1, 30, 299.9, 300.1, 301.001, 301.1, 301.31, 301.4, 301.7, 302]
)
@virtual_time
async def test_all_is_settled_in_time_whenever_the_host_dies(died_at) -> None:
    """At the open, at the end, while it is settled and while it is sent: somebody else goes on."""
    receiver = Receiver()
    async with RegistryHost(receiver, faults=Dies(died_at)) as host:

        async def guest():
            id = await open_one(host)
            await host.sleep(10)
            assert (await host.call("POST", f"/api/add/{id}?item=Bike")).status == 200
            return id

        id = await guest()
        await host.advance(minutes=9)
        assert host.faults.counts["host_deaths_a_minute"] == 1
        await assert_all_closed_and_sent(
            host, receiver, [id], started=START + timedelta(seconds=died_at + DOWN)
        )


@virtual_time
async def test_a_finish_without_an_answer_is_finished_by_the_next() -> None:
    """Its messages lie in the hands of the host that died; the caller asks again."""
    receiver = Receiver()
    async with RegistryHost(receiver, faults=Dies(50.1)) as host:
        id = await open_one(host)
        await host.advance(seconds=50)
        with pytest.raises(NoResponse):
            await host.call("POST", f"/api/finish/{id}")
        await host.advance(seconds=DOWN)
        returned = host.now()
        answer = await host.call("POST", f"/api/finish/{id}")
        assert answer.json()["status"] == "Closed"
        assert host.now() - returned <= timedelta(seconds=5)
        await host.advance(minutes=8)
        assert (await host.peek(id))["registry"]["closedBy"] == "user"
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_an_add_without_an_answer_counts_once() -> None:
    """It may be in or not; sent again with its key it is in once, also when the first message
    arrives at last.
    """
    async with RegistryHost(faults=Dies(50.1)) as host:
        id = await open_one(host)
        await host.advance(seconds=50)
        with pytest.raises(NoResponse):
            await host.call("POST", f"/api/add/{id}?item=Bike", {"Idempotency-Key": "k"})
        await host.advance(seconds=DOWN)
        answer = await host.call("POST", f"/api/add/{id}?item=Bike", {"Idempotency-Key": "k"})
        assert (answer.status, answer.json()["itemsCount"]) == (200, 1)
        await host.advance(minutes=2)
        assert (await host.peek(id))["registry"]["items"] == ["Bike"]


@virtual_time
async def test_a_task_hub_in_a_file_goes_on_in_another_process(tmp_path) -> None:
    """Open registries and pauses of deliveries are where they were."""
    receiver = Receiver(always=503)
    store = Store(tmp_path / "hub.db")
    async with RegistryHost(receiver, store=store) as host:
        closed, left_open = await host.open(), await host.open()
        await host.add(left_open, "Bike")
        await host.post(f"/api/finish/{closed}")
        await host.advance(seconds=20)
        left_at = host.now()
    store.close()
    assert len(receiver.ids) == 3
    receiver.always, store = 204, Store(tmp_path / "hub.db")
    async with RegistryHost(receiver, store=store, start=left_at) as host:
        await host.advance(seconds=14)
        assert len(receiver.ids) == 3
        await host.advance(seconds=2)
        assert receiver.ids == [closed] * 4
        assert (await host.peek(left_open))["registry"]["items"] == ["Bike"]
        await host.advance(minutes=6)
        assert (await host.peek(left_open))["registry"]["processing"] == "delivered"
    store.close()
