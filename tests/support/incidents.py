"""Incidents: what happens to a task hub, a clock or a receiver now and then, with many registries.

The checker looks at them as at all others, in virtual time. What they cannot be held to while it
lasts is due within the usual time after the incident.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from devhost.testing import Faults, ManagementRequest, ManagementResponse, VirtualHost
from registry.durable.names import stats_entity
from tests.support.promises.checker import Receiver
from tests.support.promises.clients import Client
from tests.support.promises.history import History
from tests.support.promises.terms import Violation
from tests.support.registry_host import ERROR, MANAGEMENT, WEBHOOK

DAY = 86_400.0
RECORDED_WITHIN = 20.0
"""Seconds from a registry's end until its close is on record, however busy its receiver is."""


class ActivityClock(Faults):
    """Faults with which the clock of activities can be put out."""

    ahead = 0.0
    """Seconds."""

    def skew(self, trigger: str) -> float:
        return super().skew(trigger) + (self.ahead if trigger == "activityTrigger" else 0)


@dataclass
class Scene:
    """Where an incident happens."""

    host: VirtualHost
    faults: ActivityClock
    receiver: "FlakyReceiver"
    history: History
    client: Client
    open_seconds: float
    violations: list[Violation] = field(default_factory=list)

    async def open(self, count: int) -> list[str]:
        """Open so many registries, each with an item; returns their ids."""

        async def one(number: int) -> str:
            opened = await self.client.ask("open")
            await self.client.ask("add", opened.id, f"gift {number}", f"incident-{number}")
            return opened.id

        return await asyncio.gather(*map(one, range(count)))

    async def until_closed(self, more: float = 0) -> None:
        """Wait until all that are open have closed, and some seconds more."""
        await self.host.sleep(self.open_seconds + 5 + more)

    async def terminate(self, instances: list[str]) -> None:
        """Terminate orchestrations: whatever they would have done, they do not."""
        for instance in instances:
            path = f"{MANAGEMENT}/instances/{instance}/terminate?reason=incident"
            await self.host.call("POST", path)

    async def lose_deliveries(self) -> None:
        """Terminate all deliveries that are running."""
        running = [each.id for each in self.host.instances() if each.status == "Running"]
        await self.terminate([id for id in running if id.endswith("-delivery")])

    async def end(self) -> None:
        """Let the time that is allowed begin now, as after a start, and pass."""
        self.receiver.is_down = self.receiver.hangs = False
        self.history.starts.append(self.host.now())
        await self.host.sleep(240)

    def expect_closed(self, ids: list[str]) -> None:
        """Note which of these have no close on record."""
        for id in ids:
            state = json.loads(self.host.entity("RegistryList", id) or "{}")
            if not state.get("closed_at"):
                line = f"its close is not on record {RECORDED_WITHIN:g} s after its end"
                self.violations.append(Violation(line, id=id))


class FlakyReceiver:
    """Receives deliveries, unless it is down. It may accept them and never answer."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.is_down = False
        self.hangs = False

    async def receive(self, webhook_id: str, body: Any) -> int:
        """Note a delivery; returns the status of the answer."""
        if self.is_down:
            raise ConnectionRefusedError
        status = self._receiver.receive(webhook_id, body)
        if self.hangs:
            await asyncio.sleep(3600)
        return status


async def unreadable_shard(scene: Scene) -> None:
    """For six minutes a shard of the stats cannot be read; orchestrations elsewhere are lost."""
    ids = await scene.open(24)
    shard = stats_entity(ids[0])

    def refuse(request: ManagementRequest) -> ManagementResponse | None:
        path = request.path.strip("/").lower()
        is_shard = path == f"entities/{shard.name}/{shard.key}".lower()
        return ERROR if is_shard and request.method == "GET" else None

    with scene.host.intercepting(refuse):
        await scene.terminate([id for id in ids if stats_entity(id) != shard])
        await scene.until_closed(360)


async def junk_entry(scene: Scene) -> None:
    """A shard of the stats has an entry that means nothing, and orchestrations are lost."""
    ids = await scene.open(24)
    await scene.host.sleep(5)
    shard = stats_entity(ids[0])
    state = json.loads(scene.host.entity(shard.name, shard.key) or "{}")
    if "active" in state:
        state["active"]["0" * 32] = {"due": None}
    else:  # as 1.0 stores it
        state["standings"].append(["0" * 32, {"due": None}])
    with scene.host.store.transaction():
        name = f"@{shard.name.lower()}@{shard.key}"
        scene.host.store.save_entity(name, json.dumps(state), "")

    await scene.terminate(ids)
    await scene.until_closed(360)


async def clock_ahead(scene: Scene) -> None:
    """The clock of activities is a day ahead while registries close; then deliveries are lost."""
    scene.receiver.is_down = True
    await scene.open(8)
    scene.faults.ahead = DAY
    await scene.until_closed(60)
    scene.faults.ahead = 0
    await scene.lose_deliveries()
    await scene.end()


async def hanging_receiver(scene: Scene) -> None:
    """The receiver accepts deliveries and never answers; others close meanwhile. It recovers."""
    scene.receiver.hangs = True
    await scene.open(150)
    await scene.until_closed()
    others = await scene.open(20)
    await scene.until_closed(RECORDED_WITHIN - 5)
    scene.expect_closed(others)
    await scene.host.sleep(60)
    await scene.end()


async def no_webhook_url(scene: Scene) -> None:
    """The app starts without the URL of its receiver, to which deliveries are pending."""
    scene.receiver.is_down = True
    await scene.open(6)
    await scene.until_closed(5)
    await scene.host.restart(PROCESSING_WEBHOOK_URL="")
    await scene.host.sleep(150)
    await scene.host.restart(PROCESSING_WEBHOOK_URL=WEBHOOK["PROCESSING_WEBHOOK_URL"])
    await scene.end()


async def lost_deliveries(scene: Scene) -> None:
    """Hundreds of deliveries are lost before their first attempt."""
    scene.receiver.is_down = True
    await scene.open(300)
    await scene.until_closed(20)
    await scene.lose_deliveries()
    await scene.end()


Incident = Callable[[Scene], Awaitable[None]]
INCIDENTS: dict[str, Incident] = {
    "unreadable shard": unreadable_shard,
    "junk entry": junk_entry,
    "clock ahead": clock_ahead,
    "hanging receiver": hanging_receiver,
    "no webhook URL": no_webhook_url,
    "lost deliveries": lost_deliveries,
}
