"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)


class FakeClock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.now = START

    def advance(self, **span: float) -> None:
        """Let time pass, as timedelta counts it."""
        self.now += timedelta(**span)

    def utc_now(self) -> datetime:
        return self.now
