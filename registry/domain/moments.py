"""Moments as text: RFC 3339 in UTC, to the millisecond."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, PlainSerializer, WithJsonSchema


def to_text(moment: datetime) -> str:
    """Write an aware datetime, for example as `2026-12-24T18:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read what `to_text` wrote."""
    return datetime.fromisoformat(text)


Moment = Annotated[
    AwareDatetime,
    PlainSerializer(to_text, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "RFC 3339, in UTC."}),
]
"""An aware datetime in a model: JSON has it as text."""
