import asyncio
from datetime import timedelta

import pytest

from registry.domain.moments import to_text
from registry.domain.registry import Registry
from registry.durable.names import stats_entity
from registry.durable.stats_reporter import INTERVAL, report
from registry.durable.task_hub import REQUEST_SECONDS, TaskHubClient
from tests.clock import START
from tests.support.fake_hub import FAILS, ID, LOST, OK, TRACE, late, on
from tests.support.registries import closed_registry, make_terms

REPORT = "signal RecordSnapshot"
OTHER = "f" * 32


@pytest.fixture
def hub(client) -> TaskHubClient:
    """The calls of a request that has read a registry."""
    return TaskHubClient(client.mock, TRACE)


def read_registry(revision: int, id: str = ID) -> Registry:
    """A registry as it was read after some adds."""
    items = {f"k{number}": "x" for number in range(1, revision)}
    return Registry(terms=make_terms(id), items=items, revision=revision)


def reports(client) -> list[tuple[float, int]]:
    """When there were reports, and of which revision."""
    calls = [call for call in client.calls if call.what == REPORT]
    return [(round(call.at, 2), call.content["standing"]["revision"]) for call in calls]


class TestReport:
    def test_a_report_has_what_was_read(self, client, clock, hub) -> None:
        """It goes to the shard of the registry."""
        clock.run(report(hub, read_registry(3)))
        (call,) = client.calls
        assert call.target == stats_entity(ID).key
        assert (call.content["id"], call.content["trace"]) == (ID, TRACE)
        assert (call.content["standing"]["revision"], call.content["standing"]["items"]) == (3, 2)

        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].items == 2
        assert dict(client.stats().counts) == {"open": 1}

    def test_a_report_says_when_a_delivery_reports_next(self, client, clock, hub) -> None:
        """Counted from now."""
        clock.run(report(hub, closed_registry(), next_report_in=90))
        assert client.calls[0].content["standing"]["due"] == to_text(START + timedelta(seconds=90))

    def test_a_report_is_repeated_until_it_is_accepted(self, client, clock, hub) -> None:
        """One that comes twice counts once."""
        client.fault = on(REPORT, FAILS, 2)
        clock.run(report(hub, read_registry(3)))
        clock.run(report(hub, read_registry(3)))
        assert client.count(REPORT) == 4
        clock.advance(seconds=1)
        assert (client.stats().items, client.stats().counts.total()) == (2, 1)


class TestReporter:
    def test_the_first_change_is_reported_at_once(self, client, clock, hub, reporter) -> None:
        """In the background: nobody waits for it."""

        async def work() -> None:
            reporter.report_soon(hub, read_registry(2))
            assert reports(client) == []
            await asyncio.sleep(0.01)
            assert reports(client) == [(0, 2)]

        clock.run(work())

    def test_of_a_burst_the_first_and_the_last_change_are_reported(
        self, client, clock, hub, reporter
    ) -> None:
        """The last one a second after the first. Each registry has a second of its own."""

        async def work() -> None:
            for revision in range(2, 12):
                reporter.report_soon(hub, read_registry(revision))
                await asyncio.sleep(0.05)
            reporter.report_soon(hub, read_registry(2, OTHER))
            await asyncio.sleep(5)

        clock.run(work())
        assert reports(client) == [(0, 2), (0.5, 2), (INTERVAL, 11)]

    def test_a_stream_of_changes_is_reported_once_a_second(
        self, client, clock, hub, reporter
    ) -> None:
        """However many there are."""

        async def work() -> None:
            for revision in range(2, 52):
                reporter.report_soon(hub, read_registry(revision))
                await asyncio.sleep(0.1)
            await asyncio.sleep(5)

        clock.run(work())
        times = [at for at, _ in reports(client)]
        assert times == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.02)
        assert reports(client)[-1][1] == 51

    def test_an_older_change_does_not_replace_the_latest(
        self, client, clock, hub, reporter
    ) -> None:
        """A request that has read earlier may come later."""

        async def work() -> None:
            reporter.report_soon(hub, read_registry(2))
            await asyncio.sleep(0.1)
            for revision in (5, 4, 3):
                reporter.report_soon(hub, read_registry(revision))
            await asyncio.sleep(2)

        clock.run(work())
        assert reports(client) == [(0, 2), (1, 5)]

    def test_the_same_revision_is_reported_again(self, client, clock, hub, reporter) -> None:
        """The message may have been lost: a repeated add brings it again."""

        async def work() -> None:
            for _ in range(2):
                reporter.report_soon(hub, read_registry(2))
                await asyncio.sleep(1.5)

        client.fault = lambda call: LOST
        clock.run(work())
        assert [revision for _, revision in reports(client)] == [2, 2]

    @pytest.mark.parametrize("fault", [OK, FAILS])
    def test_nothing_is_kept_of_what_was_reported(
        self, client, clock, hub, reporter, fault
    ) -> None:
        """Also where that failed: a process runs for long."""

        async def work() -> None:
            for id in (ID, OTHER):
                reporter.report_soon(hub, read_registry(2, id))
            await asyncio.sleep(REQUEST_SECONDS + 2 * INTERVAL)
            assert not reporter._latest
            assert not reporter._tasks

        client.fault = lambda call: fault
        clock.run(work())

    def test_a_cancelled_report_does_not_silence_a_registry(
        self, client, clock, hub, reporter
    ) -> None:
        """The next change is reported at once."""

        async def work(revision: int) -> None:
            reporter.report_soon(hub, read_registry(revision))
            await asyncio.sleep(0.01)

        clock.run(work(2))
        clock.run(work(3))
        assert reports(client) == [(0, 2), (0.01, 3)]

    @pytest.mark.parametrize("seconds", [0.005, 0.5])
    def test_what_waits_is_reported_when_the_worker_ends(
        self, client, clock, hub, reporter, seconds
    ) -> None:
        """Its tasks are cancelled then, in the middle of a report or between two."""

        async def work() -> None:
            reporter.report_soon(hub, read_registry(2))
            await asyncio.sleep(0.001)
            reporter.report_soon(hub, read_registry(3))
            reporter.report_soon(hub, read_registry(2, OTHER))
            await asyncio.sleep(seconds)

        client.fault = lambda call: late(0.02)
        clock.run(work())
        assert reports(client)[-1][0] < INTERVAL
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].revision == 3
        assert client.stats().snapshots[OTHER].revision == 2
        assert not reporter._latest

    def test_a_report_that_fails_is_logged(self, client, clock, hub, reporter, caplog) -> None:
        """Without the id. It is tried for as long as a request; then the next change is."""

        async def work() -> None:
            reporter.report_soon(hub, read_registry(2))
            await asyncio.sleep(REQUEST_SECONDS - 0.1)
            reporter.report_soon(hub, read_registry(3))
            client.fault = lambda call: OK if call.at >= REQUEST_SECONDS else FAILS
            await asyncio.sleep(5)

        client.fault = lambda call: FAILS
        clock.run(work())
        assert caplog.messages == [
            "the task hub does not answer",
            "registry 01234567: a change was not reported to the stats",
        ]
        assert reports(client)[-1][1] == 3
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].revision == 3

    def test_a_report_has_a_deadline_of_its_own(self, client, clock, hub, reporter) -> None:
        """The request has been answered by then."""

        async def work() -> None:
            await asyncio.sleep(REQUEST_SECONDS + 1)
            reporter.report_soon(hub, read_registry(2))
            await asyncio.sleep(1)

        clock.run(work())
        clock.advance(seconds=1)
        assert client.stats().snapshots[ID].revision == 2
