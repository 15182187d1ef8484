"""What scenarios have in common: a receiver of deliveries in memory, and short words for what
clients do and see.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import standardwebhooks

from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.storage.store import Store
from devhost.testing.answers import Answer
from devhost.testing.faults import Rates, Unkind
from devhost.testing.virtual_host import VirtualHost
from tests.receiver import SECRET

ERROR = ManagementResponse(
    500, json.dumps({"Message": "Something went wrong while processing your request"})
)
"""What the management API answers where something is wrong."""
URL = "http://receiver/gifts"
THREE_MINUTES = timedelta(minutes=3)
WEBHOOK = {"PROCESSING_WEBHOOK_URL": URL, "PROCESSING_WEBHOOK_SECRET": SECRET}


@dataclass
class Delivery:
    """What was received, and when; its signature is verified."""

    id: str
    body: Any
    at: datetime


@dataclass
class Receiver:
    """Receives deliveries in memory; give its `receive` to a VirtualHost, and the host to it."""

    host: VirtualHost | None = None
    statuses: list[int] = field(default_factory=list)
    """What is answered next; then `always`."""
    always: int = 204
    is_down: bool = False
    deliveries: list[Delivery] = field(default_factory=list)

    def receive(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        assert self.host is not None
        assert (method, url, headers["content-type"]) == ("POST", URL, "application/json")
        sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        expected = standardwebhooks.Webhook(SECRET).sign(
            headers["webhook-id"], sent_at, body.decode()
        )
        assert headers["webhook-signature"] == expected
        self.deliveries.append(Delivery(headers["webhook-id"], json.loads(body), self.host.now()))
        if self.is_down:
            raise ConnectionRefusedError
        return self.statuses.pop(0) if self.statuses else self.always

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.deliveries]


def host_with(
    receiver: Receiver | None = None,
    *,
    rates: Rates | None = None,
    unkind: Unkind | None = None,
    seed: int = 1,
    store: Store | None = None,
    **more: Any,
) -> VirtualHost:
    """The app on a host, with a webhook where there is a receiver, and unkind where there are
    rates.
    """
    unkind = Unkind(seed, rates) if rates else unkind
    if receiver is None:
        return VirtualHost(seed=seed, unkind=unkind, store=store, **more)
    host = VirtualHost(
        seed=seed, unkind=unkind, store=store, receiver=receiver.receive, **WEBHOOK, **more
    )
    receiver.host = host
    return host


def told(answer: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.body)


def peek(host: VirtualHost, id: str) -> Any:
    return host.get(f"/api/peek/{id}")


def stats(host: VirtualHost) -> Any:
    return host.get("/api/stats")


def processing(host: VirtualHost, id: str) -> str:
    outcome: str = peek(host, id)["registry"]["processing"]
    return outcome


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def terminate(host: VirtualHost, instance: str) -> None:
    """As an operator does."""
    answer = host.post(
        f"/runtime/webhooks/durabletask/instances/{instance}/terminate?reason=by+hand"
    )
    assert answer.status == 202, answer


@contextmanager
def answering(
    host: VirtualHost, decide: Callable[[ManagementRequest], ManagementResponse | None]
) -> Iterator[None]:
    """Have the management API answer in the block as `decide` says, instead of doing anything; None
    is as usual.
    """
    usual = host.management.answer

    async def answer(call: ManagementRequest) -> ManagementResponse:
        reply = decide(call)
        return await usual(call) if reply is None else reply

    with patch.object(host.management, "answer", answer):
        yield


def assert_all_is_well(
    host: VirtualHost,
    receiver: Receiver,
    ids: list[str],
    unopened: int = 0,
    started: datetime | None = None,
) -> None:
    """All are closed on record, counted once, and were sent in time; the receiver can tell repeats.

    `started` is when the app started last. Besides there are some of which the open was not
    answered, and did not come to more than that they are counted.
    """
    shown = {id: peek(host, id) for id in ids}
    assert all(each["status"] == "Closed" for each in shown.values())
    counts = stats(host)
    assert counts["registryCount"] == counts["closedCount"] == len(ids) + unopened
    assert counts["itemsCount"] == sum(len(each["registry"]["items"]) for each in shown.values())
    assert counts["processing"] == {
        "off": unopened,
        "pending": 0,
        "delivered": len(ids),
        "failed": 0,
    }
    assert set(receiver.ids) == set(ids)
    for id in ids:
        first = next(each for each in receiver.deliveries if each.id == id)
        closes_at = moment(shown[id]["registry"]["closesAt"])
        assert first.at <= max(closes_at, started or closes_at) + THREE_MINUTES
        assert first.body["registry"]["items"] == shown[id]["registry"]["items"]
