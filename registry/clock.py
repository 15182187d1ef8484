"""Time: the one place where this app meets it, so that a test can stand in for it, and moments as
text.
"""

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


def to_text(moment: datetime) -> str:
    """Write an aware datetime as RFC 3339 in UTC, to the millisecond: for example
    `2026-12-24T18:00:00.000Z`.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read what `to_text` wrote."""
    return datetime.fromisoformat(text)
