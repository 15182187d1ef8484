"""How unkind the host is: what goes wrong, how often and how badly. All decisions follow from a
seed.

The real host does each of these now and then (see README.md). Here is what is decided;
`unkind_engine.py` and `unkind_host.py` do it, and the kind ones know nothing of it.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeVar

Choice = TypeVar("Choice")
Fate = Literal["committed", "committed late", "judged again"]
"""What becomes of a batch of an entity that was judged."""
Trouble = Literal["none", "before", "after"]
"""Whether a request to the management API fails, and if so, whether that is before or after its
effect.
"""


@dataclass(frozen=True)
class Rates:
    """How often it happens: the share of occasions, or where the name ends so, a mean number of
    times a minute.
    """

    message_delayed: float = 0.9
    """A message is under way for some tens of milliseconds, so that others overtake it."""
    message_late: float = 0.02
    """A message is under way for some seconds."""
    message_repeated: float = 0.05
    """A signal or an event of a client arrives twice."""
    timer_early: float = 0.5
    """A timer of an orchestration fires up to a second early."""
    timer_late: float = 0.3
    """A timer fires some seconds late."""
    clock_off: float = 0.5
    """The clock that a function or an entity sees is up to a second off; it takes virtual time to
    do that.
    """
    commit_late: float = 0.2
    """A batch of an entity is judged, its replies leave, and some time later it is committed."""
    batch_again: float = 0.03
    """A batch is judged, its replies leave, it is thrown away, and judged again some seconds later.
    """
    turn_again: float = 0.02
    """A turn of an orchestrator is made, its messages to entities leave, it is thrown away and made
    again later.
    """
    activity_again: float = 0.1
    """An activity is run twice, at once or some seconds later; the first result counts."""
    worker_dies_in_turn: float = 0.003
    """The worker dies in a turn: an orchestration fails, an entity's batch is judged again."""
    worker_deaths_a_minute: float = 2.0
    """Requests in flight are answered 500 without a body, running activities fail or are run again.
    """
    activity_fails_with_worker: float = 0.5
    """Of the running activities, those that fail when their worker dies; the others are run again.
    """
    host_deaths_a_minute: float = 0.5
    """Nothing is answered for some seconds; what was in hand stands still for the visibility
    time-outs of host.json.
    """
    message_in_hand: float = 0.5
    """Of the messages that are due, those that the host had taken when it died."""
    terminations_a_minute: float = 2.0
    """Somebody terminates an orchestration."""
    answer_delayed: float = 0.9
    """A request to the management API takes some milliseconds, before its effect and after it."""
    error_before_effect: float = 0.01
    """A request to the management API is answered 500 and has no effect."""
    error_after_effect: float = 0.01
    """A request to the management API has its effect and is answered 500."""
    read_fails: float = 0.02
    """A read of an entity's state is answered 500 though nothing is wrong."""
    page_short: float = 0.3
    """A page of a query is shorter than it was to be, with a continuation token."""
    page_empty: float = 0.1
    """A page of a query is empty, with a continuation token."""

    @classmethod
    def only(cls, **rates: float) -> "Rates":
        """Those that are named, and nothing else."""
        return cls(**dict.fromkeys((each.name for each in fields(cls)), 0.0) | rates)


MESSAGE_SECONDS = (0.01, 0.08)
LATE_SECONDS = (0.5, 6.0)
"""Of messages, of timers, and of what is done again."""
EARLY_SECONDS = (0.0, 1.0)
SKEW_SECONDS = 1.0
COMMIT_SECONDS = (0.02, 0.5)
LONG_COMMIT_SECONDS = (0.5, 6.0)
LONG_COMMITS = 0.1
"""Of the late commits, those that take seconds."""
ANSWER_SECONDS = (0.001, 0.02)
DOWN_SECONDS = (4.0, 20.0)
"""From the death of a host to its next start."""
SHORTEST_PAGES = 3


class Unkind:
    """Decides what goes wrong, from a seed, and counts it.

    Each kind of trouble has dice of its own, so that it does not depend on which others there are.
    """

    def __init__(self, seed: int, rates: Rates | None = None) -> None:
        self.rates = rates or Rates()
        self.counts: Counter[str] = Counter()
        """How often each of the rates came true, by its name."""
        self._seed = seed
        self._dice: dict[str, random.Random] = {}
        self._calm = False

    def calm(self) -> None:
        """Do no more harm from now on. What is under way stays as late as it is."""
        self._calm = True

    def happens(self, rate: str) -> bool:
        """Decide whether it happens on this occasion; `rate` names one of Rates."""
        probability: float = getattr(self.rates, rate)
        if self._calm or not probability or self._die(rate).random() >= probability:
            return False
        self.counts[rate] += 1
        return True

    def seconds_until(self, rate: str) -> float | None:
        """How long it is until the next time; None for never."""
        times: float = getattr(self.rates, rate)
        return None if self._calm or not times else self._between(rate, (0, 2 * 60 / times))

    def strikes(self, rate: str) -> bool:
        """Whether, now that its time has come, it happens."""
        if not self._calm:
            self.counts[rate] += 1
        return not self._calm

    def message_seconds(self) -> float:
        """How long a message is under way."""
        if self.happens("message_late"):
            return self._between("message_late", LATE_SECONDS)
        return (
            self._between("message_delayed", MESSAGE_SECONDS)
            if self.happens("message_delayed")
            else 0
        )

    def copies(self) -> int:
        """How often a client's message arrives."""
        return 2 if self.happens("message_repeated") else 1

    def timer_seconds(self) -> float:
        """How much later a timer fires than it should; negative is earlier."""
        if self.happens("timer_early"):
            return -self._between("timer_early", EARLY_SECONDS)
        return self._between("timer_late", LATE_SECONDS) if self.happens("timer_late") else 0

    def skew(self) -> float:
        """How many seconds a clock is ahead; negative is behind."""
        return (
            self._between("clock_off", (-SKEW_SECONDS, SKEW_SECONDS))
            if self.happens("clock_off")
            else 0
        )

    def batch(self) -> tuple[Fate, float]:
        """What becomes of a batch of an entity, and in how many seconds."""
        if self.happens("batch_again"):
            return "judged again", self.again_seconds()
        if self.happens("commit_late"):
            long = self._die("commit_late").random() < LONG_COMMITS
            return "committed late", self._between(
                "commit_late", LONG_COMMIT_SECONDS if long else COMMIT_SECONDS
            )
        return "committed", 0

    def again_seconds(self) -> float:
        """In how many seconds something is done again."""
        return self._between("again", LATE_SECONDS)

    def second_run(self) -> float | None:
        """In how many seconds an activity is run a second time, or None."""
        if not self.happens("activity_again"):
            return None
        return self.choose([0.0, self.again_seconds()])

    def trouble(self, is_read: bool) -> Trouble:
        """Whether a request to the management API fails; `is_read` where it reads the state of an
        entity.
        """
        if (is_read and self.happens("read_fails")) or self.happens("error_before_effect"):
            return "before"
        return "after" if self.happens("error_after_effect") else "none"

    def answer_seconds(self) -> float:
        """How long a request to the management API takes one way."""
        return (
            self._between("answer_delayed", ANSWER_SECONDS) if self.happens("answer_delayed") else 0
        )

    def page(self) -> int | None:
        """How much a page of a query has at most, or None for as much as it should."""
        if self.happens("page_empty"):
            return 0
        return (
            self._die("page_short").randint(1, SHORTEST_PAGES)
            if self.happens("page_short")
            else None
        )

    def down_seconds(self) -> float:
        """How long a host that died is gone."""
        return self._between("down", DOWN_SECONDS)

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """One of several, each as likely."""
        return self._die("choice").choice(choices)

    def _between(self, name: str, span: tuple[float, float]) -> float:
        return self._die(name).uniform(*span)

    def _die(self, name: str) -> random.Random:
        if name not in self._dice:
            self._dice[name] = random.Random(f"{self._seed} {name}")  # noqa: S311  # nothing is secret here
        return self._dice[name]
