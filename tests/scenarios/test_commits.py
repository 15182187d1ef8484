"""Commits come late, and what was judged is judged again: what callers are told holds all the same."""

import asyncio
from unittest.mock import patch

import pytest

from devhost.testing.faults import Fate, Rates, Unkind
from devhost.testing.virtual_host import VirtualHost
from tests.scenarios.world import Receiver, host_with, moment, peek, stats, told

SECONDS = 30


@pytest.fixture(autouse=True)
def commits_take_two_seconds():
    """From the moment when a batch was judged, and its replies have left."""
    with (
        patch("devhost.testing.faults.COMMIT_SECONDS", (2, 2)),
        patch("devhost.testing.faults.LONG_COMMITS", 0),
    ):
        yield


def opened(host: VirtualHost) -> str:
    """A registry that is open on record."""
    id = host.open()
    host.advance(seconds=3)
    return id


@pytest.mark.parametrize("before", [0.001, 0.1, 0.5])
@pytest.mark.parametrize("seen_by", ["peek", "finish", "add"])
def test_a_gift_that_is_committed_after_the_end_is_in_what_is_shown_as_closed(
    before, seen_by
) -> None:
    """200 ms after closesAt nobody says Closed without a gift that is answered 200 later; and then
    nothing changes.
    """
    with host_with(rates=Rates.only(commit_late=1), REGISTRY_OPEN_SECONDS=SECONDS) as host:
        id = opened(host)
        rest = (moment(peek(host, id)["registry"]["closesAt"]) - host.now()).total_seconds()

        async def late_gift():
            await host.sleep(rest - before)
            return await host.call("POST", f"/api/add/{id}?item=Bike", {"Idempotency-Key": "k"})

        async def asked():
            await host.sleep(rest + 0.2)
            path = {
                "peek": f"/api/peek/{id}",
                "finish": f"/api/finish/{id}",
                "add": f"/api/add/{id}?item=Book",
            }
            return await host.call("GET", path[seen_by])

        gift, seen = host.run_all(late_gift(), asked())
        shown = peek(host, id)
        assert shown["status"] == "Closed"
        assert (shown["registry"]["items"] == ["Bike"]) == (gift.status == 200)
        assert gift.status in (200, 409)
        if seen_by == "add":
            assert seen.status == 409
        else:
            assert told(seen) == shown
        host.advance(minutes=3)
        assert peek(host, id) == shown


def test_a_gift_that_is_refused_is_never_in() -> None:
    """Its key is sent again and again while the close is under way, until it is refused for good."""
    with host_with(rates=Rates.only(commit_late=1), REGISTRY_OPEN_SECONDS=SECONDS) as host:
        id = opened(host)
        rest = (moment(peek(host, id)["registry"]["closesAt"]) - host.now()).total_seconds()

        async def stubborn(number: int):
            await host.sleep(rest - 0.3 + number * 0.1)
            answers = [
                await host.call(
                    "POST", f"/api/add/{id}?item={number}", {"Idempotency-Key": str(number)}
                )
                for _ in range(3)
            ]
            assert len({answer.status for answer in answers}) == 1
            return str(number), answers[-1].status

        told_to = dict(host.run_all(*map(stubborn, range(8))))
        host.advance(minutes=1)
        assert set(peek(host, id)["registry"]["items"]) == {
            key for key, status in told_to.items() if status == 200
        }
        assert set(told_to.values()) == {200, 409}


@pytest.mark.parametrize("before", [0.001, 0.5, 1.5])
def test_a_finish_never_changes_who_closed(before) -> None:
    """Whoever was named first as the one who closed it, and when, stays so."""
    with host_with(rates=Rates.only(commit_late=1), REGISTRY_OPEN_SECONDS=SECONDS) as host:
        id = opened(host)
        rest = (moment(peek(host, id)["registry"]["closesAt"]) - host.now()).total_seconds()
        seen = []

        async def finish():
            await host.sleep(rest - before)
            seen.append(told(await host.call("POST", f"/api/finish/{id}")))

        async def looks():
            await host.sleep(rest - 1)
            for _ in range(60):
                await host.sleep(0.1)
                shown = told(await host.call("GET", f"/api/peek/{id}"))
                if shown["status"] == "Closed":
                    seen.append(shown)

        host.run_all(finish(), looks(), looks())
        host.advance(minutes=2)
        seen.append(peek(host, id))
        assert len(seen) > 10
        assert {(each["registry"]["closedBy"], each["registry"]["closedAt"]) for each in seen} == {
            (seen[-1]["registry"]["closedBy"], seen[-1]["registry"]["closedAt"])
        }


class JudgedTwice(Unkind):
    """The next batches are thrown away after their replies have left, and judged again five seconds
    later.
    """

    def __init__(self) -> None:
        super().__init__(0, Rates.only())
        self.next = 0

    def batch(self) -> tuple[Fate, float]:
        self.next -= 1
        return ("judged again", 5.0) if self.next >= 0 else ("committed", 0.0)


@pytest.mark.parametrize("before", [2, 4.9, 30])
@pytest.mark.parametrize("batches", [1, 2, 3])
def test_registry_stats_and_delivery_agree_on_a_close_that_is_judged_twice(before, batches) -> None:
    """Also where it is before the end at first, and after it when it is judged again: what is
    committed counts.
    """
    receiver, unkind = Receiver(), JudgedTwice()
    with host_with(receiver, unkind=unkind, REGISTRY_OPEN_SECONDS=60) as host:
        id = host.open()
        host.add(id, "Bike")
        host.advance(seconds=60 - before)

        async def at_once():
            unkind.next = batches
            return await asyncio.gather(
                host.call("POST", f"/api/add/{id}?item=Book", {"Idempotency-Key": "k"}),
                host.call("POST", f"/api/finish/{id}"),
            )

        add, finish = host.run(at_once())
        host.advance(minutes=4)
        shown = peek(host, id)
        assert unkind.next < 0
        assert add.status in (200, 202, 409)
        if add.status != 202:
            assert ("Book" in shown["registry"]["items"]) == (add.status == 200)
        if finish.status == 200:
            told_by_finish = told(finish)["registry"]
            assert told_by_finish | {"processing": ""} == shown["registry"] | {"processing": ""}
        counts = stats(host)
        assert (counts["closedCount"], counts["itemsCount"]) == (1, len(shown["registry"]["items"]))
        assert counts["processing"] == {"off": 0, "pending": 0, "delivered": 1, "failed": 0}
        (delivery,) = receiver.deliveries
        assert delivery.body["registry"] | {"processing": ""} == shown["registry"] | {
            "processing": ""
        }


@pytest.mark.parametrize("seed", range(3))
def test_registries_stats_and_deliveries_agree_whatever_is_judged_again(seed) -> None:
    """Half of all batches are thrown away, on clocks a second off, and so are turns of
    orchestrations.
    """
    rates = Rates.only(batch_again=0.5, clock_off=0.5, turn_again=0.3)
    receiver = Receiver()
    with host_with(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=20) as host:

        async def life(number: int):
            id = told(await host.call("POST", "/api/open"))["id"]
            await host.sleep(number % 20)
            for gift in range(3):
                await host.call("POST", f"/api/add/{id}?item={gift}")
            if number % 2:
                await host.call("POST", f"/api/finish/{id}")
            return id

        ids = host.run_all(*map(life, range(10)))
        host.host.unkind.calm()
        host.advance(minutes=4)
        shown = {id: peek(host, id)["registry"] for id in ids}
        counts = stats(host)
        assert (
            counts["registryCount"]
            == counts["closedCount"]
            == counts["processing"]["delivered"]
            == 10
        )
        assert counts["itemsCount"] == sum(len(each["items"]) for each in shown.values())
        assert set(receiver.ids) == set(ids)
        for delivery in receiver.deliveries:
            assert delivery.body["registry"] | {"processing": ""} == shown[delivery.id] | {
                "processing": ""
            }
