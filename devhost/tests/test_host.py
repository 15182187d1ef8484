import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import azure.functions as func
import pytest

from devhost.engine.activities import ActivityRunner
from devhost.engine.work_items import ActivityOutcome
from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.functions.invocation import FunctionInfo
from devhost.host import Host
from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.settings.files import DEFAULTS
from devhost.storage.rows import Activity
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store, StoreError
from tests.sample_app import make_app
from tests.waiting import until


@asynccontextmanager
async def hosting(
    store: Store, runs: list[str] | None = None, *, app: App | None = None, **parts: Any
) -> AsyncIterator[Host]:
    """A host of an app (the sample app, if no other is given), which is started and stopped."""
    parts = {"clock": lambda: datetime.now(UTC)} | parts
    with closing(store):
        host = Host(app or index(make_app(runs)), store, **parts)
        host.start("")
        try:
            yield host
        finally:
            await host.stop()


def test_activities_that_had_not_completed_run_again_at_the_start(tmp_path) -> None:
    """At least once, over a crash between any two lines."""
    path = tmp_path / "hub.db"
    runs: list[str] = []

    async def begin() -> None:
        # It runs no activity, as if it died before that.
        async with hosting(open_store(path), runs, run_times=lambda activity: []) as host:
            await ManagementApi(host).answer(
                ManagementRequest(
                    "POST", "orchestrators/fan_out/a", "http://test", body=json.dumps("[3, 4]")
                )
            )

    asyncio.run(begin())
    assert runs == []
    store = open_store(path)
    outputs: list[str | None] = []

    async def again() -> None:
        async with hosting(store, runs):
            for _ in range(1000):
                outputs.append(store.instance("a").output)
                if outputs[-1]:
                    break
                await asyncio.sleep(0.005)

    asyncio.run(again())
    assert sorted(runs) == ["square 3", "square 4"]
    assert outputs[-1] == "25"


def test_an_app_without_durable_functions_leaves_the_task_hub_alone(tmp_path) -> None:
    """As the real host does, which starts no worker for it then: what waits there goes on with the
    next app.
    """
    path = tmp_path / "hub.db"

    async def serve(app: App, *amounts: str) -> None:
        async with hosting(open_store(path), app=app) as host:
            for amount in map(json.dumps, amounts):
                await host.submit(
                    lambda client, now, amount=amount: client.signal("@counter@a", "add", amount)
                )
            await host.submit(lambda client, now: None)  # a batch later

    def count() -> str | None:
        with closing(open_store(path)) as store:
            return store.entity("@counter@a")

    asyncio.run(serve(index(func.FunctionApp()), "1", "1"))
    assert count() is None
    asyncio.run(serve(index(make_app([]))))
    assert count() == "2"


def test_an_activity_that_is_gone_fails() -> None:
    """When the app has changed since it was scheduled."""

    async def scenario() -> ActivityOutcome:
        runner = ActivityRunner({}, invoke=Mock(), limit=1)
        return await runner.run(Activity("a", "e", 0, "nothing", "1"))

    outcome = asyncio.run(scenario())
    assert outcome.failure.reason == "The function 'nothing' doesn't exist any more."


def test_so_many_activities_run_at_once_as_host_json_says() -> None:
    """Further ones wait for their turn."""

    async def scenario() -> None:
        store = open_store()
        running, most, go = 0, 0, asyncio.Event()

        async def invoke(function: FunctionInfo, *arguments: object) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await go.wait()
            running -= 1
            return 1

        config = replace(DEFAULTS, max_concurrent_activities=2)
        for task in range(4):
            store.schedule(Activity("a", "e", task, "square", "3"))
        async with hosting(store, config=config, invoke=invoke):
            await until(lambda: running == 2)
            go.set()
            await until(lambda: not store.activities())
        assert most == 2

    asyncio.run(scenario())


def test_an_outcome_waits_until_it_can_be_written(monkeypatch) -> None:
    """A full disk delays it, and loses nothing."""
    monkeypatch.setattr("devhost.host.RETRY_SECONDS", 0)
    monkeypatch.setattr("devhost.engine.dispatcher.PAUSE_AFTER_ERROR", 0)

    async def scenario() -> None:
        store = open_store()
        store.schedule(Activity("a", "e", 0, "square", "3"))
        complete, failures = store.complete, [StoreError("full"), StoreError("full")]

        def failing(activity: Activity) -> bool:
            if failures:
                raise failures.pop()
            return complete(activity)

        monkeypatch.setattr(store, "complete", failing)
        async with hosting(store):
            await until(lambda: not store.activities())
        assert not failures

    asyncio.run(scenario())


def test_a_read_waits_for_no_batch(monkeypatch) -> None:
    """It is answered from what is committed; and with an error where that cannot be read."""

    async def scenario() -> None:
        store = open_store()
        store.save_entity("@counter@a", "3", "")
        call = ManagementRequest("GET", "entities/Counter/a", "http://test")
        async with hosting(store) as host:
            monkeypatch.setattr(store, "transaction", Mock(side_effect=AssertionError("a batch")))
            assert await ManagementApi(host).answer(call) == ManagementResponse(200, "3")
        with pytest.raises(StoreError, match="cannot be read"):
            await ManagementApi(host).answer(call)

    asyncio.run(scenario())


class Scheduled:
    """A host with functions that are due at 18:00 each day, in a time that a test sets."""

    def __init__(self, path: Path, **options: object) -> None:
        self.now = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
        self.runs: list[bool] = []
        app = func.FunctionApp()

        @app.timer_trigger("timer", schedule="0 0 18 * * *", **options)
        def wrap(timer: func.TimerRequest) -> None:
            self.runs.append(timer.past_due)
            if len(self.runs) == 1:
                raise RuntimeError("no paper")

        self._app = index(app)
        self._path = path / "hub.db"

    async def at(self, *moments: datetime) -> list[bool]:
        """Start at the first moment, let the others come, and stop. Returns each run's past_due."""
        self.now = moments[0]
        async with hosting(open_store(self._path), app=self._app, clock=lambda: self.now):
            for moment in moments:
                self.now = moment
                await asyncio.sleep(0.1)  # for a function that runs in a thread
        return self.runs


@pytest.fixture
def short_sleeps(monkeypatch) -> None:
    """So that a schedule notices at once that a test has moved the time."""
    monkeypatch.setattr("devhost.host.LONGEST_SLEEP", 0.001)


DAY = datetime(2026, 12, 24, 17, 59, tzinfo=UTC)


def test_a_timer_triggered_function_runs_when_it_is_due(short_sleeps, tmp_path, caplog) -> None:
    """Not earlier, each time once, and also after it has failed."""
    moments = [
        DAY,
        DAY + timedelta(seconds=61),
        DAY + timedelta(seconds=90),
        DAY + timedelta(days=1, seconds=60),
    ]
    assert asyncio.run(Scheduled(tmp_path).at(*moments)) == [False, False]
    assert "no paper" in caplog.text


def test_what_fell_due_while_the_host_was_down_runs_once_at_the_start(
    short_sleeps, tmp_path
) -> None:
    """And learns that it is late."""
    assert asyncio.run(Scheduled(tmp_path).at(DAY)) == []
    assert asyncio.run(Scheduled(tmp_path).at(DAY + timedelta(seconds=90))) == [True]
    assert asyncio.run(Scheduled(tmp_path).at(DAY + timedelta(seconds=95))) == []
    assert asyncio.run(Scheduled(tmp_path).at(DAY + timedelta(days=3, seconds=5))) == [True]


def test_a_clock_that_was_ahead_once_stops_no_timer(short_sleeps, tmp_path) -> None:
    """Whether it is set back while the host runs, or before it starts again."""
    ahead = DAY + timedelta(days=3)
    running = [ahead, ahead + timedelta(seconds=61), DAY, DAY + timedelta(seconds=61)]
    assert asyncio.run(Scheduled(tmp_path).at(*running)) == [False, False]
    restarted = DAY + timedelta(days=1)
    assert asyncio.run(Scheduled(tmp_path).at(ahead)) == [True]
    assert asyncio.run(Scheduled(tmp_path).at(restarted, restarted + timedelta(seconds=61))) == [
        False
    ]


def test_a_timer_without_monitor_does_not_catch_up(short_sleeps, tmp_path) -> None:
    """use_monitor=False."""
    assert asyncio.run(
        Scheduled(tmp_path, use_monitor=False).at(DAY, DAY + timedelta(seconds=60))
    ) == [False]
    assert asyncio.run(Scheduled(tmp_path, use_monitor=False).at(DAY + timedelta(days=3))) == []


def test_a_timer_that_runs_on_startup(short_sleeps, tmp_path) -> None:
    """Whatever the time is."""
    assert asyncio.run(Scheduled(tmp_path, run_on_startup=True).at(DAY)) == [False]


def test_a_start_that_waits_for_the_end() -> None:
    """With timeout and pollingInterval: the output if it comes in time, where to look if not."""

    async def scenario() -> None:
        async with hosting(open_store()) as host:
            waits = {"timeout": "5", "pollingInterval": "0.1"}
            management = ManagementApi(host)
            done = await management.answer(
                ManagementRequest(
                    "POST", "orchestrators/fan_out", "http://test", waits, json.dumps("[3, 4]")
                )
            )
            assert (done.status, done.body) == (200, "25")
            failed = await management.answer(
                ManagementRequest("POST", "orchestrators/broken", "http://test", waits)
            )
            assert json.loads(failed.body)["runtimeStatus"] == "Failed"
            began = time.monotonic()
            short = {"timeout": "0.1", "pollingInterval": "0.01"}
            pending = await management.answer(
                ManagementRequest("POST", "orchestrators/two_events", "http://test", short)
            )
            assert pending.status == 202
            assert time.monotonic() - began >= 0.1
            endless = {"timeout": "inf", "pollingInterval": "nan"}
            assert (
                await management.answer(
                    ManagementRequest("POST", "orchestrators/two_events", "http://test", endless)
                )
            ).status == 202

    asyncio.run(scenario())
