"""A slow synchronous entity or orchestrator holds up its own instance, and nothing else."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import azure.durable_functions as df
import pytest

from devhost.engine.client import DurableClient
from devhost.functions.indexing import index
from devhost.host import Host
from devhost.storage.sqlite import open_store
from tests.waiting import until


class Slow:
    """A host whose entity and orchestrator block until the test lets them go on."""

    def __init__(self) -> None:
        self.go, self.has_begun = threading.Event(), threading.Event()
        self.store = open_store()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Slow"]:
        self.host = Host(index(self._make()), self.store, lambda: datetime.now(UTC))
        self.host.start("")
        try:
            yield self
        finally:
            self.go.set()
            await self.host.stop()
            self.store.close()

    def _make(self) -> df.DFApp:
        app = df.DFApp()

        def wait() -> None:
            self.has_begun.set()
            self.go.wait(60)

        @app.entity_trigger(context_name="context", entity_name="Bag")
        def bag(context) -> None:
            if context.operation_name == "slow":
                wait()
            context.set_state([*context.get_state(list), context.operation_name])

        @app.orchestration_trigger(context_name="context")
        def ponders(context):
            wait()
            return "done"

        return app

    async def signal(self, key: str, operation: str) -> None:
        await self.host.submit(lambda client, now: client.signal(f"@bag@{key}", operation, None))

    async def begin(self) -> None:
        """Wait until the slow function has begun."""
        assert await asyncio.to_thread(self.has_begun.wait, 60)

    def bag(self, key: str) -> list[str] | None:
        state = self.store.entity(f"@bag@{key}")
        return json.loads(state) if state else None

    async def until_bag(self, key: str, *operations: str) -> None:
        await until(lambda: self.bag(key) == list(operations))


def start(client: DurableClient, now: datetime) -> str:
    return client.start("ponders", None, now, "p")


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_a_slow_entity_holds_up_no_other(slow) -> None:
    """Its own messages wait, and keep their order."""

    async def scenario() -> None:
        async with slow.running():
            await slow.signal("a", "first")
            await slow.signal("a", "slow")
            await slow.begin()
            await slow.signal("a", "after")
            await slow.signal("b", "other")
            await slow.until_bag("b", "other")
            assert slow.bag("a") == ["first"]
            slow.go.set()
            await slow.until_bag("a", "first", "slow", "after")

    asyncio.run(scenario())


def test_a_slow_orchestrator_holds_up_nobody(slow) -> None:
    """Its instance is pending until the first turn has ended."""

    async def scenario() -> None:
        async with slow.running():
            await slow.host.submit(start)
            await slow.begin()
            await slow.signal("b", "other")
            await slow.until_bag("b", "other")
            assert slow.store.instance("p").status == "Pending"
            slow.go.set()
            await until(lambda: slow.store.instance("p").status == "Completed")

    asyncio.run(scenario())


def test_an_instance_purged_during_a_slow_turn_stays_purged(slow) -> None:
    async def scenario() -> None:
        async with slow.running():
            await slow.host.submit(start)
            await slow.begin()
            await slow.host.submit(lambda client, now: client.store.purge("p"))
            await slow.signal("b", "slow")
            slow.go.set()
            await slow.until_bag("b", "slow")
            assert slow.store.instance("p") is None

    asyncio.run(scenario())
