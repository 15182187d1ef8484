"""How soon a change can be read: learnt from the reads before, since no two task hubs are equally
fast.
"""

FIRST_DELAY = 0.02
"""Seconds before the first read of what a message is to change: a commit on Azure Storage takes 15
to 50 ms.
"""
LONGEST_FIRST_DELAY = 0.1
SHORTEST_DELAY = 0.001
"""Where less is enough, the read comes at once."""
SOONER, LATER = 0.95, 1.5
"""What a first read that was in time, and one that was not, make of the delay: so one in nine or so
is too early.
"""


class Pace:
    """The delay before the first read after a message."""

    def __init__(self) -> None:
        self._delay = FIRST_DELAY

    @property
    def delay(self) -> float:
        """Seconds; 0 where changes can be read as soon as their message is sent."""
        return self._delay if self._delay > SHORTEST_DELAY else 0.0

    def learn(self, was_in_time: bool) -> None:
        """Take notice of whether the first read after a message showed the change."""
        wanted = self._delay * (SOONER if was_in_time else LATER)
        self._delay = min(max(wanted, SHORTEST_DELAY), LONGEST_FIRST_DELAY)


pace = Pace()  # that of this process
