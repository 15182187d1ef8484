import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from types import NoneType
from unittest.mock import Mock

import pytest

from devhost.engine.client import DurableClient
from devhost.engine.decisions import WorkItem
from devhost.engine.dispatcher import Dispatcher, MakeWorkers
from devhost.engine.work_items import WorkItems
from devhost.engine.workers import Done, Execute
from devhost.functions.indexing import index
from devhost.storage.rows import Activity, Message
from devhost.storage.sqlite import open_store
from devhost.storage.store import StoreError
from devhost.testing.virtual_host import InlineWorkers
from tests.clock import START, FakeClock
from tests.sample_app import make_app
from tests.sample_host import turns
from tests.waiting import until


class Dispatching:
    """A dispatcher over a task hub in memory, for the length of an async block.

    It uses no threads, so that nothing depends on how busy the machine is.
    """

    def __init__(self, workers: MakeWorkers = InlineWorkers) -> None:
        self._workers = workers
        self.clock = FakeClock()
        self.store = open_store()
        functions = index(make_app()).durable
        self.client = DurableClient(self.store, functions)
        self.work_items = WorkItems(self.store, functions)
        self.scheduled: list[str] = []

    async def __aenter__(self) -> "Dispatching":
        self.it = Dispatcher(
            self.store,
            self.client,
            self.work_items,
            self.clock.utc_now,
            self._note,
            self._workers,
        )
        self.it.start()
        return self

    def _note(self, new: list[Activity]) -> None:
        self.scheduled.extend(each.name for each in new)

    async def __aexit__(self, *error: object) -> None:
        self.it.stop()
        self.store.close()


def signal(client: DurableClient, now) -> None:
    client.signal("@counter@a", "add", '"1"')


def test_what_a_command_causes_has_happened_when_it_is_answered() -> None:
    """Its work item is completed before."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            await dispatching.it.submit(signal)
            assert dispatching.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_commands_that_come_together_share_a_commit(monkeypatch) -> None:
    """All are answered, in order; what they cause is completed in one more."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            await asyncio.sleep(0)
            transaction = Mock(side_effect=dispatching.store.transaction)
            monkeypatch.setattr(dispatching.store, "transaction", transaction)
            await asyncio.gather(*(dispatching.it.submit(signal) for _ in range(20)))
            assert dispatching.store.entity("@counter@a") == "20"
            assert transaction.call_count == 2

    asyncio.run(scenario())


def test_scheduled_activities_are_reported_after_the_commit() -> None:
    """Whoever runs them."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            await dispatching.it.submit(
                lambda client, now: client.start("fan_out", '"[1, 2]"', now)
            )
            assert dispatching.scheduled == ["square", "square"]

    asyncio.run(scenario())


def test_a_batch_runs_in_no_context_but_its_own() -> None:
    """Context variables of whoever submits a command do not reach the batch."""
    mine: ContextVar[str] = ContextVar("mine", default="")

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            mine.set("mine")
            assert await dispatching.it.submit(lambda client, now: mine.get()) == ""

    asyncio.run(scenario())


def test_a_command_that_fails_undoes_itself_and_nothing_else() -> None:
    """Those of the same batch go on."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:

            def fail(client: DurableClient, now) -> None:
                signal(client, now)
                raise KeyError("bad command")

            results = await asyncio.gather(
                dispatching.it.submit(signal), dispatching.it.submit(fail), return_exceptions=True
            )
            assert [type(result) for result in results] == [NoneType, KeyError]
            assert dispatching.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_a_store_that_cannot_be_written_undoes_the_batch(caplog) -> None:
    """Every command of the batch fails, none of its activities runs, and the next batch works."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:

            def fill(client: DurableClient, now) -> None:
                raise StoreError("the task hub cannot be written: database or disk is full")

            results = await asyncio.gather(
                dispatching.it.submit(
                    lambda client, now: (
                        client.start("fan_out", '"[1]"', now),
                        turns(dispatching.work_items, now),
                    )
                ),
                dispatching.it.submit(fill),
                return_exceptions=True,
            )
            assert [type(result) for result in results] == [StoreError, StoreError]
            await dispatching.it.submit(signal)
            assert dispatching.store.entity("@counter@a") == "1"
            assert dispatching.scheduled == []

    asyncio.run(scenario())
    assert caplog.messages == [
        "nothing of this batch is kept: the task hub cannot be written: database or disk is full"
    ]


def test_after_an_error_it_tries_again_by_itself(monkeypatch) -> None:
    """What was due is not forgotten."""
    monkeypatch.setattr("devhost.engine.dispatcher.PAUSE_AFTER_ERROR", 0)

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            await asyncio.sleep(0)
            with dispatching.store.transaction():
                signal(dispatching.client, dispatching.clock.now)
            take, failures = dispatching.work_items.take, [StoreError("disk"), StoreError("disk")]

            def failing(now):
                if failures:
                    raise failures.pop()
                return take(now)

            monkeypatch.setattr(dispatching.work_items, "take", failing)
            with pytest.raises(StoreError):
                await dispatching.it.submit(lambda client, now: None)
            for _ in range(10):
                await asyncio.sleep(0)
            assert dispatching.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_it_wakes_when_something_falls_due(monkeypatch) -> None:
    """By the clock that it was given."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            loop = asyncio.get_running_loop()
            call_later = Mock(wraps=loop.call_later)
            monkeypatch.setattr(loop, "call_later", call_later)
            await dispatching.it.submit(lambda client, now: client.start("raced_twice", None, now))
            assert call_later.call_args.args[0] == 10
            await dispatching.it.submit(
                lambda client, now: client.terminate(dispatching.store.due("9", 1)[0].target, "")
            )
            assert call_later.call_args.args[0] == 60

    asyncio.run(scenario())


def test_what_is_overdue_at_the_start_happens_at_once() -> None:
    """Timers that fell due while the host was down."""

    async def scenario() -> None:
        dispatching = Dispatching()
        with dispatching.store.transaction():
            signal(dispatching.client, START - timedelta(days=1))
        async with dispatching:
            await asyncio.sleep(0)
            assert dispatching.store.entity("@counter@a") == "1"

    asyncio.run(scenario())


def test_a_dispatcher_that_was_stopped_takes_nothing() -> None:
    """And says so."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            dispatching.it.stop()
            with pytest.raises(StoreError, match="stopping"):
                await dispatching.it.submit(signal)

    asyncio.run(scenario())


def test_a_caller_that_gave_up_is_no_trouble() -> None:
    """Its command is carried out all the same."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            waiting = asyncio.ensure_future(dispatching.it.submit(signal))
            await asyncio.sleep(0)
            waiting.cancel()
            await dispatching.it.submit(signal)
            assert dispatching.store.entity("@counter@a") == "2"

    asyncio.run(scenario())


class Lazy(InlineWorkers):
    """Workers that execute one item at a time, and tell of it late."""

    def __init__(self, execute: Execute, on_late: Callable[[Done], None]) -> None:
        super().__init__(execute, on_late)
        self._on_late = on_late

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        asyncio.get_running_loop().call_soon(self._on_late, Done(items[0], self._execute(items[0])))
        return [], list(items[1:])


def test_what_is_late_is_completed_and_what_is_left_is_taken_again() -> None:
    """Each once, and a target has one work item at a time."""

    async def scenario() -> None:
        async with Dispatching(Lazy) as dispatching:
            for key in "aabbca":
                await dispatching.it.submit(
                    lambda client, now, key=key: client.signal(f"@counter@{key}", "add", '"1"'),
                )
            await until(
                lambda: (
                    [dispatching.store.entity(f"@counter@{key}") for key in "abc"]
                    == ["3", "2", "1"]
                )
            )
            assert dispatching.work_items.next_due() is None

    asyncio.run(scenario())


def test_what_cannot_be_completed_is_executed_again(monkeypatch, caplog) -> None:
    """Who sent it is answered all the same: that is in the store."""
    monkeypatch.setattr("devhost.engine.dispatcher.PAUSE_AFTER_ERROR", 0)

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            save, failures = (
                dispatching.store.save_entity,
                ["disk I/O error", "database or disk is full"],
            )

            def failing(*entity) -> None:
                if failures:
                    raise StoreError(failures.pop())
                save(*entity)

            monkeypatch.setattr(dispatching.store, "save_entity", failing)
            await dispatching.it.submit(signal)
            await until(lambda: dispatching.store.entity("@counter@a") == "1")

    asyncio.run(scenario())
    assert len(caplog.messages) == 2


def test_a_moment_that_cannot_be_decoded_stops_nothing() -> None:
    """A row that somebody else has written does not keep the others waiting."""

    async def scenario() -> None:
        async with Dispatching() as dispatching:
            dispatching.store.enqueue([Message("nobody", "{}", due="~")])
            for _ in range(2):
                await dispatching.it.submit(signal)
            assert dispatching.store.entity("@counter@a") == "2"

    asyncio.run(scenario())
