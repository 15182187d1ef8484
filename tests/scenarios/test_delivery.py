"""Closed registries are sent for processing: until it is done, at least once, under one webhook-id."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from devhost.testing.faults import Rates
from devhost.testing.virtual_host import VirtualHost
from tests.scenarios.world import WEBHOOK, Receiver, host_with, peek, processing, stats, told


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def host(receiver) -> Iterator[VirtualHost]:
    """Nothing heals here: deliveries go on by themselves."""
    with host_with(receiver, timers=False) as host:
        yield host


def counts(host: VirtualHost) -> tuple[int, ...]:
    """off, pending, delivered, failed."""
    shown = stats(host)["processing"]
    assert tuple(shown) == ("off", "pending", "delivered", "failed")
    return tuple(shown.values())


def closed(host: VirtualHost) -> str:
    """A registry with an item that has timed out and was settled."""
    id = host.open()
    host.add(id, "Bike 🚲")
    host.advance(minutes=5, seconds=2)
    return id


@pytest.mark.parametrize("closing", ["user", "timeout"])
def test_a_registry_is_sent_when_it_closes(host, receiver, closing) -> None:
    """Either way: what peek shows, once, under its id."""
    id = host.open()
    host.add(id, "Bike 🚲")
    assert (processing(host, id), counts(host)) == ("pending", (0, 0, 0, 0))
    if closing == "user":
        host.post(f"/api/finish/{id}")
    else:
        host.advance(minutes=5, seconds=1)
    host.advance(seconds=1)
    shown = peek(host, id)
    assert (shown["registry"]["closedBy"], shown["registry"]["processing"]) == (
        closing,
        "delivered",
    )
    (delivery,) = receiver.deliveries
    assert delivery.id == id
    shown["registry"]["processing"] = "pending"
    assert delivery.body == shown
    assert counts(host) == (0, 0, 1, 0)
    host.advance(days=2)
    assert receiver.ids == [id]


def test_nothing_is_sent_where_no_webhook_is_set() -> None:
    """The registry and the counts say so."""
    with host_with(timers=False) as host:
        id = closed(host)
        assert (processing(host, id), counts(host)) == ("off", (1, 0, 0, 0))
        answer = host.post(f"/api/process/{id}")
        assert (answer.status, told(answer)["type"].rpartition("#")[2]) == (409, "processing-off")


@pytest.mark.parametrize("status", [300, 307, 408, 409, 425, 429, 500, 503, 599])
def test_what_may_pass_is_tried_again(host, receiver, status) -> None:
    """After five seconds for the first time."""
    receiver.statuses = [status]
    id = closed(host)
    assert (processing(host, id), counts(host)) == ("pending", (0, 1, 0, 0))
    host.advance(seconds=6)
    assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
    first, second = receiver.deliveries
    assert (first.id, first.body) == (second.id, second.body) == (id, first.body)
    assert 5 <= (second.at - first.at).total_seconds() < 5.1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_what_will_never_be_taken_is_given_up(host, receiver, status) -> None:
    """Other client errors are final, 410 among them."""
    receiver.statuses = [status]
    id = closed(host)
    assert (processing(host, id), counts(host)) == ("failed", (0, 0, 0, 1))
    host.advance(days=2)
    assert receiver.ids == [id]


def test_the_pauses_double_up_to_an_hour_and_end_after_a_day(host, receiver) -> None:
    """Then the registry is failed, with all that is in it, and can be sent again."""
    receiver.is_down = True
    id = closed(host)
    host.advance(hours=23)
    assert (processing(host, id), counts(host)) == ("pending", (0, 1, 0, 0))
    host.advance(hours=2)
    assert (processing(host, id), counts(host)) == ("failed", (0, 0, 0, 1))
    moments = [each.at for each in receiver.deliveries]
    pauses = [round((then - now).total_seconds()) for now, then in pairwise(moments)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560] + [3600] * 22
    assert peek(host, id)["registry"]["items"] == ["Bike 🚲"]
    receiver.is_down = False
    host.advance(days=3)
    assert len(receiver.deliveries) == len(moments)
    assert host.post(f"/api/process/{id}").status == 202
    host.advance(seconds=1)
    assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
    assert set(receiver.ids) == {id}


def test_a_delivery_that_fails_for_a_week_goes_on_in_new_histories(host, receiver) -> None:
    """With the pauses that it had."""
    host.choose(PROCESSING_RETRY_HOURS=168, PROCESSING_LONGEST_RETRY_SECONDS=3600)
    receiver.is_down = True
    id = closed(host)
    host.advance(hours=160)
    assert len(receiver.deliveries) > 160
    receiver.is_down = False
    host.advance(hours=2)
    assert processing(host, id) == "delivered"
    assert counts(host) == (0, 0, 1, 0)


def test_a_registry_can_be_sent_again_once_a_minute(host, receiver) -> None:
    """202; then 429 with the seconds that are left of the minute; then 202 again."""
    id = closed(host)
    first = host.post(f"/api/process/{id}")
    assert (first.status, told(first)["status"]) == (202, "Closed")
    assert receiver.ids == [id, id]
    host.advance(seconds=20)
    second = host.post(f"/api/process/{id}")
    assert (second.status, told(second)["type"].rpartition("#")[2]) == (429, "sent-just-now")
    assert second.headers["retry-after"] in ("40", "41")
    host.advance(seconds=int(second.headers["retry-after"]))
    assert host.post(f"/api/process/{id}").status == 202
    assert receiver.ids == [id] * 3
    host.advance(seconds=1)
    assert counts(host) == (0, 0, 1, 0)
    assert stats(host)["closedCount"] == 1


def test_many_who_ask_at_once_have_it_sent_once(host, receiver) -> None:
    """All are told 202, or 429."""
    id = closed(host)
    answers = host.run_all(*[host.call("POST", f"/api/process/{id}") for _ in range(20)])
    host.advance(seconds=5)
    assert {each.status for each in answers} <= {202, 429}
    assert 202 in {each.status for each in answers}
    assert receiver.ids == [id, id]
    assert counts(host) == (0, 0, 1, 0)


def test_a_registry_that_is_being_sent_is_not_sent_twice_at_a_time(host, receiver) -> None:
    """To ask again changes nothing, during the first delivery and during a second one; both are
    told 202.
    """
    receiver.always = 503
    id = closed(host)
    assert host.post(f"/api/process/{id}").status == 202
    assert receiver.ids == [id]
    host.advance(hours=25)
    assert counts(host) == (0, 0, 0, 1)
    receiver.deliveries.clear()
    for _ in range(3):
        assert host.post(f"/api/process/{id}").status == 202
    assert receiver.ids == [id]
    assert counts(host) == (0, 1, 0, 0)


def test_what_was_not_to_be_sent_can_be_sent_later(receiver) -> None:
    """Where a webhook is set by then; and the counts follow."""
    with host_with(timers=False) as host:
        receiver.host, host.receiver = host, receiver.receive
        id = closed(host)
        host.choose(**WEBHOOK)
        assert host.post(f"/api/process/{id}").status == 202
        host.advance(seconds=1)
        assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
        assert receiver.ids == [id]


@pytest.mark.parametrize("hours", [0, 3])
def test_a_webhook_that_is_unset_meanwhile_ends_the_delivery(host, receiver, hours) -> None:
    """What was pending is off then."""
    receiver.always = 503
    id = closed(host)
    host.advance(hours=hours)
    host.choose(PROCESSING_WEBHOOK_URL="")
    host.advance(hours=2)
    assert (processing(host, id), counts(host)) == ("off", (1, 0, 0, 0))
    number = len(receiver.deliveries)
    host.advance(days=2)
    assert len(receiver.deliveries) == number


def test_what_cannot_be_sent(host) -> None:
    """Open registries and unknown ones."""
    answer = host.post(f"/api/process/{host.open()}")
    assert (answer.status, told(answer)["type"].rpartition("#")[2]) == (409, "registry-open")
    assert host.post(f"/api/process/{'f' * 32}").status == 404


def test_a_change_of_the_retries_is_for_registries_opened_later(host, receiver) -> None:
    """They are fixed at the open."""
    receiver.always = 503
    id = host.open()
    host.choose(PROCESSING_RETRY_HOURS=0)
    host.advance(minutes=5, seconds=2)
    assert processing(host, id) == "pending"
    assert processing(host, closed(host)) == "failed"


@pytest.mark.parametrize("seed", range(5))
def test_a_delivery_is_made_at_least_once_whatever_dies(seed) -> None:
    """Workers die in the middle of attempts, and activities run twice: the receiver gets it, under
    one id.
    """
    rates = Rates.only(activity_again=0.5, worker_deaths_a_minute=20, worker_dies_in_turn=0.05)
    receiver = Receiver(statuses=[503] * 3)
    with host_with(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=10) as host:
        slow(receiver, host)
        answers = host.run_all(*[host.call("POST", "/api/open") for _ in range(3)])
        host.advance(minutes=2)
        host.host.unkind.calm()
        host.advance(minutes=5)
        ids = {told(each)["id"] for each in answers if each.status == 201}
        assert ids
        assert ids <= set(receiver.ids)
        assert {processing(host, id) for id in ids} == {"delivered"}
        assert counts(host)[1] == counts(host)[3] == 0


def slow(receiver: Receiver, host: VirtualHost) -> None:
    """Have the receiver take half a second for each delivery, so that much can happen meanwhile."""

    async def receive(*request):
        await host.sleep(0.5)
        return receiver.receive(*request)

    host.receiver = receive


@pytest.mark.parametrize("seconds", [10.5, 3600])
def test_a_receiver_that_is_too_slow_is_tried_again(host, receiver, seconds) -> None:
    """It may have taken the delivery, which it can tell by the id."""
    pauses = [seconds]

    async def receive(*request):
        status = receiver.receive(*request)
        await host.sleep(pauses.pop() if pauses else 0)
        return status

    host.receiver = receive
    id = closed(host)
    host.advance(seconds=20)
    assert (processing(host, id), receiver.ids) == ("delivered", [id, id])


def test_every_change_leaves_a_line(host, receiver, caplog) -> None:
    """With the caller's trace and the beginning of the id, and without the item or any secret."""
    caplog.set_level("INFO")
    traces = opener, adder, finisher = ("a" * 32, "b" * 32, "c" * 32)

    def call(path: str, trace: str):
        return host.post(path, traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    id = told(call("/api/open", opener))["id"]
    call(f"/api/add/{id}?item=Bike", adder)
    call(f"/api/finish/{id}", finisher)
    host.advance(seconds=1)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("registry")]
    assert [line.split()[0] for line in lines] == [
        f"event={event}" for event in ("opened", "added", "closed", "sent")
    ]
    assert all(f"registry={id[:8]} items=" in line for line in lines)
    assert [line.partition("trace=")[2] for line in lines] == [*traces, finisher]
    for secret in (id, "Bike", *WEBHOOK.values()):
        assert secret not in caplog.text


def test_what_changes_nothing_leaves_no_line(host, caplog) -> None:
    """Repeated and refused calls; where the caller has no trace, the host begins one."""
    id = host.open()
    host.add(id, "Bike", key="k")
    caplog.set_level("INFO")
    host.add(id, "Bike", key="k")
    host.add(id, "Book", key="k")
    assert [record for record in caplog.records if record.name.startswith("registry")] == []
