"""A bulkhead for the webhook: attempts that take long leave activity slots to others.

The circuit breaker opens only once attempts have timed out, and by then they may hold every slot.
https://learn.microsoft.com/azure/architecture/patterns/bulkhead
"""

from collections.abc import Iterator
from contextlib import contextmanager

LONG_ATTEMPTS = 5
"""Half of the activity slots on the Consumption plan."""
SHORT_SECONDS = 10


class Bulkhead:
    """Limits how many attempts at once may have a time-out of more than SHORT_SECONDS."""

    def __init__(self) -> None:
        self._under_way = 0

    @contextmanager
    def attempt(self, timeout: float) -> Iterator[float]:
        """Make an attempt in the block. Yields its time-out, which may be shorter than wanted."""
        allowed = timeout if self._under_way < LONG_ATTEMPTS else min(timeout, SHORT_SECONDS)
        self._under_way += 1
        try:
            yield allowed
        finally:
            self._under_way -= 1


bulkhead = Bulkhead()
"""That of this process."""
