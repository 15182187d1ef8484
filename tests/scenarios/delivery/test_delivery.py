"""Closed registries are sent to the webhook: at least once, under one webhook-id."""

import asyncio
from itertools import pairwise

import pytest

from devhost.testing import FaultRates, virtual_time
from tests.support.cases import cases
from tests.support.registry_host import WEBHOOK, Receiver, RegistryHost


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(receiver) -> RegistryHost:
    """Without its timer functions: deliveries go on by themselves."""
    return RegistryHost(receiver, timers=False)


async def open_until_time_out(host: RegistryHost) -> str:
    """Open a registry with one item, and let it time out; returns its id."""
    id = await host.open()
    await host.add(id, "Bike 🚲")
    await host.advance(minutes=5, seconds=2)
    return id


async def redeliver(host: RegistryHost, id: str) -> tuple[int, str]:
    """Ask for another delivery; returns the status, and the kind of problem if there is one."""
    response = await host.post(f"/api/process/{id}")
    return response.status, response.json().get("type", "").rpartition("#")[2]


async def counts(host: RegistryHost) -> tuple[int, ...]:
    """How many deliveries are off, pending, delivered, failed."""
    shown = (await host.stats())["processing"]
    assert tuple(shown) == ("off", "pending", "delivered", "failed")
    return tuple(shown.values())


async def outcome(host: RegistryHost, id: str) -> tuple[str, tuple[int, ...]]:
    """What a registry says of its delivery, and what the counts say of all."""
    return await host.processing(id), await counts(host)


@pytest.mark.parametrize("closing", ["user", "timeout"])
@virtual_time
async def test_a_registry_is_sent_when_it_closes(host, receiver, closing) -> None:
    """Either way: what peek shows, once, and under its id."""
    id = await host.open()
    await host.add(id, "Bike 🚲")
    assert await outcome(host, id) == ("pending", (0, 0, 0, 0))
    if closing == "user":
        await host.finish(id)
    else:
        await host.advance(minutes=5, seconds=1)
    await host.advance(seconds=1)

    shown = await host.peek(id)
    assert shown["registry"]["closedBy"] == closing
    assert shown["registry"]["processing"] == "delivered"
    (delivery,) = receiver.deliveries
    assert delivery.id == id
    shown["registry"]["processing"] = "pending"
    assert delivery.body == shown
    assert await counts(host) == (0, 0, 1, 0)
    await host.advance(days=2)
    assert receiver.ids == [id]


@virtual_time
async def test_without_a_webhook_nothing_is_sent() -> None:
    """The registry and the counts say so."""
    async with RegistryHost(timers=False) as host:
        id = await open_until_time_out(host)
        assert await outcome(host, id) == ("off", (1, 0, 0, 0))
        assert await redeliver(host, id) == (409, "processing-off")


@pytest.mark.parametrize("status", [300, 307, 408, 409, 425, 429, 500, 503, 599])
@virtual_time
async def test_a_temporary_failure_is_tried_again(host, receiver, status) -> None:
    """After five seconds, for the first time."""
    receiver.statuses = [status]
    id = await open_until_time_out(host)
    assert await outcome(host, id) == ("pending", (0, 1, 0, 0))
    await host.advance(seconds=6)
    assert await outcome(host, id) == ("delivered", (0, 0, 1, 0))
    first, second = receiver.deliveries
    assert (first.id, first.body) == (second.id, second.body) == (id, first.body)
    assert 5 <= (second.at - first.at).total_seconds() < 5.1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
@virtual_time
async def test_a_permanent_failure_is_given_up(host, receiver, status) -> None:
    """Other client errors are final, 410 among them."""
    receiver.statuses = [status]
    id = await open_until_time_out(host)
    assert await outcome(host, id) == ("failed", (0, 0, 0, 1))
    await host.advance(days=2)
    assert receiver.ids == [id]


@virtual_time
async def test_the_back_off_doubles_up_to_an_hour_and_ends_after_a_day(host, receiver) -> None:
    """Then the delivery has failed. The registry keeps its items, and can be sent again."""
    receiver.is_down = True
    id = await open_until_time_out(host)
    await host.advance(hours=23)
    assert await outcome(host, id) == ("pending", (0, 1, 0, 0))
    await host.advance(hours=2)
    assert await outcome(host, id) == ("failed", (0, 0, 0, 1))

    moments = [each.at for each in receiver.deliveries]
    pauses = [round((then - now).total_seconds()) for now, then in pairwise(moments)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560] + [3600] * 22
    assert (await host.peek(id))["registry"]["items"] == ["Bike 🚲"]

    receiver.is_down = False
    await host.advance(days=3)
    assert len(receiver.deliveries) == len(moments)
    assert await redeliver(host, id) == (202, "")
    await host.advance(seconds=1)
    assert await outcome(host, id) == ("delivered", (0, 0, 1, 0))
    assert set(receiver.ids) == {id}


@pytest.mark.verify
@virtual_time
async def test_a_delivery_that_fails_for_a_week_goes_on_in_new_histories(host, receiver) -> None:
    """With the back-off that it had."""
    await host.restart(PROCESSING_RETRY_HOURS=168, PROCESSING_LONGEST_RETRY_SECONDS=3600)
    receiver.is_down = True
    id = await open_until_time_out(host)
    await host.advance(hours=160)
    assert len(receiver.deliveries) > 160
    receiver.is_down = False
    await host.advance(hours=2)
    assert await outcome(host, id) == ("delivered", (0, 0, 1, 0))


@virtual_time
async def test_a_registry_can_be_sent_again_once_a_minute(host, receiver) -> None:
    """202; then 429 with the seconds that are left of the minute; after these, 202 again."""
    id = await open_until_time_out(host)
    first = await host.post(f"/api/process/{id}")
    assert (first.status, first.json()["status"]) == (202, "Closed")
    assert receiver.ids == [id, id]

    await host.advance(seconds=20)
    second = await host.post(f"/api/process/{id}")
    assert second.status == 429
    assert second.json()["type"].endswith("#sent-just-now")
    assert second.headers["retry-after"] in ("40", "41")

    await host.advance(seconds=int(second.headers["retry-after"]))
    assert await redeliver(host, id) == (202, "")
    assert receiver.ids == [id] * 3
    await host.advance(seconds=1)
    assert await counts(host) == (0, 0, 1, 0)
    assert (await host.stats())["closedCount"] == 1


@virtual_time
async def test_many_who_ask_at_once_have_it_sent_once(host, receiver) -> None:
    """Everybody gets 202 or 429."""
    id = await open_until_time_out(host)
    calls = [host.call("POST", f"/api/process/{id}") for _ in range(20)]
    statuses = {each.status for each in await asyncio.gather(*calls)}
    await host.advance(seconds=5)
    assert statuses <= {202, 429}
    assert 202 in statuses
    assert receiver.ids == [id, id]
    assert await counts(host) == (0, 0, 1, 0)


@virtual_time
async def test_a_registry_that_is_being_sent_is_not_sent_twice_at_a_time(host, receiver) -> None:
    """Asking again is answered 202 and changes nothing, during the first delivery and a second."""
    receiver.always = 503
    id = await open_until_time_out(host)
    assert await redeliver(host, id) == (202, "")
    assert receiver.ids == [id]
    await host.advance(hours=25)
    assert await counts(host) == (0, 0, 0, 1)
    receiver.deliveries.clear()
    for _ in range(3):
        assert await redeliver(host, id) == (202, "")
    assert receiver.ids == [id]
    assert await counts(host) == (0, 1, 0, 0)


@virtual_time
async def test_a_registry_can_be_sent_once_a_webhook_is_set(receiver) -> None:
    """Also where there was none when it closed; the counts follow."""
    async with RegistryHost(timers=False) as host:
        receiver.host, host.receiver = host, receiver.receive
        id = await open_until_time_out(host)
        await host.restart(**WEBHOOK)
        assert await redeliver(host, id) == (202, "")
        await host.advance(seconds=1)
        assert await outcome(host, id) == ("delivered", (0, 0, 1, 0))
        assert receiver.ids == [id]


@pytest.mark.parametrize("hours", cases([1, 25], [1]))
@virtual_time
async def test_without_the_webhook_deliveries_wait(receiver, caplog, hours) -> None:
    """However long: what was pending, and what closes meanwhile. Then all are sent in time."""
    receiver.always = 503
    async with RegistryHost(receiver) as host:
        ids = [await open_until_time_out(host), await host.open()]
        await host.restart(PROCESSING_WEBHOOK_URL="")
        receiver.deliveries.clear()
        caplog.clear()
        await host.advance(hours=hours)
        assert [await host.processing(id) for id in ids] == ["pending"] * 2
        assert await counts(host) == (0, 2, 0, 0)
        assert receiver.deliveries == []
        # One line in each run, once both wait; none for each attempt.
        lines = [line for line in lines_of_the_app(caplog) if "event=closed" not in line]
        assert lines[-1] == "event=waiting deliveries=2 setting=PROCESSING_WEBHOOK_URL"
        assert len(lines) <= hours * 60 + 1

        receiver.always = 204
        await host.restart(**WEBHOOK)
        await host.advance(minutes=2)
        assert await counts(host) == (0, 0, 2, 0)
        assert sorted(receiver.ids) == sorted(ids)


@virtual_time
async def test_open_and_unknown_registries_cannot_be_sent(host) -> None:
    """They are 409 and 404."""
    assert await redeliver(host, await host.open()) == (409, "registry-open")
    assert (await redeliver(host, "f" * 32))[0] == 404


@virtual_time
async def test_a_change_of_the_back_off_is_for_registries_opened_later(host, receiver) -> None:
    """It is fixed at the open."""
    receiver.always = 503
    id = await host.open()
    await host.restart(PROCESSING_RETRY_HOURS=0)
    await host.advance(minutes=5, seconds=2)
    assert await host.processing(id) == "pending"
    assert await host.processing(await open_until_time_out(host)) == "failed"


@pytest.mark.parametrize("seed", cases(range(5), [0]))
@virtual_time
async def test_a_delivery_is_made_at_least_once_whatever_dies(seed) -> None:
    """Workers die during attempts, and activities run twice; repeats have the same webhook-id."""
    rates = FaultRates.only(activity_again=0.5, worker_deaths_a_minute=20, worker_dies_in_turn=0.05)
    receiver = Receiver(statuses=[503] * 3)
    async with RegistryHost(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=10) as host:
        host.receiver = slow(receiver, 0.5)
        opened = await asyncio.gather(*[host.call("POST", "/api/open") for _ in range(3)])
        await host.advance(minutes=2)
        host.stop_faults()
        await host.advance(minutes=5)

        ids = {each.json()["id"] for each in opened if each.status == 201}
        assert ids
        assert ids <= set(receiver.ids)
        assert {await host.processing(id) for id in ids} == {"delivered"}
        _, pending, _, failed = await counts(host)
        assert (pending, failed) == (0, 0)


def slow(receiver: Receiver, *pauses: float):
    """A receiver that sleeps for each pause in turn, then for the last one each time."""
    left = [*pauses]

    async def receive(*request):
        status = receiver.receive(*request)
        await asyncio.sleep(left.pop(0) if len(left) > 1 else left[0])
        return status

    return receive


@pytest.mark.parametrize("seconds", [10.5, 3600])
@virtual_time
async def test_a_receiver_that_is_too_slow_is_tried_again(host, receiver, seconds) -> None:
    """If it has taken the first one after all, the webhook-id shows the repeat."""
    host.receiver = slow(receiver, seconds, 0)
    id = await open_until_time_out(host)
    await host.advance(seconds=20)
    assert (await host.processing(id), receiver.ids) == ("delivered", [id, id])


@virtual_time
async def test_every_change_is_logged(host, caplog) -> None:
    """With the caller's trace and the first digits of the id; without the item or any secret."""
    caplog.set_level("INFO")
    traces = opener, adder, finisher = ("a" * 32, "b" * 32, "c" * 32)

    async def post(path: str, trace: str):
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        return await host.post(path, headers=headers)

    id = (await post("/api/open", opener)).json()["id"]
    await post(f"/api/add/{id}?item=Bike", adder)
    await post(f"/api/finish/{id}", finisher)
    await host.advance(seconds=1)

    lines = lines_of_the_app(caplog)
    events = ["event=opened", "event=added", "event=closed", "event=sent"]
    assert [line.split()[0] for line in lines] == events
    assert all(f"registry={id[:8]} items=" in line for line in lines)
    assert [line.partition("trace=")[2] for line in lines] == [*traces, finisher]
    for secret in (id, "Bike", *WEBHOOK.values()):
        assert secret not in caplog.text


@virtual_time
async def test_what_changes_nothing_is_not_logged(host, caplog) -> None:
    """Neither repeated nor refused requests."""
    id = await host.open()
    await host.add(id, "Bike", key="k")
    caplog.set_level("INFO")
    await host.add(id, "Bike", key="k")
    await host.add(id, "Book", key="k")
    assert lines_of_the_app(caplog) == []


def lines_of_the_app(caplog) -> list[str]:
    records = [record for record in caplog.records if record.name.startswith("registry")]
    return [record.getMessage() for record in records]
