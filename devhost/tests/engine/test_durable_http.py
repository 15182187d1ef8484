"""call_http against a real server."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from devhost.engine.durable_http import NoIdentity, send
from devhost.functions.indexing import index
from devhost.host import Host
from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store
from tests.clock import FakeClock
from tests.sample_app import make_app


class Server:
    """Answers with a status that a test sets, and a job to look after; notes what it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[tuple[str, str, str]] = []
        self.headers: list[str] = []

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
        self.headers = sorted(request.headers)
        headers = [("Location", "/job"), ("Retry-After", "0"), ("X-Part", "1"), ("X-Part", "2")]
        return web.json_response(
            {"wrapped": True}, status=self.status, headers=CIMultiDict(headers)
        )


async def outcome(host: Host, store: Store, id: str) -> dict:
    for _ in range(500):
        if store.instance(id).output:
            break
        await asyncio.sleep(0.01)
    return json.loads(store.instance(id).output)


async def called(given: dict) -> tuple[str, Any]:
    """What becomes of an orchestration that calls http."""
    store = open_store()
    host = Host(index(make_app()), store, FakeClock().utc_now)
    host.start("")
    body = json.dumps(json.dumps(given))
    await ManagementApi(host).answer(
        ManagementRequest("POST", "orchestrators/calls/a", "http://test", body=body)
    )
    output = await outcome(host, store, "a")
    status = store.instance("a").status
    await host.stop()
    store.close()
    return status, output


@pytest.mark.parametrize("status", [200, 202, 500])
def test_an_orchestrator_calls_http(status) -> None:
    """One request, whatever is answered: a 202 is an answer as any other."""

    async def scenario() -> None:
        async with Server(status) as server:
            ended, response = await called(
                {"uri": f"{server.url}/wrap", "content": {"gift": "Bike"}}
            )
            assert server.asked == [("POST", "/wrap", '{"gift": "Bike"}')]
        assert ended == "Completed"
        assert (response["statusCode"], json.loads(response["content"])) == (
            status,
            {"wrapped": True},
        )

    asyncio.run(scenario())


def test_headers_of_the_content_are_not_shown() -> None:
    """.NET keeps them elsewhere; others are text, or a list where they come several times."""

    async def scenario() -> None:
        async with Server(200) as server:
            _, response = await called({"uri": server.url, "content": None})
        assert {name: response["headers"][name] for name in ("Location", "X-Part")} == {
            "Location": "/job",
            "X-Part": ["1", "2"],
        }
        assert not {"Content-Type", "Content-Length"} & response["headers"].keys()

    asyncio.run(scenario())


def test_no_headers_are_sent_that_nobody_asked_for() -> None:
    """But for the type of a content."""

    async def scenario() -> None:
        async with Server(200) as server:
            for content, headers in (
                (None, ["Host", "X-Gift"]),
                ("x", ["Content-Length", "Content-Type", "Host", "X-Gift"]),
            ):
                await called({"uri": server.url, "content": content})
                assert [
                    name for name in server.headers if content or name != "Content-Length"
                ] == headers

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("uri", "reason", "details"),
    [
        (
            "http://127.0.0.1:1/",
            "Connection refused (127.0.0.1:1)",
            '{"$type":"System.Net.Http.HttpRequestException, ',
        ),
        (
            "nonsense",
            "An invalid request URI was provided. ",
            "Unhandled exception while executing task: ",
        ),
    ],
)
def test_a_call_that_gets_no_answer_fails(uri, reason, details) -> None:
    """At its caller, in the words of .NET."""
    status, output = asyncio.run(called({"uri": uri, "content": None}))
    assert status == "Failed"
    assert output.startswith(f"Orchestrator function 'calls' failed: {reason}")
    assert f" \n {details}" in output


def test_a_token_source_is_refused() -> None:
    """With a line that says why."""
    request = {
        "method": "GET",
        "uri": "http://127.0.0.1:1/",
        "tokenSource": {"kind": "AzureManagedIdentity"},
    }
    with pytest.raises(NoIdentity, match="no managed identity"):
        asyncio.run(send(request))
