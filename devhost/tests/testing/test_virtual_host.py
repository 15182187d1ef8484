"""An app on a host in virtual time."""

import asyncio
import os
import random
import sys
import textwrap
import time
import uuid
from datetime import timedelta

import aiohttp
import azure.durable_functions as df
import azure.functions as func
import pytest
import requests

from devhost.functions.indexing import index
from devhost.testing import ORIGIN, START, Response, VirtualHost, open_store, run, virtual_time
from tests.sample_app import make_app

CLOCK_APP = """
    import os
    import time
    import datetime as dt
    from datetime import UTC, datetime

    import azure.functions as func
    import helpers

    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    LIMIT = os.environ.get("LIMIT")

    @app.route("now")
    def now(req: func.HttpRequest) -> str:
        assert isinstance(datetime(2026, 1, 1), datetime)
        helpers.calls += 1
        return " ".join(
            [
                datetime.now(UTC).isoformat(),
                dt.datetime.now(dt.UTC).isoformat(),
                str(round(time.monotonic() - helpers.began)),
                f"{LIMIT} {helpers.calls}",
            ]
        )

    @app.route("sleep")
    def sleep(req: func.HttpRequest) -> str:
        time.sleep(3600)
        return "awake"
"""
HELPERS = """
    from time import monotonic

    began = 0
    calls = 0
"""


@pytest.fixture
def host() -> VirtualHost:
    """The sample app."""
    return VirtualHost(index(make_app()))


@pytest.fixture
def folder(tmp_path):
    """The folder of an app that looks at the clock."""
    (tmp_path / "function_app.py").write_text(textwrap.dedent(CLOCK_APP))
    (tmp_path / "helpers.py").write_text(textwrap.dedent(HELPERS))
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    return tmp_path


# Time


@virtual_time
async def test_time_passes_without_waiting(host) -> None:
    """Whoever sleeps longer wakes later, and a day takes no time."""
    woken = []

    async def sleeper(seconds: float) -> None:
        await host.sleep(seconds)
        woken.append((seconds, host.now()))

    began = time.monotonic()
    await asyncio.gather(sleeper(86_400), sleeper(0.001), sleeper(60))
    assert woken == [
        (seconds, START + timedelta(seconds=seconds)) for seconds in (0.001, 60, 86_400)
    ]
    assert time.monotonic() - began < 60


@virtual_time
async def test_the_shortest_sleep_takes_a_microsecond(host) -> None:
    """Otherwise whoever sleeps for the rest of its time would do so for ever."""
    await host.sleep(1e-9)
    assert host.now() == START + timedelta(microseconds=1)


@virtual_time
async def test_a_time_limit_counts_in_virtual_time(host) -> None:
    """Whoever waits for what never comes gives up after an hour, at once."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()
    assert host.now() == START + timedelta(hours=1)


@virtual_time
async def test_what_falls_due_while_the_machine_sleeps_happens_late(host) -> None:
    """When it goes on."""
    await host.post("/api/start/sleeps", b"1")
    (running,) = host.instances()
    host.suspend(days=2)
    assert host.instance(running.id).status == "Running"
    await host.run_until_idle()
    assert host.instance(running.id).output == '"2026-12-26T18:00:00+00:00"'


@virtual_time
async def test_a_durable_timer_fires_when_time_advances(host) -> None:
    """A day later, and not before."""
    await host.post("/api/start/sleeps", b"1")
    (running,) = host.instances()
    await host.advance(hours=23)
    assert host.instance(running.id).status == "Running"
    await host.advance(hours=2)
    assert host.instance(running.id).status == "Completed"


def test_waiting_for_ever_is_an_error() -> None:
    """Instead of a test that hangs."""
    with pytest.raises(RuntimeError, match="waits for something that will never happen"):
        run(asyncio.Event().wait())


def test_another_event_loop_is_refused() -> None:
    """With the way to a virtual one."""

    async def enter() -> None:
        async with VirtualHost(index(make_app())):
            """This is never reached."""

    with pytest.raises(RuntimeError, match="needs a virtual event loop: see virtual_time"):
        asyncio.run(enter())


@virtual_time
async def test_the_clock_of_an_app_is_virtual(folder) -> None:
    """However its modules have imported it."""
    async with VirtualHost(folder) as host:
        await host.advance(hours=2)
        began = asyncio.get_running_loop().time()
        assert (await host.get("/api/now")).text == (
            f"2026-12-24T20:00:00+00:00 2026-12-24T20:00:00+00:00 {began:.0f} None 1"
        )
        assert (await host.get("/api/sleep")).text == "awake"
        assert host.now() == START + timedelta(hours=3)


# The app


@virtual_time
async def test_settings_are_in_the_environment_when_the_app_is_imported(folder) -> None:
    """And only as long as the host is there."""
    async with VirtualHost(folder, settings={"LIMIT": 5}) as host:
        assert (await host.get("/api/now")).text.endswith(" 5 1")
        await host.restart(LIMIT=6)
        assert (await host.get("/api/now")).text.endswith(" 6 1")
    assert "LIMIT" not in os.environ


@virtual_time
async def test_an_app_is_imported_anew_for_each_host(folder, monkeypatch) -> None:
    """Modules of a test are back afterwards, and nothing is left of those of the host."""
    monkeypatch.syspath_prepend(folder)
    import helpers

    for _ in range(2):
        async with VirtualHost(folder) as host:
            assert sys.modules["helpers"] is not helpers
            assert (await host.get("/api/now")).text.endswith(" 1")
    assert sys.modules.pop("helpers") is helpers
    assert "function_app" not in sys.modules


@virtual_time
async def test_modules_of_another_folder_are_set_aside(
    folder, tmp_path_factory, monkeypatch
) -> None:
    """An app gets its own modules, whatever was imported under their names."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "helpers.py").write_text("calls = 41\nbegan = 0")
    monkeypatch.syspath_prepend(elsewhere)
    import helpers

    assert helpers.calls == 41
    async with VirtualHost(folder) as host:
        assert (await host.get("/api/now")).text.endswith(" 1")
    assert sys.modules.pop("helpers") is helpers


@virtual_time
async def test_the_task_hub_outlives_a_host() -> None:
    """Another host goes on with it where the first one stopped."""
    app, store = index(make_app()), open_store()
    async with VirtualHost(app, store=store) as host:
        await host.post("/api/start/sleeps", b"1")
        ended = host.now()
    async with VirtualHost(app, store=store, start=ended) as host:
        await host.advance(days=1)
        (instance,) = host.instances()
        assert instance.status == "Completed"
    store.close()


def test_the_same_seed_gives_the_same_run() -> None:
    """UUIDs and random numbers follow from it; chance outside is as before."""

    async def draw(seed: int) -> list[object]:
        async with VirtualHost(index(make_app()), seed=seed):
            return [uuid.uuid4(), random.random(), random.SystemRandom().random()]

    before = random.getstate()
    assert run(draw(1)) == run(draw(1))
    assert run(draw(1)) != run(draw(2))
    assert random.getstate() == before


# Requests


@virtual_time
async def test_a_function_is_called_as_over_http(host) -> None:
    """With its route, query, body and headers. An unknown route is 404."""
    response = await host.post("/api/echo/a%20b?c=d", b"body")
    assert (response.status, response.headers["x-function"]) == (201, "echo")
    assert response.text == (
        f"POST {ORIGIN}/api/echo/a%20b?c=d {{'word': 'a b'}} {{'c': 'd'}} b'body'"
    )
    assert (await host.get("/api/nowhere")).status == 404
    assert await host.get("/api/fail") == Response(500, {}, b"")


@virtual_time
async def test_parameters_arrive_as_on_azure(host) -> None:
    """They are encoded, and one that is empty does not arrive at all."""
    response = await host.post("/api/echo/x", params={"title": "", "text": "a&b é", "n": "1+1"})
    assert "{'text': 'a&b é', 'n': '1+1'}" in response.text


@virtual_time
async def test_requests_to_the_task_hub_are_counted_by_kind(host) -> None:
    """Those of the SDK, too."""
    with host.counting() as costs:
        assert (await host.post("/api/start/two_events", b"1")).status == 202
    assert costs == {"start two_events": 1}
    assert (costs.messages, costs.reads) == (1, 0)


# What the app sends, and when


def web_app() -> func.FunctionApp:
    """An app that sends requests with both clients, and has a timer."""
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

    @app.route("itself")
    async def itself(req: func.HttpRequest) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{ORIGIN}/api/requests") as answer,
        ):
            return await answer.text()

    @app.timer_trigger("timer", schedule="0 * * * * *")
    def each_minute(timer: func.TimerRequest) -> None:
        app.runs.append(timer.past_due)

    return app


@pytest.mark.parametrize("client", ["aiohttp", "requests"])
@virtual_time
async def test_a_receiver_stands_for_all_other_servers(client) -> None:
    """It gets what is sent, and its status comes back. Without one, connections are refused."""
    received = []

    def receiver(*request) -> int:
        received.append(request)
        return 204

    async with VirtualHost(index(web_app())) as host:
        assert "Connection" in (await host.get(f"/api/{client}")).text
        host.receiver = receiver
        assert (await host.get(f"/api/{client}")).text == "204"

    ((method, url, headers, body),) = received
    assert (method, url) == ("POST", "http://gifts/?a=1")
    if client == "requests":
        assert body == b"d"
    else:
        assert body == b'{"b": 2}'
        assert (headers["x-a"], headers["content-type"]) == ("c", "application/json")


@virtual_time
async def test_an_app_reaches_its_own_host() -> None:
    """A request to its own address is answered by its own functions."""
    async with VirtualHost(index(web_app()), receiver=lambda *request: 201) as host:
        assert (await host.get("/api/itself")).text == "201"


@virtual_time
async def test_a_receiver_may_be_slow() -> None:
    """The sender's time limit counts in virtual time."""

    async def receiver(*request) -> int:
        await asyncio.sleep(6)
        return 200

    async with VirtualHost(index(web_app()), receiver=receiver) as host:
        assert (await host.get("/api/aiohttp")).text == "TimeoutError"
        assert host.now() == START + timedelta(seconds=5)


@pytest.mark.parametrize(("timers", "runs"), [(True, 3), (False, 0)])
@virtual_time
async def test_timer_triggered_functions_run_on_schedule(timers, runs) -> None:
    """Unless a test wants to run each of them itself."""
    app = web_app()
    async with VirtualHost(index(app), timers=timers) as host:
        await host.advance(minutes=3)
        assert app.runs == [False] * runs
        await host.run_timer("each_minute")
        assert len(app.runs) == runs + 1
