import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from registry import clock
from registry.clock import from_text, to_text


def test_utc_now_is_the_present_to_the_millisecond() -> None:
    """The clock shows the present in UTC, without microseconds that texts would lose."""
    now = clock.utc_now()
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0


def test_sleep_takes_time_on_the_monotonic_clock() -> None:
    """A sleep lets at least its seconds pass."""
    before = clock.monotonic()
    asyncio.run(clock.sleep(0.001))
    assert clock.monotonic() - before >= 0.001


def test_text_is_rfc_3339_in_utc_to_the_millisecond() -> None:
    """Any zone is written in UTC, with Z."""
    moment = datetime(2026, 12, 24, 19, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert to_text(moment) == "2026-12-24T18:00:00.123Z"


def test_text_reads_back() -> None:
    """What was written to the millisecond is read as the same moment."""
    moment = datetime(2026, 12, 24, 18, 0, 0, 5000, tzinfo=UTC)
    assert from_text(to_text(moment)) == moment


def test_other_text_is_refused() -> None:
    """Text that is no moment raises ValueError."""
    with pytest.raises(ValueError, match="tomorrow"):
        from_text("tomorrow")
