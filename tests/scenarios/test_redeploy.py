"""A new version takes over the registries that a released one has left."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from devhost.testing import virtual_time
from tests.replay import hubs
from tests.support.registry_host import Receiver, RegistryHost, moment, without_processing


@pytest.fixture(params=sorted(file.stem for file in hubs.FOLDER.iterdir()))
def hub(request, tmp_path) -> Iterator[hubs.Hub]:
    """The task hub that a released version has left."""
    with hubs.opened(request.param, tmp_path) as hub:
        yield hub


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(hub, receiver) -> RegistryHost:
    """Today's version on that task hub."""
    return RegistryHost(receiver, store=hub.store, start=hub.left_at)


@virtual_time
async def test_an_open_registry_is_shown_and_takes_items(hub, host) -> None:
    """Its state is read in its old form, and written in today's."""
    id = hub.ids["open"]
    shown = await host.peek(id)
    assert (shown["status"], shown["registry"]["items"]) == ("Open", ["Bike", "Book"])
    assert (await host.add(id, "Book", "Book")).json()["itemsCount"] == 2
    assert (await host.add(id, "Ball", "Ball")).status == 409  # it was removed
    assert (await host.add(id, "Doll", "Doll")).json()["itemsCount"] == 3
    assert (await host.post(f"/api/remove/{id}?itemKey=Bike")).status == 200
    assert (await host.peek(id))["registry"]["items"] == ["Book", "Doll"]


@virtual_time
async def test_an_open_registry_can_be_finished(hub, host) -> None:
    """And is as it was finished from then on."""
    id = hub.ids["open"]
    finished = (await host.finish(id)).json()
    assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
    await host.advance(minutes=3)
    later = (await host.peek(id))["registry"]
    assert without_processing(later) == without_processing(finished["registry"])
    assert (await host.stats())["openCount"] == 0


@virtual_time
async def test_all_registries_close_are_counted_and_are_sent_in_time(hub, host, receiver) -> None:
    """Within three minutes of their end, or of the start of this version; with all their items."""
    before = await host.stats()
    await host.advance(minutes=9)
    shown = {kind: (await host.peek(id)) for kind, id in hub.ids.items()}
    assert {each["status"] for each in shown.values()} == {"Closed"}
    assert {each["registry"]["processing"] for each in shown.values()} == {"delivered"}

    counts = await host.stats()
    number = len(hub.ids)
    assert counts["registryCount"] == counts["closedCount"] == before["registryCount"] == number
    assert counts["itemsCount"] == sum(len(each["registry"]["items"]) for each in shown.values())
    assert counts["processing"] == {"off": 0, "pending": 0, "delivered": number, "failed": 0}

    delivered = {id for kind, id in hub.ids.items() if kind != "delivered"}
    assert set(receiver.ids) == delivered
    assert len(receiver.ids) == len(delivered)
    for delivery in receiver.deliveries:
        closes_at = moment(delivery.body["registry"]["closesAt"])
        assert delivery.at <= max(closes_at, hub.left_at) + timedelta(minutes=3)


@virtual_time
async def test_a_delivered_registry_stays_as_it_was(hub, host, receiver) -> None:
    """It is not counted again, and not sent again unless somebody asks for that."""
    id, before = hub.ids["delivered"], await host.stats()
    shown = await host.peek(id)
    await host.advance(hours=2)
    assert await host.peek(id) == shown
    assert (await host.stats())["registryCount"] == before["registryCount"]
    assert id not in receiver.ids

    assert (await host.post(f"/api/process/{id}")).status == 202
    assert receiver.ids.count(id) == 1
    assert await host.processing(id) == "delivered"
    counts = await host.stats()
    assert sum(counts["processing"].values()) == counts["closedCount"] == len(hub.ids)
