"""For tests of function apps: a host in virtual time, and faults on purpose.

A test runs on a virtual event loop, where hours pass at once:

    from devhost.testing import VirtualHost, virtual_time

    @virtual_time
    async def test_a_reminder_is_sent_after_an_hour():
        async with VirtualHost("path/of/the/app", settings={"REMIND_AFTER": "3600"}) as host:
            response = await host.post("/api/remind", params={"whom": "Zoe"})
            assert response.status == 202
            await host.advance(hours=1)
            assert (await host.get("/api/reminders")).json() == ["Zoe"]

Many clients at once are coroutines, and `asyncio.gather` runs them side by side. Each seed gives
another run, and the same one gives the same run again. With faults, the host does what Azure does
now and then: messages are late or come twice, workers and hosts die.

    faults = Faults(seed=1, rates=FaultRates.only(message_repeated=0.5))
    async with VirtualHost("path/of/the/app", faults=faults) as host:
        ...

A task hub outlives its host: give `store=open_store(path)` to one host, and then to the next.

`devhost.testing.histories` records what orchestrators do, and replays it with the code of today.
`devhost.testing.azure_worker` runs an app on the library in Azure's own Python worker.
"""

from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.settings.files import HostJson, read_host_json
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store
from devhost.testing.faults import CommitFault, FaultRates, Faults, RequestFault
from devhost.testing.responses import NoResponse, Response
from devhost.testing.virtual.client import ORIGIN
from devhost.testing.virtual.hub_requests import Costs, ManagementRequest, ManagementResponse
from devhost.testing.virtual.loop import VirtualLoop, run
from devhost.testing.virtual_host import START, VirtualHost, virtual_time

__all__ = [
    "ORIGIN",
    "START",
    "App",
    "CommitFault",
    "Costs",
    "FaultRates",
    "Faults",
    "HostJson",
    "ManagementRequest",
    "ManagementResponse",
    "NoResponse",
    "RequestFault",
    "Response",
    "Store",
    "VirtualHost",
    "VirtualLoop",
    "index",
    "open_store",
    "read_host_json",
    "run",
    "virtual_time",
]
