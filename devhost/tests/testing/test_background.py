"""What becomes of the tasks that functions leave behind, when the host stops."""

import asyncio
import json

import azure.durable_functions as df
import azure.functions as func
import pytest

from devhost.functions.app import App
from devhost.functions.background import END_SECONDS
from devhost.functions.indexing import index
from devhost.testing import FaultRates, Faults, VirtualHost, virtual_time


def make_app(begun: list[str]) -> App:
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    tasks = []

    @app.route("leave/{how}")
    @app.durable_client_input(client_name="client")
    async def leave(req: func.HttpRequest, client) -> str:
        async def put() -> None:
            begun.append(req.route_params["how"])
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(1 if req.route_params["how"] == "soon" else 3600)
                await client.signal_entity(df.EntityId("Bag", "a"), "put", "gift")
                raise

        tasks.append(asyncio.create_task(put()))
        return "left"

    @app.entity_trigger(context_name="context", entity_name="Bag")
    def bag(context) -> None:
        context.set_state([*context.get_state(list), context.get_input()])

    @app.activity_trigger(input_name="seconds")
    async def wrap(seconds: int) -> str:
        begun.append("wrap")
        await asyncio.gather(asyncio.sleep(seconds))
        return "wrapped"

    @app.orchestration_trigger(context_name="context")
    def wraps(context):
        return (yield context.call_activity("wrap", 60))

    return index(app)


@pytest.mark.parametrize("faults", [None, Faults(1, FaultRates.only())])
@virtual_time
async def test_a_background_task_may_use_the_task_hub_when_the_host_stops(faults) -> None:
    """It is cancelled, as asyncio does it when a worker ends."""
    async with VirtualHost(make_app([]), faults=faults) as host:
        await host.get("/api/leave/soon")
        await host.advance(seconds=1)
        stops_at = host.now()
        await host.restart()
        assert (host.now() - stops_at).total_seconds() == pytest.approx(1, abs=0.01)
        await host.run_until_idle()
        assert json.loads(host.entity("Bag", "a") or "null") == ["gift"]


@virtual_time
async def test_a_background_task_that_does_not_end_holds_up_no_stop() -> None:
    """It has as long as requests have."""
    async with VirtualHost(make_app(begun := [])) as host:
        await host.get("/api/leave/late")
        await host.advance(seconds=1)
        stops_at = host.now()
        await host.restart()
        assert (host.now() - stops_at).total_seconds() == pytest.approx(END_SECONDS, abs=0.01)
        assert begun == ["late"]


@virtual_time
async def test_an_activity_that_runs_when_the_host_stops_runs_again() -> None:
    """Also where it waits for tasks of its own: their end is not its outcome."""
    async with VirtualHost(make_app(begun := [])) as host:
        await host.post("/runtime/webhooks/durabletask/orchestrators/wraps/a")
        await host.advance(seconds=30)
        await host.restart()
        await host.advance(seconds=100)
        instance = host.instance("a")
        assert instance is not None
        assert (instance.status, instance.output) == ("Completed", '"wrapped"')
        assert begun == ["wrap", "wrap"]
