"""Sender and receiver are killed during deliveries: each registry arrives, with its webhook-id."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import requests

from tests.e2e.process import Devhost
from tests.receiver import SECRET, Receiver

REGISTRIES = 10


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, half a minute at most."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def delivered(host: Devhost) -> int:
    return requests.get(f"{host.url}/api/stats").json()["processing"]["delivered"]


def finished(host: Devhost, count: int = REGISTRIES) -> dict[str, str]:
    """Registries that were just finished, each with an item of its own: by id."""
    items = {}
    for number in range(count):
        links = requests.post(f"{host.url}/api/open").json()["links"]
        requests.post(links["add"], params={"item": f"Gift {number}"})
        registry = requests.post(links["finish"]).json()["registry"]
        items[registry["id"]] = f"Gift {number}"
    return items


def sender(tmp_path, receiver: Receiver) -> Devhost:
    return Devhost(
        tmp_path / "data",
        PROCESSING_WEBHOOK_URL=receiver.url,
        PROCESSING_WEBHOOK_SECRET=SECRET,
        PROCESSING_FIRST_RETRY_SECONDS=1,
    )


def test_a_receiver_that_dies_with_deliveries_in_its_hands(tmp_path) -> None:
    """It had them, and gave no answer: when it is back it gets them again, under the same ids."""
    with Receiver() as receiver:
        answers = receiver.answer
        receiver.answer = lambda request: request.connection.close()
        with sender(tmp_path, receiver) as host:
            items = finished(host)
            until(lambda: set(receiver.ids) == set(items))
            receiver.stop()
            assert delivered(host) == 0
            time.sleep(1.5)  # attempts fail meanwhile
            receiver.answer = answers
            receiver.start()
            until(lambda: delivered(host) == REGISTRIES)
            assert len(receiver.ids) >= 2 * REGISTRIES
            taken = {delivery.id: delivery.body for delivery in receiver.deliveries}
            assert {id: body["registry"]["items"][0] for id, body in taken.items()} == items


def test_a_sender_that_dies_with_deliveries_in_its_hands(tmp_path) -> None:
    """Killed before it had an answer, it sends them again after its start."""
    with Receiver() as receiver:
        held: list[BaseHTTPRequestHandler] = []
        answers, receiver.answer = (
            receiver.answer,
            lambda request: held.append(request) or time.sleep(1),
        )
        with sender(tmp_path, receiver) as host:
            items = finished(host)
            until(lambda: len(held) >= REGISTRIES)
            host.kill()
            receiver.answer = answers
            host.start()
            until(lambda: delivered(host) == REGISTRIES)
            assert set(receiver.ids) == set(items)


def test_slow_answers_do_not_queue_up(tmp_path) -> None:
    """The attempts for many registries are under way at the same time."""
    with Receiver() as receiver:
        all_are_here = threading.Barrier(REGISTRIES, timeout=5)
        answers = receiver.answer
        receiver.answer = lambda request: (all_are_here.wait(), answers(request))
        with sender(tmp_path, receiver) as host:
            items = finished(host)
            until(lambda: delivered(host) == REGISTRIES)
            assert sorted(receiver.ids) == sorted(items)


def test_many_who_ask_for_the_same_at_the_same_time(tmp_path) -> None:
    """Each answer says that it is being sent, or was sent just now; it is sent once more."""
    with Receiver() as receiver, sender(tmp_path, receiver) as host:
        (id,) = finished(host, 1)
        until(lambda: delivered(host) == 1)
        with ThreadPoolExecutor(16) as pool:
            answers = list(
                pool.map(lambda _: requests.post(f"{host.url}/api/process/{id}"), range(64))
            )
        assert {answer.status_code for answer in answers} <= {202, 429}
        assert answers[0].status_code == 202
        until(lambda: delivered(host) == 1 and len(receiver.ids) >= 2)
        assert receiver.ids == [id, id]
