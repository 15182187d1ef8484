"""The one place where this app meets time, so that a test can stand in for it."""

import asyncio
import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment, in UTC, to the millisecond (what the app stores and shows)."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def monotonic() -> float:
    """Seconds on a clock that is never set back; only differences have a meaning."""
    return time.monotonic()


async def sleep(seconds: float) -> None:
    """Let others work for this many seconds."""
    await asyncio.sleep(seconds)
