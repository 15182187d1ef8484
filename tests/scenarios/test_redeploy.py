"""A new version takes over what an older one has left open, whatever becomes of its orchestrations."""

from datetime import timedelta

import pytest

from devhost.testing import virtual_time
from tests.replay.hubs import hub
from tests.support.registry_host import Receiver, RegistryHost, moment


@pytest.fixture(params=["5df348e", "0d91084"])
def left(request):
    """The task hub of a version without histories that were kept."""
    with hub(request.param) as left:
        yield left


def on(left, receiver, **more):
    """The version of today, on that task hub."""
    return RegistryHost(receiver, store=left.store, start=left.left_at, **more)


@virtual_time
async def test_what_is_open_is_shown_and_takes_gifts(left) -> None:
    """Its list is read in the form of then, and written in the form of today."""
    async with on(left, Receiver()) as host:
        id = left.ids["young"]
        shown = await host.peek(id)
        assert (shown["status"], shown["registry"]["items"]) == ("Open", ["Bike", "Book"])
        assert (await host.add(id, "Book", "Book")).json()["itemsCount"] == 2
        assert (await host.add(id, "Ball", "Ball")).json()["itemsCount"] == 3
        assert (await host.post(f"/api/remove/{id}?itemKey=Bike")).status == 200
        assert (await host.peek(id))["registry"]["items"] == ["Book", "Ball"]


@virtual_time
async def test_what_is_open_can_be_finished(left) -> None:
    """Though its life does not understand the finish any more."""
    async with on(left, Receiver()) as host:
        id = left.ids["young"]
        finished = (await host.finish(id)).json()
        assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
        await host.advance(minutes=3)
        after = await host.peek(id)
        assert after["registry"] | {"processing": ""} == finished["registry"] | {"processing": ""}
        assert (await host.stats())["openCount"] == 0


@virtual_time
async def test_everything_closes_is_counted_and_sent_in_time(left) -> None:
    """Three minutes after the end of each, or after the start of this version, it has been sent,
    with all its gifts.
    """
    receiver = Receiver()
    async with on(left, receiver) as host:
        before = await host.stats()
        await host.advance(minutes=9)
        shown = {name: await host.peek(id) for name, id in left.ids.items()}
        assert {each["status"] for each in shown.values()} == {"Closed"}
        counts = await host.stats()
        assert (
            counts["registryCount"]
            == counts["closedCount"]
            == before["registryCount"]
            == len(left.ids)
        )
        assert counts["itemsCount"] == sum(
            len(each["registry"]["items"]) for each in shown.values()
        )
        for outcome, count in counts["processing"].items():
            assert count == sum(
                each["registry"]["processing"] == outcome for each in shown.values()
            )
        wanted = {id for id in left.ids.values() if id != left.ids["rested"] and sent_by(left)}
        assert set(receiver.ids) == wanted
        for delivery in receiver.deliveries:
            closes_at = moment(delivery.body["registry"]["closesAt"])
            assert delivery.at <= max(closes_at, left.left_at) + timedelta(minutes=3)
        assert len(receiver.ids) == len(wanted)


def sent_by(left) -> bool:
    """Whether registries were sent for processing then."""
    return "unsent" in left.ids


@virtual_time
async def test_what_rests_stays_as_it_was(left) -> None:
    """It is not counted again, and not sent again unless somebody asks for that."""
    receiver = Receiver()
    async with on(left, receiver) as host:
        id, before = left.ids["rested"], await host.stats()
        shown = await host.peek(id)
        await host.advance(hours=2)
        assert await host.peek(id) == shown
        assert (await host.stats())["registryCount"] == before["registryCount"]
        assert (await host.post(f"/api/process/{id}")).status == 202
        assert receiver.ids.count(id) == 1
        assert (await host.peek(id))["registry"]["processing"] == "delivered"
        counts = await host.stats()
        assert sum(counts["processing"].values()) == counts["closedCount"] == len(left.ids)
