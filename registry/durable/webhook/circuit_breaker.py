"""A circuit breaker for the webhook: a receiver that hangs must not hold the host's activity slots.

An attempt holds a slot for as long as the receiver takes, and closing a registry needs one too.
https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
"""

from registry import clock

TIMEOUTS_UNTIL_OPEN = 5
PROBE_SECONDS = 10.0


class CircuitBreaker:
    """Closed, it lets every attempt through. Time-outs of five registries in a row open it.

    Open, it lets one attempt through each ten seconds, the probe, until one is answered.
    """

    def __init__(self) -> None:
        self._timed_out: set[str] = set()
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Whether attempts are stopped."""
        return len(self._timed_out) >= TIMEOUTS_UNTIL_OPEN

    def allows_attempt(self) -> bool:
        """Whether an attempt may be made now. Each True is for one attempt."""
        now = clock.monotonic()
        if self.is_open and now < self._next_probe:
            return False

        # From its beginning: a probe that hangs does not hold up the next one.
        self._next_probe = now + PROBE_SECONDS
        return True

    def record_answer(self) -> None:
        """Close: the receiver answers, whatever the status."""
        self._timed_out.clear()

    def record_timeout(self, id: str) -> None:
        """Open, if this is the fifth registry in a row whose attempt has timed out."""
        if not self.is_open:
            self._timed_out.add(id)


circuit_breaker = CircuitBreaker()
"""That of this process."""
