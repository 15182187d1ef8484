"""Closed registries are sent for processing: until it is done, at least once, under one webhook-id."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest

from devhost.testing import FaultRates, VirtualHost, virtual_time
from tests.support.registry_host import WEBHOOK, Receiver, RegistryHost


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(receiver) -> Iterator[VirtualHost]:
    """Nothing heals here: deliveries go on by themselves."""
    async with RegistryHost(receiver, timers=False) as host:
        yield host


async def counts(host: VirtualHost) -> tuple[int, ...]:
    """off, pending, delivered, failed."""
    shown = (await host.stats())["processing"]
    assert tuple(shown) == ("off", "pending", "delivered", "failed")
    return tuple(shown.values())


async def closed(host: VirtualHost) -> str:
    """A registry with an item that has timed out and was settled."""
    id = await host.open()
    await host.add(id, "Bike 🚲")
    await host.advance(minutes=5, seconds=2)
    return id


@pytest.mark.parametrize("closing", ["user", "timeout"])
@virtual_time
async def test_a_registry_is_sent_when_it_closes(host, receiver, closing) -> None:
    """Either way: what peek shows, once, under its id."""
    id = await host.open()
    await host.add(id, "Bike 🚲")
    assert (await host.processing(id), await counts(host)) == ("pending", (0, 0, 0, 0))
    if closing == "user":
        await host.finish(id)
    else:
        await host.advance(minutes=5, seconds=1)
    await host.advance(seconds=1)
    shown = await host.peek(id)
    assert (shown["registry"]["closedBy"], shown["registry"]["processing"]) == (
        closing,
        "delivered",
    )
    (delivery,) = receiver.deliveries
    assert delivery.id == id
    shown["registry"]["processing"] = "pending"
    assert delivery.body == shown
    assert await counts(host) == (0, 0, 1, 0)
    await host.advance(days=2)
    assert receiver.ids == [id]


@virtual_time
async def test_nothing_is_sent_where_no_webhook_is_set() -> None:
    """The registry and the counts say so."""
    async with RegistryHost(timers=False) as host:
        id = await closed(host)
        assert (await host.processing(id), await counts(host)) == ("off", (1, 0, 0, 0))
        answer = await host.post(f"/api/process/{id}")
        assert (answer.status, answer.json()["type"].rpartition("#")[2]) == (409, "processing-off")


@pytest.mark.parametrize("status", [300, 307, 408, 409, 425, 429, 500, 503, 599])
@virtual_time
async def test_what_may_pass_is_tried_again(host, receiver, status) -> None:
    """After five seconds for the first time."""
    receiver.statuses = [status]
    id = await closed(host)
    assert (await host.processing(id), await counts(host)) == ("pending", (0, 1, 0, 0))
    await host.advance(seconds=6)
    assert (await host.processing(id), await counts(host)) == ("delivered", (0, 0, 1, 0))
    first, second = receiver.deliveries
    assert (first.id, first.body) == (second.id, second.body) == (id, first.body)
    assert 5 <= (second.at - first.at).total_seconds() < 5.1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
@virtual_time
async def test_what_will_never_be_taken_is_given_up(host, receiver, status) -> None:
    """Other client errors are final, 410 among them."""
    receiver.statuses = [status]
    id = await closed(host)
    assert (await host.processing(id), await counts(host)) == ("failed", (0, 0, 0, 1))
    await host.advance(days=2)
    assert receiver.ids == [id]


@virtual_time
async def test_the_pauses_double_up_to_an_hour_and_end_after_a_day(host, receiver) -> None:
    """Then the registry is failed, with all that is in it, and can be sent again."""
    receiver.is_down = True
    id = await closed(host)
    await host.advance(hours=23)
    assert (await host.processing(id), await counts(host)) == ("pending", (0, 1, 0, 0))
    await host.advance(hours=2)
    assert (await host.processing(id), await counts(host)) == ("failed", (0, 0, 0, 1))
    moments = [each.at for each in receiver.deliveries]
    pauses = [round((then - now).total_seconds()) for now, then in pairwise(moments)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560] + [3600] * 22
    assert (await host.peek(id))["registry"]["items"] == ["Bike 🚲"]
    receiver.is_down = False
    await host.advance(days=3)
    assert len(receiver.deliveries) == len(moments)
    assert (await host.post(f"/api/process/{id}")).status == 202
    await host.advance(seconds=1)
    assert (await host.processing(id), await counts(host)) == ("delivered", (0, 0, 1, 0))
    assert set(receiver.ids) == {id}


@virtual_time
async def test_a_delivery_that_fails_for_a_week_goes_on_in_new_histories(host, receiver) -> None:
    """With the pauses that it had."""
    await host.restart(PROCESSING_RETRY_HOURS=168, PROCESSING_LONGEST_RETRY_SECONDS=3600)
    receiver.is_down = True
    id = await closed(host)
    await host.advance(hours=160)
    assert len(receiver.deliveries) > 160
    receiver.is_down = False
    await host.advance(hours=2)
    assert await host.processing(id) == "delivered"
    assert await counts(host) == (0, 0, 1, 0)


@virtual_time
async def test_a_registry_can_be_sent_again_once_a_minute(host, receiver) -> None:
    """202; then 429 with the seconds that are left of the minute; then 202 again."""
    id = await closed(host)
    first = await host.post(f"/api/process/{id}")
    assert (first.status, first.json()["status"]) == (202, "Closed")
    assert receiver.ids == [id, id]
    await host.advance(seconds=20)
    second = await host.post(f"/api/process/{id}")
    assert (second.status, second.json()["type"].rpartition("#")[2]) == (429, "sent-just-now")
    assert second.headers["retry-after"] in ("40", "41")
    await host.advance(seconds=int(second.headers["retry-after"]))
    assert (await host.post(f"/api/process/{id}")).status == 202
    assert receiver.ids == [id] * 3
    await host.advance(seconds=1)
    assert await counts(host) == (0, 0, 1, 0)
    assert (await host.stats())["closedCount"] == 1


@virtual_time
async def test_many_who_ask_at_once_have_it_sent_once(host, receiver) -> None:
    """All are told 202, or 429."""
    id = await closed(host)
    answers = await asyncio.gather(*[host.call("POST", f"/api/process/{id}") for _ in range(20)])
    await host.advance(seconds=5)
    assert {each.status for each in answers} <= {202, 429}
    assert 202 in {each.status for each in answers}
    assert receiver.ids == [id, id]
    assert await counts(host) == (0, 0, 1, 0)


@virtual_time
async def test_a_registry_that_is_being_sent_is_not_sent_twice_at_a_time(host, receiver) -> None:
    """To ask again changes nothing, during the first delivery and during a second one; both are
    told 202.
    """
    receiver.always = 503
    id = await closed(host)
    assert (await host.post(f"/api/process/{id}")).status == 202
    assert receiver.ids == [id]
    await host.advance(hours=25)
    assert await counts(host) == (0, 0, 0, 1)
    receiver.deliveries.clear()
    for _ in range(3):
        assert (await host.post(f"/api/process/{id}")).status == 202
    assert receiver.ids == [id]
    assert await counts(host) == (0, 1, 0, 0)


@virtual_time
async def test_what_was_not_to_be_sent_can_be_sent_later(receiver) -> None:
    """Where a webhook is set by then; and the counts follow."""
    async with RegistryHost(timers=False) as host:
        receiver.host, host.receiver = host, receiver.receive
        id = await closed(host)
        await host.restart(**WEBHOOK)
        assert (await host.post(f"/api/process/{id}")).status == 202
        await host.advance(seconds=1)
        assert (await host.processing(id), await counts(host)) == ("delivered", (0, 0, 1, 0))
        assert receiver.ids == [id]


@pytest.mark.parametrize("hours", [0, 3])
@virtual_time
async def test_a_webhook_that_is_unset_meanwhile_ends_the_delivery(host, receiver, hours) -> None:
    """What was pending is off then."""
    receiver.always = 503
    id = await closed(host)
    await host.advance(hours=hours)
    await host.restart(PROCESSING_WEBHOOK_URL="")
    await host.advance(hours=2)
    assert (await host.processing(id), await counts(host)) == ("off", (1, 0, 0, 0))
    number = len(receiver.deliveries)
    await host.advance(days=2)
    assert len(receiver.deliveries) == number


@virtual_time
async def test_what_cannot_be_sent(host) -> None:
    """Open registries and unknown ones."""
    answer = await host.post(f"/api/process/{await host.open()}")
    assert (answer.status, answer.json()["type"].rpartition("#")[2]) == (409, "registry-open")
    assert (await host.post(f"/api/process/{'f' * 32}")).status == 404


@virtual_time
async def test_a_change_of_the_retries_is_for_registries_opened_later(host, receiver) -> None:
    """They are fixed at the open."""
    receiver.always = 503
    id = await host.open()
    await host.restart(PROCESSING_RETRY_HOURS=0)
    await host.advance(minutes=5, seconds=2)
    assert await host.processing(id) == "pending"
    assert await host.processing(await closed(host)) == "failed"


@pytest.mark.parametrize("seed", range(5))
@virtual_time
async def test_a_delivery_is_made_at_least_once_whatever_dies(seed) -> None:
    """Workers die in the middle of attempts, and activities run twice: the receiver gets it, under
    one id.
    """
    rates = FaultRates.only(activity_again=0.5, worker_deaths_a_minute=20, worker_dies_in_turn=0.05)
    receiver = Receiver(statuses=[503] * 3)
    async with RegistryHost(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=10) as host:
        slow(receiver, host)
        answers = await asyncio.gather(*[host.call("POST", "/api/open") for _ in range(3)])
        await host.advance(minutes=2)
        host.faults.calm()
        await host.advance(minutes=5)
        ids = {each.json()["id"] for each in answers if each.status == 201}
        assert ids
        assert ids <= set(receiver.ids)
        assert {await host.processing(id) for id in ids} == {"delivered"}
        assert (await counts(host))[1] == (await counts(host))[3] == 0


def slow(receiver: Receiver, host: VirtualHost) -> None:
    """Have the receiver take half a second for each delivery, so that much can happen meanwhile."""

    async def receive(*request):
        await host.sleep(0.5)
        return receiver.receive(*request)

    host.receiver = receive


@pytest.mark.parametrize("seconds", [10.5, 3600])
@virtual_time
async def test_a_receiver_that_is_too_slow_is_tried_again(host, receiver, seconds) -> None:
    """It may have taken the delivery, which it can tell by the id."""
    pauses = [seconds]

    async def receive(*request):
        status = receiver.receive(*request)
        await host.sleep(pauses.pop() if pauses else 0)
        return status

    host.receiver = receive
    id = await closed(host)
    await host.advance(seconds=20)
    assert (await host.processing(id), receiver.ids) == ("delivered", [id, id])


@virtual_time
async def test_every_change_leaves_a_line(host, receiver, caplog) -> None:
    """With the caller's trace and the beginning of the id, and without the item or any secret."""
    caplog.set_level("INFO")
    traces = opener, adder, finisher = ("a" * 32, "b" * 32, "c" * 32)

    async def call(path: str, trace: str):
        return await host.post(path, traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    id = (await call("/api/open", opener)).json()["id"]
    await call(f"/api/add/{id}?item=Bike", adder)
    await call(f"/api/finish/{id}", finisher)
    await host.advance(seconds=1)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("registry")]
    assert [line.split()[0] for line in lines] == [
        f"event={event}" for event in ("opened", "added", "closed", "sent")
    ]
    assert all(f"registry={id[:8]} items=" in line for line in lines)
    assert [line.partition("trace=")[2] for line in lines] == [*traces, finisher]
    for secret in (id, "Bike", *WEBHOOK.values()):
        assert secret not in caplog.text


@virtual_time
async def test_what_changes_nothing_leaves_no_line(host, caplog) -> None:
    """Repeated and refused calls; where the caller has no trace, the host begins one."""
    id = await host.open()
    await host.add(id, "Bike", key="k")
    caplog.set_level("INFO")
    await host.add(id, "Bike", key="k")
    await host.add(id, "Book", key="k")
    assert [record for record in caplog.records if record.name.startswith("registry")] == []
