"""How long to wait after a message before its effect is read.

The delay is learnt: no two task hubs are alike.
"""

FIRST_DELAY = 0.02
"""Seconds, before anything is learnt. A commit on Azure Storage takes 15 to 50 ms."""
LONGEST_DELAY = 0.1
SHORTEST_DELAY = 0.001
"""Where less is enough, there is no wait at all."""
SHORTER, LONGER = 0.95, 1.5
"""Factors after a read that came late enough, and after one that came too early.

About one read in nine is too early.
"""


class ReadDelay:
    """The delay between a message and the first read of its effect."""

    def __init__(self) -> None:
        self._seconds = FIRST_DELAY

    @property
    def seconds(self) -> float:
        """The delay now; 0 where the effect can be read at once."""
        return self._seconds if self._seconds > SHORTEST_DELAY else 0.0

    def learn(self, was_late_enough: bool) -> None:
        """Adapt to whether the first read after a message showed its effect."""
        wanted = self._seconds * (SHORTER if was_late_enough else LONGER)
        self._seconds = min(max(wanted, SHORTEST_DELAY), LONGEST_DELAY)


read_delay = ReadDelay()
"""That of this process."""
