"""A worker that dies, and what it was running."""

import asyncio
import textwrap
from datetime import timedelta

import pytest

from devhost.testing import (
    START,
    FaultRates,
    Faults,
    VirtualHost,
    virtual_time,
)
from tests.testing.sample import MANAGEMENT


@virtual_time
async def test_a_worker_that_dies_takes_what_it_runs_with_it(sample) -> None:
    """Requests in flight get a 500 without a body, and the tasks that they made end as well."""
    begun = 0
    async with sample.on(worker_deaths_a_minute=1) as sample:
        answer = await sample.host.get("/api/sleep/3600")
        assert answer == (500, {}, b"")
        assert sorted(sample.ended) == ["background cancelled", "request cancelled"]
        begun = sample.host.now()
        assert (await sample.host.get("/api/clock")).status == 200
    assert START < begun < START + timedelta(minutes=2)


@virtual_time
async def test_a_new_worker_knows_nothing_of_the_one_before(tmp_path) -> None:
    """It imports the app again; so does a new host."""
    code = """
        import azure.functions as func
        app = func.FunctionApp()
        calls = []
        @app.route("count")
        def count(req: func.HttpRequest) -> str:
            calls.append(1)
            return str(len(calls))
    """
    (tmp_path / "function_app.py").write_text(textwrap.dedent(code))
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    for _ in range(2):
        async with VirtualHost(
            tmp_path, faults=Faults(1, FaultRates.only(worker_deaths_a_minute=1))
        ) as host:
            assert [(await host.get("/api/count")).text for _ in range(3)] == ["1", "2", "3"]
            await host.advance(minutes=3)
            assert (await host.get("/api/count")).text == "1"


@pytest.mark.parametrize(("fails", "output"), [(0, 2), (1, None)])
@virtual_time
async def test_an_activity_of_a_worker_that_dies(sample, fails, output) -> None:
    """It fails, or is run again."""
    async with sample.on(worker_deaths_a_minute=0.5, activity_fails_with_worker=fails):
        await sample.start("wraps", 300)
        while not sample.faults.counts["worker_deaths_a_minute"]:
            await sample.host.advance(seconds=1)
        sample.faults.stop()
        await sample.host.advance(minutes=10)
        if output:
            assert sample.output() == output
        else:
            assert "Activity function 'wrap' failed" in sample.output()
            assert "python exited with code 137 (0x89)" in sample.output()


@virtual_time
async def test_an_orchestration_whose_turn_was_running_fails_with_the_worker(sample) -> None:
    """Nobody tries again; requests in flight feel it too."""
    async with sample.on(worker_dies_in_turn=1):

        async def both():
            slow = asyncio.create_task(sample.host.call("GET", "/api/sleep/60"))
            await sample.host.sleep(1)
            await sample.host.call("POST", f"{MANAGEMENT}/orchestrators/waits/i")
            return await slow

        assert (await both()).status == 500
        assert sample.host.store.instance("i").status == "Failed"
        assert sample.output() == (
            "Orchestrator function 'waits' failed: One or more errors occurred. "
            "(python exited with code 137 (0x89))"
        )


@virtual_time
async def test_an_operation_of_a_worker_that_dies_runs_again(sample) -> None:
    """Nothing of it is lost."""
    async with sample.on(seed=1, worker_dies_in_turn=0.5):
        for gift in range(10):
            await sample.put(str(gift))
        await sample.host.advance(minutes=1)
        assert sorted(sample.bag()) == sorted(map(str, range(10)))
        assert sample.faults.counts["worker_dies_in_turn"]
