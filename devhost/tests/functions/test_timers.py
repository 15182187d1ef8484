from datetime import UTC, datetime

import azure.functions as func
import pytest

from devhost.functions.errors import AppError
from devhost.functions.indexing import index
from devhost.functions.timers import Schedule

NOW = datetime(2026, 12, 24, 18, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 */5 * * * *", datetime(2026, 12, 24, 18, 5, tzinfo=UTC)),
        ("*/15 * * * * *", datetime(2026, 12, 24, 18, 0, 45, tzinfo=UTC)),
        ("0 30 9 * * 1-5", datetime(2026, 12, 25, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 JAN *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 12, 24, 18, 5, tzinfo=UTC)),
    ],
)
def test_the_next_time_of_a_schedule(expression, due) -> None:
    """Six fields, seconds first; five are without seconds."""
    assert Schedule("clean", expression).after(NOW) == due


def test_a_schedule_in_an_app_setting(monkeypatch) -> None:
    """Its name stands between percent signs."""
    monkeypatch.setenv("CLEAN_AT", "0 0 3 * * *")
    assert Schedule("clean", "%CLEAN_AT%").after(NOW).hour == 3
    monkeypatch.delenv("CLEAN_AT")
    with pytest.raises(
        ValueError,
        match="function clean has its schedule in the app setting CLEAN_AT, which is miss",
    ):
        Schedule("clean", "%CLEAN_AT%")


@pytest.mark.parametrize("expression", ["", "daily", "0 0 25 * * *", "01:00:00", "0 0 0 0 0 0 0 0"])
def test_an_invalid_schedule_is_refused(expression) -> None:
    """When the app is loaded."""
    app = func.FunctionApp()

    @app.timer_trigger("timer", schedule=expression)
    def clean(timer: func.TimerRequest) -> None: ...

    with pytest.raises(
        AppError, match="function clean has a schedule that is no NCRONTAB expression"
    ):
        index(app)


def test_the_payload_of_a_timer() -> None:
    """It says whether the timer is late, and when it is due next."""
    request = Schedule("clean", "0 0 * * * *").request(NOW, past_due=True)
    assert request["IsPastDue"]
    assert request["ScheduleStatus"]["Next"] == "2026-12-24T19:00:00+00:00"
