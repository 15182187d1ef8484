"""The registry on a host in virtual time, with short names for what its clients do."""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import standardwebhooks

from devhost.testing import (
    App,
    FaultRates,
    Faults,
    ManagementResponse,
    Response,
    VirtualHost,
    index,
)
from tests.receiver import SECRET

ROOT = Path(__file__).parents[2]
RECONCILE, PURGE = "reconcile", "purge_expired"
"""The timer functions of the app."""
SNAPSHOT = "signal RegistryStats.observe"
"""How a snapshot that is reported to the stats is counted."""
ORCHESTRATION, CLOSE_EVENT = "RegistryOrchestration", "finish"
"""The orchestration of a registry, and the event that ends it before its timer."""
MANAGEMENT = "/runtime/webhooks/durabletask"
ERROR = ManagementResponse(
    500, json.dumps({"Message": "Something went wrong while processing your request"})
)
"""What the management API answers when something is wrong with the task hub."""
URL = "http://receiver/gifts"
WEBHOOK = {"PROCESSING_WEBHOOK_URL": URL, "PROCESSING_WEBHOOK_SECRET": SECRET}
Orchestrator = Callable[[df.DurableOrchestrationContext], Generator[Any, Any, Any]]
THREE_MINUTES = timedelta(minutes=3)


@cache
def registry_app() -> App:
    """The app of this project; the SDK lets an app be indexed only once."""
    return index(import_module("function_app").app)


def with_orchestrator(app: App, orchestrator: Orchestrator | None) -> App:
    """The app with another orchestrator of registries, or without one."""
    (function,) = [
        each for each in app.functions if each.trigger.get("orchestration") == ORCHESTRATION
    ]
    others = [each for each in app.functions if each is not function]
    if orchestrator is None:
        return App(others)

    blueprint = df.Blueprint()
    trigger = blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATION)
    code = trigger(orchestrator)._function.get_user_function()
    return App([*others, replace(function, code=code)])


@dataclass
class Delivery:
    """A delivery that was received, and when. Its signature was verified."""

    id: str
    body: Any
    at: datetime


@dataclass
class Receiver:
    """A receiver of deliveries in memory. Give it to a RegistryHost."""

    statuses: list[int] = field(default_factory=list)
    """The next responses; then comes `always`."""
    always: int = 204
    is_down: bool = False
    deliveries: list[Delivery] = field(default_factory=list)
    host: VirtualHost | None = None

    def receive(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Note a delivery; returns the status of the response."""
        assert self.host is not None
        assert (method, url, headers["content-type"]) == ("POST", URL, "application/json")
        sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        webhook = standardwebhooks.Webhook(SECRET)
        expected = webhook.sign(headers["webhook-id"], sent_at, body.decode())
        assert headers["webhook-signature"] == expected

        self.deliveries.append(Delivery(headers["webhook-id"], json.loads(body), self.host.now()))
        if self.is_down:
            raise ConnectionRefusedError
        return self.statuses.pop(0) if self.statuses else self.always

    @property
    def ids(self) -> list[str]:
        """The webhook-ids of the deliveries."""
        return [each.id for each in self.deliveries]


class RegistryHost(VirtualHost):
    """The app of this project on a host in virtual time."""

    def __init__(
        self,
        receiver: Receiver | None = None,
        *,
        rates: FaultRates | None = None,
        faults: Faults | None = None,
        seed: int = 1,
        app: App | Path = ROOT,
        settings: Mapping[str, object] | None = None,
        **more: Any,
    ) -> None:
        """With a receiver, deliveries are on. With rates, that much goes wrong.

        Other names in capitals are settings of the app; the rest are options of VirtualHost.
        """
        named = {name: value for name, value in more.items() if name.isupper()}
        options = {name: value for name, value in more.items() if not name.isupper()}
        settings = {**(settings or {}), **named}
        if receiver is not None:
            settings = WEBHOOK | settings
            options["receiver"] = receiver.receive
            receiver.host = self
        if rates is not None:
            faults = Faults(seed, rates)
        super().__init__(app, settings=settings, seed=seed, faults=faults, **options)

    async def get_json(self, path: str) -> Any:
        """The body of a GET that succeeds."""
        response = await self.get(path)
        assert response.status == 200, response
        return response.json()

    async def open(self) -> str:
        """Open a registry; returns its id."""
        response = await self.post("/api/open")
        assert response.status == 201, response
        id: str = response.json()["id"]
        return id

    async def add(self, id: str, text: str, key: str = "") -> Response:
        """Add an item to a registry."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.post(f"/api/add/{id}", params={"item": text}, headers=headers)

    async def peek(self, id: str) -> Any:
        return await self.get_json(f"/api/peek/{id}")

    async def finish(self, id: str) -> Response:
        return await self.post(f"/api/finish/{id}")

    async def stats(self) -> Any:
        return await self.get_json("/api/stats")

    async def processing(self, id: str) -> str:
        """What has become of the delivery of a registry."""
        outcome: str = (await self.peek(id))["registry"]["processing"]
        return outcome

    async def terminate(self, instance: str) -> None:
        """Terminate an orchestration, as an operator does."""
        response = await self.post(f"{MANAGEMENT}/instances/{instance}/terminate?reason=by+hand")
        assert response.status == 202, response

    def list_state(self, id: str) -> str | None:
        """The stored state of a registry's list."""
        return self.entity("RegistryList", id)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def without_processing(registry: dict[str, Any]) -> dict[str, Any]:
    """A registry as it is shown, without the state of its delivery, which may still change."""
    return {name: value for name, value in registry.items() if name != "processing"}


async def assert_all_closed_and_sent(
    host: RegistryHost,
    receiver: Receiver,
    ids: list[str],
    unopened: int = 0,
    started: datetime | None = None,
) -> None:
    """All are closed on record, counted once, and were sent in time under one webhook-id each.

    `started` is when the app started last. `unopened` is how many more there are whose open was not
    answered: these are counted, and no more.
    """
    shown = {id: await host.peek(id) for id in ids}
    assert all(each["status"] == "Closed" for each in shown.values())

    counts = await host.stats()
    assert counts["registryCount"] == counts["closedCount"] == len(ids) + unopened
    assert counts["itemsCount"] == sum(len(each["registry"]["items"]) for each in shown.values())
    by_outcome = {"off": unopened, "pending": 0, "delivered": len(ids), "failed": 0}
    assert counts["processing"] == by_outcome

    assert set(receiver.ids) == set(ids)
    for id in ids:
        first = next(each for each in receiver.deliveries if each.id == id)
        closes_at = moment(shown[id]["registry"]["closesAt"])
        assert first.at <= max(closes_at, started or closes_at) + THREE_MINUTES
        assert first.body["registry"]["items"] == shown[id]["registry"]["items"]
