"""An app that writes down what happens to it, on a host with faults in virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import azure.durable_functions as df
import azure.functions as func

from devhost.functions.indexing import index
from devhost.management.urls import PREFIX
from devhost.settings.files import HostJson
from devhost.testing import FaultRates, Faults, Response, VirtualHost

MANAGEMENT = PREFIX.rstrip("/")
SOON = HostJson(control_queue_visibility=60, work_item_visibility=60)
"""What a host that died had in hand comes again after a minute."""


class Sample:
    """An app that writes down what happens to it."""

    def __init__(self) -> None:
        self.host: VirtualHost
        self.seen: list[datetime] = []
        """What the clock said at each operation of the entity."""
        self.ran: list[datetime] = []
        """When the activity began."""
        self.woken: list[datetime] = []
        """When timers of 10 seconds fired."""
        self.ended: list[str] = []
        """How functions ended."""
        self.app = index(self._make())

    def _make(self) -> df.DFApp:
        app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

        @app.entity_trigger(context_name="context", entity_name="Bag")
        def bag(context) -> None:
            self.seen.append(self.host.app_now())
            gifts = context.get_state(list)
            if context.operation_name == "put":
                gifts.append(context.get_input())
            context.set_state(gifts)
            context.set_result(len(gifts))

        @app.activity_trigger(input_name="seconds")
        async def wrap(seconds: int) -> int:
            self.ran.append(self.host.now())
            number = len(self.ran)
            await asyncio.sleep(seconds)
            self.ended.append(f"wrapped {number}")
            return number

        @app.orchestration_trigger(context_name="context")
        def wraps(context):
            try:
                return (yield context.call_activity("wrap", context.get_input()))
            except Exception as error:
                return str(error)

        @app.orchestration_trigger(context_name="context")
        def fills(context):
            return (yield context.call_entity(df.EntityId("Bag", "a"), "put", "gift"))

        @app.orchestration_trigger(context_name="context")
        def naps(context):
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
            self.woken.append(self.host.now())

        @app.orchestration_trigger(context_name="context")
        def waits(context):
            return (yield context.wait_for_external_event("go"))

        self._add_routes(app)
        return app

    def _add_routes(self, app: df.DFApp) -> None:
        @app.route("sleep/{seconds:int}")
        async def sleep(req: func.HttpRequest) -> str:
            background = asyncio.create_task(self._note("background", 3600))
            await self._note("request", int(req.route_params["seconds"]))
            await background
            return "slept"

        @app.route("clock")
        async def clock(req: func.HttpRequest) -> str:
            return self.host.app_now().isoformat()

    async def _note(self, name: str, seconds: int) -> None:
        try:
            await asyncio.sleep(seconds)
            self.ended.append(f"{name} done")
        except asyncio.CancelledError:
            self.ended.append(f"{name} cancelled")
            raise

    @asynccontextmanager
    async def on(self, seed: int = 1, **rates: float) -> AsyncIterator["Sample"]:
        """The app on a host with these faults only."""
        self.faults = Faults(seed, FaultRates.only(**rates))
        async with VirtualHost(self.app, seed=seed, faults=self.faults, config=SOON) as self.host:
            yield self

    async def manage(
        self, method: str, path: str, data: object = None, headers: dict[str, str] | None = None
    ) -> Response:
        """Send a request to the management API, with JSON as the SDK's client sends it."""
        body = b"" if data is None else json.dumps(data).encode()
        return await self.host.request(
            method,
            f"{MANAGEMENT}/{path}",
            body,
            headers={"Content-Type": "application/json"} | (headers or {}),
        )

    async def put(self, gift: str) -> int:
        """Signal the entity to keep a gift; returns the status of the response."""
        return (await self.manage("POST", "entities/Bag/a?op=put", json.dumps(gift))).status

    def bag(self) -> list[str] | None:
        """What the entity holds, as committed."""
        state = self.host.entity("Bag", "a")
        return json.loads(state) if state else None

    async def start(self, name: str, input: object = None, id: str = "i") -> int:
        """Start an orchestration; returns the status of the response."""
        path = f"orchestrators/{name}/{id}"
        return (await self.manage("POST", path, json.dumps(input))).status

    def output(self, id: str = "i") -> object:
        """What an orchestration has returned, or its status."""
        instance = self.host.instance(id)
        return json.loads(instance.output) if instance.output else instance.status
