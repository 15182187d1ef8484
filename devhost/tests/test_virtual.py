"""The host in virtual time that the scenarios run on."""

import asyncio
import random
import time
import uuid
from datetime import timedelta

import aiohttp
import azure.durable_functions as df
import azure.functions as func
import pytest
import requests

from devhost.functions.indexing import index
from devhost.storage.rows import Query
from devhost.storage.sqlite import open_store
from devhost.testing.virtual_host import ORIGIN, START, VirtualHost
from tests.sample_app import make_app


@pytest.fixture
def host():
    """The sample app."""
    with VirtualHost(index(make_app())) as host:
        yield host


def test_time_passes_without_waiting(host) -> None:
    """Whoever sleeps longer wakes later, and a day takes no time."""
    woken = []

    async def sleeper(seconds: float) -> None:
        await host.sleep(seconds)
        woken.append((seconds, host.now()))

    began = time.monotonic()
    host.run_all(sleeper(86_400), sleeper(0.001), sleeper(60))
    assert woken == [
        (seconds, START + timedelta(seconds=seconds)) for seconds in (0.001, 60, 86_400)
    ]
    assert time.monotonic() - began < 60


def test_the_shortest_sleep_takes_time(host) -> None:
    """Else whoever sleeps for the rest of its time would do so for ever."""

    async def sleeper() -> None:
        await host.sleep(1e-9)

    host.run(sleeper())
    assert host.now() == START + timedelta(microseconds=1)


def test_a_limit_counts_in_virtual_time(host) -> None:
    """Who waits for what never comes gives up after an hour, at once."""

    async def wait() -> None:
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        host.run(wait())
    assert host.now() == START + timedelta(hours=1)


def test_what_time_passed_in_a_leap_brought_is_late(host) -> None:
    """The machine was too busy for it."""
    host.request("POST", "/api/start/sleeps", b"1")
    (running,) = host.store.instances(Query())
    host.leap(days=2)
    assert host.store.instance(running.id).status == "Running"
    host.settle()
    assert host.store.instance(running.id).output == '"2026-12-26T18:00:00+00:00"'


def test_a_function_is_called_as_over_http(host) -> None:
    """Route, query, body and headers; what is not routed is 404."""
    answer = host.request("POST", "/api/echo/a%20b?c=d", b"body")
    assert answer.status == 201
    assert answer.headers["x-function"] == "echo"
    assert answer.body.decode() == (
        f"POST {ORIGIN}/api/echo/a%20b?c=d {{'word': 'a b'}} {{'c': 'd'}} b'body'"
    )
    assert host.request("GET", "/api/nowhere").status == 404
    assert host.request("GET", "/api/fail") == (500, {}, b"")


def test_the_sdk_reaches_the_task_hub(host) -> None:
    """What it asks is counted by name."""
    with host.counting() as costs:
        assert host.request("POST", "/api/start/two_events", b"1").status == 202
    assert costs == {"start two_events": 1}
    assert (costs.messages, costs.reads) == (1, 0)


def test_the_same_seed_gives_the_same_run() -> None:
    """Uuids and random numbers follow from it, and chance outside is as before."""

    def drawn(seed: int) -> list[object]:
        with VirtualHost(index(make_app()), seed=seed):
            return [uuid.uuid4(), random.random(), random.SystemRandom().random()]

    before = random.getstate()
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert random.getstate() == before


def web_app() -> func.FunctionApp:
    """An app that uses the web in both ways, and has a timer."""
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    app.runs = []

    @app.route("aiohttp")
    async def with_aiohttp(req: func.HttpRequest) -> str:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            try:
                async with session.post(
                    "http://gifts/?a=1", json={"b": 2}, headers={"X-A": "c"}
                ) as answer:
                    return str(answer.status)
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                return type(error).__name__

    @app.route("requests")
    def with_requests(req: func.HttpRequest) -> str:
        try:
            return str(requests.post("http://gifts/?a=1", data=b"d", timeout=5).status_code)
        except requests.RequestException as error:
            return type(error).__name__

    @app.timer_trigger("timer", schedule="0 * * * * *")
    def each_minute(timer: func.TimerRequest) -> None:
        app.runs.append(timer.past_due)

    return app


@pytest.mark.parametrize("way", ["aiohttp", "requests"])
def test_the_rest_of_the_web_is_the_receiver(way) -> None:
    """It gets what is sent, and its status comes back; where there is none, connections are
    refused.
    """
    received = []

    def receiver(*request) -> int:
        received.append(request)
        return 204

    with VirtualHost(index(web_app())) as host:
        assert b"Connection" in host.request("GET", f"/api/{way}").body
        host.receiver = receiver
        assert host.request("GET", f"/api/{way}").body == b"204"
    ((method, url, headers, body),) = received
    assert (method, url) == ("POST", "http://gifts/?a=1")
    assert body == (b'{"b": 2}' if way == "aiohttp" else b"d")
    assert way == "requests" or (headers["x-a"], headers["content-type"]) == (
        "c",
        "application/json",
    )


def test_a_receiver_may_be_slow() -> None:
    """The sender's limit counts in virtual time."""

    async def receiver(*request) -> int:
        await asyncio.sleep(6)
        return 200

    with VirtualHost(index(web_app()), receiver=receiver) as host:
        assert host.request("GET", "/api/aiohttp").body == b"TimeoutError"
        assert host.now() == START + timedelta(seconds=5)


@pytest.mark.parametrize(("timers", "runs"), [(True, 3), (False, 0)])
def test_timer_triggered_functions_run_by_themselves(timers, runs) -> None:
    """Unless a test wants to fire each of them."""
    app = web_app()
    indexed = index(app)
    with VirtualHost(indexed, timers=timers) as host:
        host.advance(minutes=3)
        assert app.runs == [False] * runs
        host.fire("each_minute")
        assert len(app.runs) == runs + 1


def test_the_task_hub_outlives_a_host() -> None:
    """Given to the next one, it goes on where it was."""
    indexed = index(make_app())
    store = open_store()
    with VirtualHost(indexed, store=store) as host:
        host.request("POST", "/api/start/sleeps", b"1")
        ended = host.now()
    with VirtualHost(indexed, store=store, start=ended) as host:
        host.advance(days=1)
    (instance,) = store.instances(Query())
    assert instance.status == "Completed"
    store.close()
