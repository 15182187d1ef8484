"""A new version takes over what an older one has left open, whatever becomes of its orchestrations."""

from datetime import timedelta

import pytest

from tests.replay.hubs import hub
from tests.scenarios.world import Receiver, host_with, moment, peek, stats, told


@pytest.fixture(params=["5df348e", "0d91084"])
def left(request):
    """The task hub of a version without histories that were kept."""
    with hub(request.param) as left:
        yield left


def on(left, receiver, **more):
    """The version of today, on that task hub."""
    return host_with(receiver, store=left.store, start=left.left_at, **more)


def test_what_is_open_is_shown_and_takes_gifts(left) -> None:
    """Its list is read in the form of then, and written in the form of today."""
    with on(left, Receiver()) as host:
        id = left.ids["young"]
        shown = peek(host, id)
        assert (shown["status"], shown["registry"]["items"]) == ("Open", ["Bike", "Book"])
        assert told(host.add(id, "Book", "Book"))["itemsCount"] == 2
        assert told(host.add(id, "Ball", "Ball"))["itemsCount"] == 3
        assert host.post(f"/api/remove/{id}?itemKey=Bike").status == 200
        assert peek(host, id)["registry"]["items"] == ["Book", "Ball"]


def test_what_is_open_can_be_finished(left) -> None:
    """Though its life does not understand the finish any more."""
    with on(left, Receiver()) as host:
        id = left.ids["young"]
        finished = told(host.post(f"/api/finish/{id}"))
        assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
        host.advance(minutes=3)
        after = peek(host, id)
        assert after["registry"] | {"processing": ""} == finished["registry"] | {"processing": ""}
        assert stats(host)["openCount"] == 0


def test_everything_closes_is_counted_and_sent_in_time(left) -> None:
    """Three minutes after the end of each, or after the start of this version, it has been sent,
    with all its gifts.
    """
    receiver = Receiver()
    with on(left, receiver) as host:
        before = stats(host)
        host.advance(minutes=9)
        shown = {name: peek(host, id) for name, id in left.ids.items()}
        assert {each["status"] for each in shown.values()} == {"Closed"}
        counts = stats(host)
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


def test_what_rests_stays_as_it_was(left) -> None:
    """It is not counted again, and not sent again unless somebody asks for that."""
    receiver = Receiver()
    with on(left, receiver) as host:
        id, before = left.ids["rested"], stats(host)
        shown = peek(host, id)
        host.advance(hours=2)
        assert peek(host, id) == shown
        assert stats(host)["registryCount"] == before["registryCount"]
        assert host.post(f"/api/process/{id}").status == 202
        assert receiver.ids.count(id) == 1
        assert peek(host, id)["registry"]["processing"] == "delivered"
        counts = stats(host)
        assert sum(counts["processing"].values()) == counts["closedCount"] == len(left.ids)
