"""How long to wait after a message before its effect is read.

The delay is learnt: no two task hubs are alike.
"""

from collections import deque
from statistics import median

from registry import clock

FIRST_DELAY = 0.02
"""Seconds, before anything is learnt. A commit on Azure Storage takes 15 to 50 ms."""
LONGEST_DELAY = 0.1
SHORTEST_DELAY = 0.001
"""Where less is enough, there is no wait at all."""
REMEMBERED = 16
"""So many effects are remembered at most."""
MEMORY_SECONDS = 10.0
"""What is older than this says nothing about the load of now."""


class ReadDelay:
    """The delay between a message and the first read of its effect.

    It is the median of how long effects took lately. So about every other first read comes too
    early, and costs another read; but nobody waits for the slowest.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        """When an effect was read, and how long it took, both in seconds."""
        self._without_load = FIRST_DELAY

    @property
    def seconds(self) -> float:
        """The delay now; 0 where the effect can be read at once.

        Where nothing happened lately, there is no load, and effects come as soon as ever.
        """
        self._forget()
        delay = min(self._median(), LONGEST_DELAY) if self._recent else self._without_load
        return delay if delay > SHORTEST_DELAY else 0.0

    def learn(self, too_early: float, late_enough: float) -> None:
        """Take note of an effect: how long after the message reads did not show it yet, and did."""
        self._forget()
        self._recent.append((clock.monotonic(), (too_early + late_enough) / 2))
        self._without_load = min(self._median(), FIRST_DELAY)

    def _median(self) -> float:
        return median(took for _, took in self._recent)

    def _forget(self) -> None:
        oldest = clock.monotonic() - MEMORY_SECONDS
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()


read_delay = ReadDelay()
"""That of this process."""
