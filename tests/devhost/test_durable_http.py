"""call_http against a real server."""

import asyncio
import json
from unittest.mock import Mock

import pytest
from aiohttp import web

from devhost.durable_http import poll
from devhost.engine import Outcome
from devhost.host import Host
from devhost.loading import index
from devhost.server.management import Call, Management
from devhost.store import Store
from tests.clock import FakeClock
from tests.devhost.sample_app import make_app


class Server:
    """Answers 202 as often as it is told, then 200; notes what it was asked."""

    def __init__(self, pending: int, retry_after: int = 0) -> None:
        self.pending = pending
        self.retry_after = str(retry_after)
        self.asked: list[tuple[str, str, str]] = []

    async def __aenter__(self) -> "Server":
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append((request.method, request.path, await request.text()))
        assert request.headers["X-Gift"] == "yes"
        if self.pending:
            self.pending -= 1
            return web.Response(status=202, headers={"Location": "/status", "Retry-After": self.retry_after})
        return web.json_response({"wrapped": True}, headers={"X-Done": "1"})


async def outcome(host: Host, store: Store, id: str) -> dict:
    for _ in range(500):
        if store.instance(id).output:
            break
        await asyncio.sleep(0.01)
    return json.loads(store.instance(id).output)


@pytest.mark.parametrize("pending", [0, 2])
def test_an_orchestrator_calls_http(pending) -> None:
    """One task for it, however often the answer is 202."""

    async def scenario() -> None:
        async with Server(pending) as server:
            store, clock = Store(None), FakeClock()
            host = Host(index(make_app()), store, clock.utc_now)
            host.start("")
            given = json.dumps(json.dumps({"uri": f"{server.url}/wrap", "content": {"gift": "Bike"}}))
            await Management(host).answer(Call("POST", "orchestrators/calls/a", "http://test", body=given))
            response = await outcome(host, store, "a")
            assert (response["statusCode"], json.loads(response["content"])) == (200, {"wrapped": True})
            assert response["headers"]["X-Done"] == "1"
            posted = ("POST", "/wrap", '{"gift": "Bike"}')
            assert server.asked == [posted] + [("GET", "/status", "")] * pending
            await host.stop()

    asyncio.run(scenario())


def test_a_crash_while_polling_does_not_send_the_request_again() -> None:
    """What is to be polled is written down before."""

    async def scenario() -> None:
        async with Server(1, retry_after=1) as server:
            store = Store(None)
            host = Host(index(make_app()), store, FakeClock().utc_now)
            host.start("")
            given = json.dumps(json.dumps({"uri": f"{server.url}/wrap", "content": "x"}))
            await Management(host).answer(Call("POST", "orchestrators/calls/a", "http://test", body=given))
            for _ in range(500):
                if "GET" in store.activities()[0].input:
                    break
                await asyncio.sleep(0.01)
            host._store = Mock()  # it dies, and leaves the task hub
            await host.stop()
            assert [method for method, _, _ in server.asked] == ["POST"]
            again = Host(index(make_app()), store, FakeClock().utc_now)
            again.start("")
            assert (await outcome(again, store, "a"))["statusCode"] == 200
            assert [method for method, _, _ in server.asked] == ["POST", "GET"]
            await again.stop()

    asyncio.run(scenario())


def test_a_call_that_gets_no_answer_fails() -> None:
    """At its caller."""

    async def scenario() -> None:
        store = Store(None)
        host = Host(index(make_app()), store, FakeClock().utc_now)
        host.start("")
        given = json.dumps(json.dumps({"uri": "http://127.0.0.1:1/", "content": None}))
        await Management(host).answer(Call("POST", "orchestrators/calls/a", "http://test", body=given))
        assert "BuiltIn::HttpActivity' failed: ClientConnectorError" in await outcome(host, store, "a")
        assert store.instance("a").status == "Failed"
        await host.stop()

    asyncio.run(scenario())


def test_a_token_source_is_refused() -> None:
    """With a line that says why."""

    async def scenario() -> None:
        request = {"method": "GET", "uri": "http://127.0.0.1:1/", "tokenSource": {"kind": "AzureManagedIdentity"}}
        (refusal,) = [each async for each in poll(request)]
        assert isinstance(refusal, Outcome)
        assert "no managed identity" in refusal.error

    asyncio.run(scenario())
