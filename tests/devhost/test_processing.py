"""Closed registries are sent for processing: by the app on devhost, in virtual time, to a real receiver."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import pytest

from registry.model import Backoff
from tests.clock import FakeClock
from tests.receiver import SECRET, Receiver
from tests.virtual import VirtualHost

OUTCOMES = ("off", "pending", "delivered", "failed")


@pytest.fixture
def host() -> Iterator[VirtualHost]:
    """The app, with a webhook still to be set."""
    with VirtualHost() as host:
        yield host


@pytest.fixture
def receiver(host) -> Iterator[Receiver]:
    """A receiver that the app sends to."""
    with Receiver(host.clock.utc_now) as receiver:
        host.choose(webhook=receiver.webhook)
        yield receiver


def processing(host: VirtualHost, id: str) -> str:
    return host.get(f"/api/peek/{id}")["registry"]["processing"]


def counts(host: VirtualHost) -> tuple[int, ...]:
    """off, pending, delivered, failed."""
    shown = host.get("/api/stats")["processing"]
    assert tuple(shown) == OUTCOMES
    return tuple(shown.values())


def closed(host: VirtualHost) -> str:
    """A registry with an item that has just timed out."""
    id = host.open()
    host.add(id, "Bike 🚲")
    host.advance(minutes=5)
    return id


@pytest.mark.parametrize("closing", ["user", "timeout"])
def test_a_registry_is_sent_when_it_closes(host, receiver, closing) -> None:
    """Either way: what peek shows, once, under its id."""
    id = host.open()
    host.add(id, "Bike 🚲")
    assert (processing(host, id), counts(host)) == ("pending", (0, 0, 0, 0))
    assert receiver.deliveries == []
    host.post(f"/api/finish/{id}") if closing == "user" else host.advance(minutes=5)
    shown = host.get(f"/api/peek/{id}")
    assert shown["registry"]["closedBy"] == closing
    assert shown["registry"]["processing"] == "delivered"
    (delivery,) = receiver.deliveries
    assert delivery.id == id
    shown["registry"]["processing"] = "pending"
    assert delivery.body == shown
    assert counts(host) == (0, 0, 1, 0)
    host.advance(days=2)
    assert receiver.ids == [id]


def test_nothing_is_sent_where_no_webhook_is_set(host) -> None:
    """And the state says so."""
    id = closed(host)
    assert (processing(host, id), counts(host)) == ("off", (1, 0, 0, 0))
    assert host.store.instance(id).status == "Completed"


@pytest.mark.parametrize("status", [300, 302, 307, 408, 409, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(host, receiver, status) -> None:
    """After five seconds for the first time; redirects are not followed."""
    receiver.statuses = [status]
    id = closed(host)
    assert (processing(host, id), counts(host)) == ("pending", (0, 1, 0, 0))
    host.advance(seconds=4.999)
    assert len(receiver.deliveries) == 1
    host.advance(seconds=0.001)
    assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
    assert [(each.id, each.path) for each in receiver.deliveries] == [(id, "/gifts")] * 2
    assert receiver.deliveries[0] == receiver.deliveries[1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 451])
def test_what_will_never_be_taken_is_given_up(host, receiver, status) -> None:
    """Other client errors are final, 410 among them."""
    receiver.statuses = [status]
    id = closed(host)
    assert (processing(host, id), counts(host)) == ("failed", (0, 0, 0, 1))
    host.advance(days=2)
    assert receiver.ids == [id]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_a_delivery(host, receiver, status) -> None:
    """Whatever it says."""
    receiver.statuses = [status]
    assert processing(host, closed(host)) == "delivered"


def test_a_receiver_that_is_too_slow_is_tried_again(host, receiver) -> None:
    """It may have taken the delivery, which it can tell by the id."""
    released = threading.Event()
    in_time, receiver.answer = receiver.answer, lambda request: released.wait(20)
    id = closed(host)
    assert processing(host, id) == "pending"
    released.set()
    receiver.answer = in_time
    host.advance(seconds=5)
    assert processing(host, id) == "delivered"
    assert receiver.ids == [id, id]


def test_an_answer_that_comes_drop_by_drop_is_too_slow(host, receiver, caplog) -> None:
    """Each part of it may come in time: it is the attempt that has a limit."""

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response_only(200)
        with suppress(OSError):
            while not released.wait(0.2):
                request.send_header("X-More", "to come")
                request.flush_headers()
        request.close_connection = True

    released = threading.Event()
    in_time, receiver.answer = receiver.answer, drip
    id = closed(host)
    assert processing(host, id) == "pending"
    assert "no answer within 1 s" in caplog.text
    released.set()
    receiver.answer = in_time
    host.advance(seconds=5)
    assert processing(host, id) == "delivered"


def test_the_body_of_the_answer_is_not_read(host, receiver) -> None:
    """However long it is, and however it is encoded."""

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.end_headers()
        with suppress(OSError):
            while True:
                request.wfile.write(b"x" * 65536)

    receiver.answer = endless
    assert processing(host, closed(host)) == "delivered"


def test_a_receiver_that_is_down_for_a_day_loses_nothing(host, receiver, caplog) -> None:
    """The registry is shown as failed, with all that is in it, and can be sent again."""
    receiver.stop()
    id = closed(host)
    host.advance(hours=23)
    assert (processing(host, id), counts(host)) == ("pending", (0, 1, 0, 0))
    host.advance(hours=1)
    assert (processing(host, id), counts(host)) == ("failed", (0, 0, 0, 1))
    attempts = [message for message in caplog.messages if "processing webhook: ConnectionError" in message]
    assert len(attempts) == 33
    assert host.get(f"/api/peek/{id}")["registry"]["items"] == ["Bike 🚲"]
    receiver.start()
    again = host.post(f"/api/process/{id}")
    assert again.status_code == 202
    assert json.loads(again.get_body())["registry"]["processing"] == "pending"
    assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
    assert receiver.ids == [id]


@pytest.mark.parametrize("before", ["off", "delivered"])
def test_any_closed_registry_can_be_sent_again(host, receiver, before) -> None:
    """Also where it was not to be sent, or the receiver has lost it."""
    if before == "off":
        host.choose(webhook=None)
    id = closed(host)
    assert processing(host, id) == before
    host.choose(webhook=receiver.webhook)
    assert host.post(f"/api/process/{id}").status_code == 202
    assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
    assert receiver.ids == ([id] if before == "off" else [id, id])


def test_a_registry_that_is_being_sent_is_not_sent_twice_at_a_time(host, receiver) -> None:
    """To ask again changes nothing, during the first sending and during a second one."""
    receiver.statuses = [503] * 100
    id = closed(host)
    assert host.post(f"/api/process/{id}").status_code == 202
    assert receiver.ids == [id]
    host.advance(hours=25)
    assert counts(host) == (0, 0, 0, 1)
    receiver.deliveries.clear()
    for _ in range(3):
        assert host.post(f"/api/process/{id}").status_code == 202
    assert receiver.ids == [id]
    assert counts(host) == (0, 1, 0, 0)


def test_what_cannot_be_sent(host, receiver) -> None:
    """Open registries and unknown ones; and nothing where no webhook is set."""
    id = host.open()
    answer = host.post(f"/api/process/{id}")
    assert answer.status_code == 409
    assert "open until 2026-12-24T18:05:00.000Z" in answer.get_body().decode()
    assert host.post(f"/api/process/{'f' * 32}").status_code == 404
    host.choose(webhook=None)
    answer = host.post(f"/api/process/{id}")
    assert answer.status_code == 409
    assert "set PROCESSING_WEBHOOK_URL" in answer.get_body().decode()


def test_a_webhook_that_is_taken_away_ends_the_sending(host, receiver) -> None:
    """What was pending is off then."""
    receiver.statuses = [503]
    id = closed(host)
    host.choose(webhook=None)
    host.advance(seconds=5)
    assert (processing(host, id), counts(host)) == ("off", (1, 0, 0, 0))


def test_what_was_ended_by_an_operator_can_be_sent(host, receiver) -> None:
    """Neither a terminated sending nor a terminated registry is in the way."""
    receiver.statuses = [503]
    id = closed(host)
    with host.store.transaction():
        host.engine.terminate(id, "by hand")
    host.run()
    assert processing(host, id) == "pending"
    assert host.post(f"/api/process/{id}").status_code == 202
    assert (processing(host, id), counts(host)) == ("delivered", (0, 0, 1, 0))
    other = host.open()
    with host.store.transaction():
        host.engine.terminate(other, "by hand")
    host.advance(minutes=5)
    assert host.post(f"/api/process/{other}").status_code == 202
    assert processing(host, other) == "delivered"


def test_a_pause_outlives_a_restart(tmp_path) -> None:
    """The next attempt is made when it is due, or at once if it was due before."""
    with Receiver() as receiver:
        receiver._clock = FakeClock().utc_now
        with VirtualHost(tmp_path / "hub.db", webhook=receiver.webhook) as host:
            receiver._clock = host.clock.utc_now
            receiver.statuses = [503, 503]
            id = closed(host)
            host.advance(seconds=5)
            now = host.clock.now
        with VirtualHost(tmp_path / "hub.db", webhook=receiver.webhook) as host:
            receiver._clock = host.clock.utc_now
            host.clock.now = now
            host.advance(seconds=9.999)
            assert len(receiver.deliveries) == 2
            host.advance(seconds=0.001)
            assert processing(host, id) == "delivered"


def test_a_change_of_the_retries_is_for_registries_opened_later(host, receiver) -> None:
    """They are fixed at the open, like the limit of items."""
    receiver.statuses = [503] * 100
    id = host.open()
    host.choose(webhook=receiver.webhook, backoff=Backoff(1, 600, 0))
    host.advance(minutes=5)
    assert processing(host, id) == "pending"
    other = closed(host)
    assert processing(host, other) == "failed"


def test_every_change_leaves_a_line(host, receiver, caplog) -> None:
    """With the caller's trace and the beginning of the id, and without the item or any secret."""
    caplog.set_level("INFO")
    opener, adder, finisher = ("a" * 32, "b" * 32, "c" * 32)

    def call(path: str, trace: str):
        return host.post(path, traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    id = json.loads(call("/api/open", opener).get_body())["id"]
    call(f"/api/add/{id}?item=Bike", adder)
    call(f"/api/finish/{id}", finisher)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("registry")]
    assert lines == [
        f"event=opened registry={id[:8]} closesAt=2026-12-24T18:05:00.000Z trace={opener}",
        f"event=added registry={id[:8]} items=1 trace={adder}",
        f"event=closed registry={id[:8]} by=user items=1 trace={finisher}",
        f"event=sent registry={id[:8]} outcome=delivered trace={finisher}",
    ]
    for secret in (id, "Bike", SECRET, receiver.url):
        assert secret not in caplog.text


def test_what_changes_nothing_leaves_no_line(host, caplog) -> None:
    """Repeated and refused calls; where the caller has no trace, the host begins one."""
    id = host.open()
    host.add(id, "Bike", key="k")
    caplog.set_level("INFO")
    host.add(id, "Bike", key="k")
    host.add(id, "Book", key="k")
    assert [record for record in caplog.records if record.name.startswith("registry")] == []
    host.advance(minutes=5)
    host.post(f"/api/finish/{id}")
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("registry")]
    assert line.startswith(f"event=closed registry={id[:8]} by=timeout items=1 trace=")
    assert len(line.partition("trace=")[2]) == 32
