"""A clock that stands still until a test moves it, in the place of the app's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

START = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)


class FakeClock:
    """Time that a test sets. A sleep ends at once, at its time; `on_sleep` is called at its end."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def advance(self, **span: float) -> None:
        """Let time pass, given as for timedelta."""
        self.now += timedelta(**span)

    def utc_now(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        # A datetime holds no less than a microsecond, so a shorter sleep would never end.
        self.advance(seconds=max(seconds, 1e-6))
        self.on_sleep()

    @contextmanager
    def installed(self) -> Iterator["FakeClock"]:
        """Take the place of registry.clock in the block."""
        with patch.multiple(
            "registry.clock", utc_now=self.utc_now, monotonic=self.monotonic, sleep=self.sleep
        ):
            yield self
