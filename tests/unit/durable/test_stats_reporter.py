import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from registry.clock import to_text
from registry.domain.registry import Registry
from registry.durable.names import stats_entity
from registry.durable.stats_reporter import INTERVAL, tell_stats
from registry.durable.task_hub import REQUEST_SECONDS, TaskHubClient
from tests.clock import START
from tests.support.fake_hub import OK, FAILS, ID, LOST, TRACE, make_terms

OTHER = "f" * 32


@pytest.fixture
def hub(client) -> TaskHubClient:
    """Calls of a request that has told its caller something."""
    return TaskHubClient(client.mock, TRACE)


def seen(revision: int, id: str = ID) -> Registry:
    """A registry as it was read after some adds."""
    items = {f"k{number}": "x" for number in range(1, revision)}
    return replace(Registry.new(make_terms(id)), items=items, revision=revision)


def told(client) -> list[tuple[float, int]]:
    """When the stats were told, and of which revision."""
    calls = [call for call in client.calls if call.what == "signal RecordSnapshot"]
    return [(round(call.at, 2), call.content["standing"]["revision"]) for call in calls]


def test_the_stats_are_told_where_a_registry_stands(client, clock, hub) -> None:
    """The message has the revision that was read, and the shard of the registry counts it."""
    clock.run(report(hub, seen(3)))
    (call,) = client.calls
    assert (call.target, call.content["id"], call.content["trace"]) == (
        stats_entity(ID).key,
        ID,
        TRACE,
    )
    assert (call.content["standing"]["revision"], call.content["standing"]["items"]) == (3, 2)
    clock.advance(seconds=1)
    assert client.stats().snapshots[ID].terms == make_terms()
    assert dict(client.stats().counts) == {"open": 1}


def test_the_stats_are_told_when_a_delivery_will_report(client, clock, hub) -> None:
    """Counted from now."""
    registry = Registry.new(make_terms(has_webhook=True))
    registry.close("user", START)
    clock.run(report(hub, registry, reports_in=90))
    assert client.calls[0].content["standing"]["due"] == to_text(START + timedelta(seconds=90))


def test_what_the_stats_are_told_is_repeated_until_it_is_accepted(client, clock, hub) -> None:
    """What is lost on its way counts once all the same, and what comes twice too."""
    faults = [FAILS, FAILS]
    client.fault = lambda call: faults.pop() if faults else OK
    clock.run(report(hub, seen(3)))
    clock.run(report(hub, seen(3)))
    assert client.count("signal RecordSnapshot") == 4
    clock.advance(seconds=1)
    assert (client.stats().items, client.stats().counts.total()) == (2, 1)


def test_the_first_news_go_at_once(client, clock, hub, reporter) -> None:
    """They keep nobody waiting: the reporter tells them in the background."""

    async def work() -> None:
        reporter.report_soon(hub, seen(2))
        assert told(client) == []
        await asyncio.sleep(0.01)
        assert told(client) == [(0, 2)]

    clock.run(work())


def test_of_a_burst_the_first_and_the_last_are_told(client, clock, hub, reporter) -> None:
    """The last one a second after the first; each registry has its own second."""

    async def work() -> None:
        for revision in range(2, 12):
            reporter.report_soon(hub, seen(revision))
            await asyncio.sleep(0.05)
        reporter.report_soon(hub, seen(2, OTHER))
        await asyncio.sleep(5)

    clock.run(work())
    assert told(client) == [(0, 2), (0.5, 2), (INTERVAL, 11)]


def test_a_stream_of_changes_is_told_once_a_second(client, clock, hub, reporter) -> None:
    """However many changes there are."""

    async def work() -> None:
        for revision in range(2, 52):
            reporter.report_soon(hub, seen(revision))
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)

    clock.run(work())
    assert [at for at, _ in told(client)] == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.02)
    assert told(client)[-1][1] == 51


def test_nothing_older_overtakes_what_waits(client, clock, hub, reporter) -> None:
    """A request that has read earlier may come later."""

    async def work() -> None:
        reporter.report_soon(hub, seen(2))
        await asyncio.sleep(0.1)
        for revision in (5, 4, 3):
            reporter.report_soon(hub, seen(revision))
        await asyncio.sleep(2)

    clock.run(work())
    assert told(client) == [(0, 2), (1, 5)]


def test_the_same_revision_is_told_again_on_the_next_occasion(client, clock, hub, reporter) -> None:
    """A message to the stats may be lost: a repeated add brings it again."""

    async def work() -> None:
        reporter.report_soon(hub, seen(2))
        await asyncio.sleep(1.5)
        reporter.report_soon(hub, seen(2))
        await asyncio.sleep(1.5)

    client.fault = lambda call: LOST
    clock.run(work())
    assert [revision for _, revision in told(client)] == [2, 2]


def test_nothing_is_kept_of_what_was_told(client, clock, hub, reporter) -> None:
    """Also where it was not told: a process lives long."""

    async def work() -> None:
        for id in (ID, OTHER):
            reporter.report_soon(hub, seen(2, id))
        await asyncio.sleep(REQUEST_SECONDS + 2 * INTERVAL)
        assert not reporter._news
        assert not reporter._tasks

    clock.run(work())
    client.fault = lambda call: FAILS
    clock.run(work())


def test_what_was_cancelled_does_not_silence_a_registry(client, clock, hub, reporter) -> None:
    """The next news are told at once, as if there had been none before."""

    async def work(revision: int) -> None:
        reporter.report_soon(hub, seen(revision))
        await asyncio.sleep(0.01)

    clock.run(work(2))
    clock.run(work(3))
    assert told(client) == [(0, 2), (0.01, 3)]


def test_news_that_cannot_be_told_are_a_line_in_the_log(
    client, clock, hub, reporter, caplog
) -> None:
    """Without the id. They are tried for as long as a request; the next ones are told again."""

    async def work() -> None:
        reporter.report_soon(hub, seen(2))
        await asyncio.sleep(REQUEST_SECONDS - 0.1)
        reporter.report_soon(hub, seen(3))
        client.fault = lambda call: OK if call.at >= REQUEST_SECONDS else FAILS
        await asyncio.sleep(5)

    client.fault = lambda call: FAILS
    clock.run(work())
    assert caplog.messages == [
        "the task hub does not answer",
        "registry 01234567: the stats were not told of a change",
    ]
    assert told(client)[-1][1] == 3
    clock.advance(seconds=1)
    assert client.stats().snapshots[ID].revision == 3


def test_the_deadline_of_the_request_does_not_count_for_its_news(
    client, clock, hub, reporter
) -> None:
    """They go out when the request has been answered."""

    async def work() -> None:
        await asyncio.sleep(REQUEST_SECONDS + 1)
        reporter.report_soon(hub, seen(2))
        await asyncio.sleep(1)

    clock.run(work())
    clock.advance(seconds=1)
    assert client.stats().snapshots[ID].revision == 2
