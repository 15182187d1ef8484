"""Time: the one place where the app reads it, so that a test can set it."""

import asyncio
import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment in UTC, to the millisecond, as the app stores and shows it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def monotonic() -> float:
    """Seconds on a clock that is never set back. Only differences have a meaning."""
    return time.monotonic()


async def sleep(seconds: float) -> None:
    """Let others work for so many seconds."""
    await asyncio.sleep(seconds)
