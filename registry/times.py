"""Moments as text: RFC 3339 in UTC, to the millisecond, with `Z`."""

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """Write an aware datetime as, for example, `2026-12-24T18:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read what `to_text` wrote. Raises ValueError for what is no moment."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment
