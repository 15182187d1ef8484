"""The delivery of a closed registry to the processing webhook."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Literal, NamedTuple

from pydantic import Field

from registry.domain.moments import Moment
from registry.domain.stored import Stored

DeliveryStatus = Literal["off", "pending", "delivered", "failed"]
"""There is no webhook, or a delivery is under way, was accepted, or was given up."""

REQUEST_INTERVAL = timedelta(minutes=1)
"""A registry may be delivered again once in so long."""
MAX_DOUBLINGS = 20
LONGEST_DELAY = 24 * 3600
LONGEST_TOTAL = 366 * 24 * 3600
"""Seconds. No settings allow more between two attempts, or from the first one to the last."""


class BackoffPolicy(NamedTuple):
    """When a failed delivery is tried again. All spans are in seconds."""

    first: int = 5
    longest: int = 3600
    total: int = 24 * 3600

    def delay(self, failures: int, elapsed: timedelta) -> timedelta | None:
        """The delay after so many failures, which doubles with each.

        None where the next attempt would come later than the policy's total.
        """
        doubled = self.first * 2 ** min(failures - 1, MAX_DOUBLINGS)
        delay = timedelta(seconds=min(doubled, self.longest))

        return delay if elapsed + delay <= timedelta(seconds=self.total) else None

    @property
    def is_allowed(self) -> bool:
        """Whether it waits between attempts, and does not go on for ever."""
        is_waiting = self.first > 0 and 0 < self.longest <= LONGEST_DELAY
        return is_waiting and self.total <= LONGEST_TOTAL


DEFAULT_BACKOFF = BackoffPolicy()


class Delivery(Stored):
    """Where the delivery of a registry stands. In JSON the names are those that 1.0 stores."""

    status: DeliveryStatus = Field(default="off", alias="processing")
    previous_status: DeliveryStatus | None = Field(default=None, alias="previous")
    """What became of the delivery before this one."""
    number: int = Field(default=1, alias="sends")
    """1 is the delivery that follows the close; each request for another adds one."""
    requested_at: Moment | None = Field(default=None, alias="asked_at")
    """When somebody last asked for another delivery."""

    @property
    def is_pending(self) -> bool:
        """Whether it has not come to its end."""
        return self.status == "pending"

    def request(self, number: int, now: datetime) -> bool:
        """Begin the delivery of this number; returns whether that was possible.

        It is not where one is pending, where it has begun already, and for a minute after the
        request before.
        """
        is_next = number == self.number + 1
        if self.is_pending or not is_next or self.seconds_until_next_request(now):
            return False

        self.previous_status = self.status
        self.status = "pending"
        self.number = number
        self.requested_at = now
        return True

    def record(self, number: int, outcome: DeliveryStatus) -> bool:
        """Record what became of the delivery of this number; returns whether it was pending."""
        if not self.is_pending or number != self.number:
            return False

        self.status = outcome
        return True

    def seconds_until_next_request(self, now: datetime) -> int:
        """For how many seconds another delivery is refused."""
        if self.requested_at is None:
            return 0

        return max(0, ceil((self.requested_at + REQUEST_INTERVAL - now).total_seconds()))
