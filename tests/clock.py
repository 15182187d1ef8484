"""A clock that stands still until a test moves it, in place of the app's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

START = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)


class FakeClock:
    """Time as a test tells it. A sleep moves it at once, and then lets `on_sleep` do what others do
    meanwhile.
    """

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def advance(self, **span: float) -> None:
        """Let time pass, as timedelta counts it."""
        self.now += timedelta(**span)

    def utc_now(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(
            seconds=max(seconds, 1e-6)
        )  # a datetime holds no less, so less would never end
        self.on_sleep()

    @contextmanager
    def installed(self) -> Iterator["FakeClock"]:
        """Stand in for registry.clock."""
        with patch.multiple(
            "registry.clock", utc_now=self.utc_now, monotonic=self.monotonic, sleep=self.sleep
        ):
            yield self
