from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from registry.domain.moments import Moment, from_text, to_text


def test_text_is_rfc_3339_in_utc_to_the_millisecond() -> None:
    """Any zone is written in UTC, with Z."""
    moment = datetime(2026, 12, 24, 19, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert to_text(moment) == "2026-12-24T18:00:00.123Z"


def test_text_is_read_back() -> None:
    """As the same moment, to the millisecond."""
    moment = datetime(2026, 12, 24, 18, 0, 0, 5000, tzinfo=UTC)
    assert from_text(to_text(moment)) == moment


def test_other_text_is_refused() -> None:
    """It raises ValueError."""
    with pytest.raises(ValueError, match="tomorrow"):
        from_text("tomorrow")


def test_models_read_and_write_moments_as_text() -> None:
    """A time without a zone is no moment."""
    moments = TypeAdapter(Moment)
    assert moments.dump_json(moments.validate_python("2026-12-24T19:00:00+01:00")) == (
        b'"2026-12-24T18:00:00.000Z"'
    )
    for text in ("2026-12-24T18:00:00", "tomorrow", ""):
        with pytest.raises(ValidationError):
            moments.validate_python(text)
