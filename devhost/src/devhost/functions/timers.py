"""The schedule of a timer trigger: an NCRONTAB expression (six fields, seconds first), in UTC.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

import os
import re
from datetime import datetime
from typing import Any

from croniter import croniter

SETTING = re.compile(r"%([^%]+)%")


class Schedule:
    """The times at which a timer-triggered function is due."""

    def __init__(self, function: str, expression: str) -> None:
        """`%NAME%` stands for the app setting of that name. Raises ValueError if it is invalid."""
        setting = SETTING.fullmatch(expression)
        if setting is not None and setting[1] not in os.environ:
            raise ValueError(
                f"function {function} has its schedule in the app setting {setting[1]}, "
                "which is missing"
            )
        self._expression = os.environ[setting[1]] if setting else expression
        fields = self._expression.split()
        is_valid = croniter.is_valid(self._expression, second_at_beginning=True)
        if len(fields) not in (5, 6) or not is_valid:
            raise ValueError(
                f"function {function} has a schedule that is no NCRONTAB expression: "
                f"{self._expression!r}"
            )

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment."""
        times = croniter(self._expression, moment, second_at_beginning=True)
        due: datetime = times.get_next(datetime)
        return due

    def request(self, now: datetime, past_due: bool) -> dict[str, Any]:
        """The payload of the trigger."""
        status = {
            "Last": now.isoformat(),
            "Next": self.after(now).isoformat(),
            "LastUpdated": now.isoformat(),
        }
        return {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
