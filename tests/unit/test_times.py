from datetime import UTC, datetime, timedelta, timezone

import pytest

from registry.clock import from_text, to_text


def test_text_is_rfc_3339_in_utc_to_the_millisecond() -> None:
    """Any zone is written in UTC, with Z."""
    moment = datetime(2026, 12, 24, 19, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert to_text(moment) == "2026-12-24T18:00:00.123Z"


def test_text_reads_back() -> None:
    """What was written to the millisecond is read as the same moment."""
    moment = datetime(2026, 12, 24, 18, 0, 0, 5000, tzinfo=UTC)
    assert from_text(to_text(moment)) == moment


def test_other_text_is_refused() -> None:
    """Text that is no moment raises ValueError."""
    for text in ("tomorrow", "2026-12-24", "2026-12-24T18:00:00"):
        with pytest.raises(ValueError, match=text):
            from_text(text)
