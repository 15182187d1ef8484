"""Threads that execute work items: a slow one does not hold up the others."""

import asyncio
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

import pytest

from devhost.engine.decisions import WorkItem
from devhost.engine.workers import Done, Workers
from devhost.functions.durable import DurableFunctions
from devhost.settings.files import DEFAULTS


class Step(WorkItem):
    """A work item whose execution is the work that a test gives it."""

    def __init__(self, function: str, work: Callable[[], object] = lambda: None) -> None:
        super().__init__(function, [], "", DurableFunctions(), DEFAULTS)
        object.__setattr__(self, "work", work)

    @property
    def function(self) -> str:
        return self.target

    def execute(self):
        return self.work()

    def failure(self, error):
        raise error

    exit = failure


class Working:
    """Workers, and their late items, for the length of an async block."""

    async def __aenter__(self) -> "Working":
        self.late: asyncio.Queue[Done] = asyncio.Queue()
        self.it = Workers(lambda item: item.execute(), self.late.put_nowait)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.it.stop()


@pytest.fixture(autouse=True)
def waiting_loop(monkeypatch) -> None:
    """The loop waits as long as need be, where a test does not say that it shall not."""
    monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 60)


def test_what_is_quick_is_done_when_it_returns() -> None:
    """In the order of the items, batch after batch on one thread."""
    threads = set()

    async def scenario() -> None:
        async with Working() as working:
            for _ in range(3):
                items = [Step(name, lambda: threads.add(threading.get_ident())) for name in "abc"]
                done, left = working.it.execute(items)
                assert [each.item for each in done] == items
                assert left == []

    asyncio.run(scenario())
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_what_is_slow_comes_later_and_holds_up_nobody(monkeypatch) -> None:
    """What was done before it is there, what nobody has begun is given back, and others are
    executed meanwhile.
    """
    go = threading.Event()

    async def scenario() -> None:
        async with Working() as working:
            slow = Step("slow", go.wait)
            items = [Step("first"), slow, Step("last")]
            monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 0.5)
            done, left = working.it.execute(items)
            monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 60)
            assert ([each.item for each in done], left) == (items[:1], items[2:])
            done, left = working.it.execute(items[2:])
            assert ([each.item for each in done], left) == (items[2:], [])
            assert working.late.empty()
            go.set()
            assert await working.late.get() == Done(slow, True)

    asyncio.run(scenario())


class GivesUpOnce(SimpleQueue):
    """The first to wait for a limited time gives up when an event has happened; later ones wait."""

    happened: threading.Event
    has_waited = False

    def get(self, block: bool = True, timeout: float | None = None):
        if timeout is not None and not self.has_waited:
            self.has_waited = True
            self.happened.wait()
            raise Empty
        return super().get(block, timeout)


@pytest.mark.parametrize("longest", [60, 0])
def test_the_loop_waits_while_one_after_the_other_is_done(monkeypatch, longest: float) -> None:
    """The limit is for one item, not for all of them together; but there is one for all, too."""
    monkeypatch.setattr("devhost.engine.workers.SimpleQueue", GivesUpOnce)
    monkeypatch.setattr("devhost.engine.workers.LONGEST_WAIT", longest)
    go = threading.Event()
    monkeypatch.setattr(GivesUpOnce, "happened", threading.Event(), raising=False)

    def second() -> None:
        GivesUpOnce.happened.set()
        assert longest or go.wait(60)

    async def scenario() -> None:
        async with Working() as working:
            items = [Step("first"), Step("second", second), Step("third")]
            done, left = working.it.execute(items)
            assert [each.item for each in done] == (items if longest else items[:1])
            assert left == ([] if longest else items[2:])
            go.set()

    asyncio.run(scenario())


def test_a_function_that_was_slow_is_not_waited_for_until_it_has_been_quick(monkeypatch) -> None:
    """The loop is held up by it once."""
    go = threading.Event()

    async def scenario() -> None:
        async with Working() as working:
            monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 0)
            working.it.execute([Step("slow", go.wait)])
            go.set()
            await working.late.get()
            monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 60)
            again = Step("slow", lambda: "quick now")
            assert working.it.execute([again]) == ([], [])
            assert await working.late.get() == Done(again, "quick now")
            assert working.it.execute([again]) == ([Done(again, "quick now")], [])

    asyncio.run(scenario())


def test_functions_that_are_slow_do_not_wait_for_each_other(monkeypatch) -> None:
    """However many items one of them has."""
    monkeypatch.setattr("devhost.engine.workers.SLOW_AT_ONCE", 1)
    go = threading.Event()

    async def scenario() -> None:
        async with Working() as working:
            monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 0)
            began = threading.Event()
            for function in ("slow", "other"):
                working.it.execute([Step(function, began.wait)])
            began.set()
            for _ in range(2):
                await working.late.get()
            try:
                working.it.execute([Step("slow", go.wait), Step("slow", go.wait)])
                other = Step("other", lambda: "done")
                working.it.execute([other])
                assert await asyncio.wait_for(working.late.get(), 10) == Done(other, "done")
            finally:
                go.set()

    asyncio.run(scenario())


def test_after_the_stop_nobody_hears_of_what_was_slow(monkeypatch) -> None:
    """It will be executed again by the next host."""
    go, over = threading.Event(), threading.Event()

    async def scenario() -> None:
        async with Working() as working:
            monkeypatch.setattr("devhost.engine.workers.QUICK_SECONDS", 0)
            working.it.execute([Step("slow", lambda: (go.wait(), over.set()))])
        go.set()
        await asyncio.to_thread(over.wait)
        assert working.late.empty()

    asyncio.run(scenario())
