import asyncio
import sqlite3
from contextvars import ContextVar
from datetime import timedelta
from types import NoneType

import pytest

from devhost.engine import Engine
from devhost.loading import index
from devhost.pump import Pump
from devhost.store import Store, StoreError
from tests.clock import START, FakeClock
from tests.devhost.sample_app import make_app


class Pumping:
    """A pump over a task hub in memory, for the length of an async block."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(None)
        self.engine = Engine(self.store, index(make_app()).durable)
        self.scheduled: list[str] = []

    async def __aenter__(self) -> "Pumping":
        self.pump = Pump(self.engine, self.clock.utc_now, lambda new: self.scheduled.extend(each.name for each in new))
        self.pump.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.pump.stop()
        self.store.close()


def signal(engine: Engine, now) -> None:
    engine.signal("@counter@a", "add", '"1"')


def test_what_a_command_causes_has_happened_when_it_is_answered() -> None:
    """The turn is part of the same commit."""

    async def scenario() -> None:
        async with Pumping() as pumping:
            await pumping.pump.submit(signal)
            assert pumping.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_commands_that_come_together_share_a_commit() -> None:
    """All are answered, in order."""

    async def scenario() -> None:
        async with Pumping() as pumping:
            await asyncio.sleep(0)
            commits: list[str] = []
            pumping.store._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
            await asyncio.gather(*(pumping.pump.submit(signal) for _ in range(20)))
            assert pumping.store.entity("@counter@a") == "20"
            assert len(commits) == 1

    asyncio.run(scenario())


def test_scheduled_activities_are_told_after_the_commit() -> None:
    """Whoever runs them."""

    async def scenario() -> None:
        async with Pumping() as pumping:
            await pumping.pump.submit(lambda engine, now: engine.start("fan_out", '"[1, 2]"', now))
            assert pumping.scheduled == ["square", "square"]
            assert pumping.engine.scheduled == []

    asyncio.run(scenario())


def test_a_batch_runs_in_no_context_but_its_own() -> None:
    """What whoever submits a command has set for itself does not reach what runs in the same batch."""
    mine: ContextVar[str] = ContextVar("mine", default="")

    async def scenario() -> None:
        async with Pumping() as pumping:
            mine.set("mine")
            assert await pumping.pump.submit(lambda engine, now: mine.get()) == ""

    asyncio.run(scenario())


def test_a_command_that_fails_undoes_itself_and_nothing_else() -> None:
    """Those of the same batch go on."""

    async def scenario() -> None:
        async with Pumping() as pumping:

            def fail(engine: Engine, now) -> None:
                signal(engine, now)
                raise KeyError("bad command")

            results = await asyncio.gather(
                pumping.pump.submit(signal), pumping.pump.submit(fail), return_exceptions=True
            )
            assert [type(result) for result in results] == [NoneType, KeyError]
            assert pumping.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_a_store_that_cannot_be_written_undoes_the_batch(caplog) -> None:
    """All of the batch are told, no activity of it is run, and the next batch works."""

    async def scenario() -> None:
        async with Pumping() as pumping:

            def fill(engine: Engine, now) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            results = await asyncio.gather(
                pumping.pump.submit(lambda engine, now: (engine.start("fan_out", '"[1]"', now), engine.turns(now))),
                pumping.pump.submit(fill),
                return_exceptions=True,
            )
            assert [type(result) for result in results] == [StoreError, StoreError]
            await pumping.pump.submit(signal)
            assert pumping.store.entity("@counter@a") == "1"
            assert pumping.scheduled == []

    asyncio.run(scenario())
    assert caplog.messages == [
        "nothing of this batch is kept: the task hub cannot be written: database or disk is full"
    ]


def test_after_an_error_it_tries_again_by_itself(monkeypatch) -> None:
    """What was due is not forgotten."""
    monkeypatch.setattr("devhost.pump.PAUSE_AFTER_ERROR", 0)

    async def scenario() -> None:
        async with Pumping() as pumping:
            await asyncio.sleep(0)
            with pumping.store.transaction():
                signal(pumping.engine, pumping.clock.now)
            turns, failures = pumping.engine.turns, [StoreError("disk"), StoreError("disk")]

            def failing(now, limit=256) -> int:
                if failures:
                    raise failures.pop()
                return turns(now, limit)

            monkeypatch.setattr(pumping.engine, "turns", failing)
            with pytest.raises(StoreError):
                await pumping.pump.submit(lambda engine, now: None)
            for _ in range(10):
                await asyncio.sleep(0)
            assert pumping.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_it_wakes_when_something_falls_due() -> None:
    """By the clock that it was given."""

    async def scenario() -> None:
        async with Pumping() as pumping:
            loop = asyncio.get_running_loop()
            await pumping.pump.submit(lambda engine, now: engine.start("raced_twice", None, now))
            assert pumping.pump._next.when() - loop.time() == pytest.approx(10, abs=0.5)
            await pumping.pump.submit(lambda engine, now: engine.terminate(pumping.store.due("9", 1)[0].target, ""))
            assert pumping.pump._next.when() - loop.time() == pytest.approx(60, abs=0.5)

    asyncio.run(scenario())


def test_what_is_overdue_at_the_start_happens_at_once() -> None:
    """Timers that fell due while the host was down."""

    async def scenario() -> None:
        pumping = Pumping()
        with pumping.store.transaction():
            signal(pumping.engine, START - timedelta(days=1))
        async with pumping:
            await asyncio.sleep(0)
            assert pumping.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_a_pump_that_was_stopped_takes_nothing() -> None:
    """And says so."""

    async def scenario() -> None:
        async with Pumping() as pumping:
            pumping.pump.stop()
            with pytest.raises(StoreError, match="stopping"):
                await pumping.pump.submit(signal)

    asyncio.run(scenario())


def test_a_caller_that_gave_up_is_no_trouble() -> None:
    """Its command is carried out all the same."""

    async def scenario() -> None:
        async with Pumping() as pumping:
            waiting = asyncio.ensure_future(pumping.pump.submit(signal))
            await asyncio.sleep(0)
            waiting.cancel()
            await pumping.pump.submit(signal)
            assert pumping.store.entity("@counter@a") == "2"

    asyncio.run(scenario())
