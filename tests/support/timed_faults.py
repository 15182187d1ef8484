"""Faults that happen at a moment that a test chooses."""

from devhost.testing import FaultRates, Faults


class TimedFaults(Faults):
    """Each fault that is named happens once, so many seconds after the host's start."""

    def __init__(self, rates: FaultRates | None = None, **moments: float) -> None:
        """Names are those of the rates by the minute, such as `host_deaths_a_minute`."""
        super().__init__(0, rates or FaultRates.only())
        self._moments = moments

    def seconds_until(self, rate: str) -> float | None:
        """How long it is until the fault; None after it."""
        return self._moments.pop(rate, None)
