import asyncio
from datetime import UTC, datetime, timedelta

from registry import clock


def test_utc_now_is_the_present_to_the_millisecond() -> None:
    """In UTC, without the microseconds that texts would lose."""
    now = clock.utc_now()
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0


def test_a_sleep_takes_time_on_the_monotonic_clock() -> None:
    """At least its seconds."""
    before = clock.monotonic()
    asyncio.run(clock.sleep(0.001))
    assert clock.monotonic() - before >= 0.001
