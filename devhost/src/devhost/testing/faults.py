"""Faults: what goes wrong, how often and how badly. A seed decides.

The real host has each of these faults now and then. This module only decides; the faulty parts of a
host (`devhost.testing.faulty`) do what it says.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeVar

Choice = TypeVar("Choice")
CommitFault = Literal["committed", "committed late", "executed again"]
"""What becomes of an entity's batch after it was executed and its replies have left."""
RequestFault = Literal["none", "before", "after"]
"""Whether a request to the management API fails, and whether that is before or after its effect."""


@dataclass(frozen=True)
class FaultRates:
    """How often each fault happens.

    A rate is a share of the occasions; if its name ends in `_a_minute`, a mean number a minute.
    """

    message_delayed: float = 0.9
    """A message takes tens of milliseconds, so that others overtake it."""
    message_late: float = 0.02
    """A message takes seconds."""
    message_repeated: float = 0.05
    """A client's signal or event arrives twice."""
    timer_early: float = 0.5
    """An orchestration's timer fires up to a second early."""
    timer_late: float = 0.3
    """A timer fires some seconds late."""
    clock_off: float = 0.5
    """A function or an entity sees a clock that is up to a second off. Needs virtual time."""
    commit_late: float = 0.2
    """An entity's batch is executed, its replies leave, and it is committed some time later."""
    batch_again: float = 0.03
    """A batch is executed, its replies leave, and some seconds later it is executed again."""
    turn_again: float = 0.02
    """An orchestrator's turn is executed, its messages to entities leave, and it is executed again.
    """
    activity_again: float = 0.1
    """An activity runs twice, at once or some seconds later. The first result counts."""
    worker_dies_in_turn: float = 0.003
    """The worker dies in a turn. An orchestration fails; an entity's batch is executed again."""
    worker_deaths_a_minute: float = 2.0
    """Requests in flight get a 500 without a body. Running activities fail, or run again."""
    activity_fails_with_worker: float = 0.5
    """A running activity fails when its worker dies. The others run again."""
    host_deaths_a_minute: float = 0.5
    """Nothing is answered for some seconds.

    What the host had in hand waits for the visibility time-outs of host.json.
    """
    message_in_hand: float = 0.5
    """The host had taken a due message when it died."""
    terminations_a_minute: float = 2.0
    """Somebody terminates an orchestration."""
    answer_delayed: float = 0.9
    """A request to the management API takes milliseconds, before its effect and after it."""
    error_before_effect: float = 0.01
    """A request to the management API gets a 500 and has no effect."""
    error_after_effect: float = 0.01
    """A request to the management API has its effect and gets a 500."""
    read_fails: float = 0.02
    """A read of an entity's state gets a 500."""
    page_short: float = 0.3
    """A page of a query is shorter than it was to be, with a continuation token."""
    page_empty: float = 0.1
    """A page of a query is empty, with a continuation token."""

    @classmethod
    def only(cls, **rates: float) -> "FaultRates":
        """These faults, and no others."""
        none = dict.fromkeys((each.name for each in fields(cls)), 0.0)
        return cls(**none | rates)


# Seconds, from the shortest to the longest
MESSAGE_SECONDS = (0.01, 0.08)
LATE_SECONDS = (0.5, 6.0)
"""Of late messages and timers, and until something is done again."""
EARLY_SECONDS = (0.0, 1.0)
SKEW_SECONDS = 1.0
COMMIT_SECONDS = (0.02, 0.5)
LONG_COMMIT_SECONDS = (0.5, 6.0)
LONG_COMMITS = 0.1
"""The share of late commits that take LONG_COMMIT_SECONDS."""
ANSWER_SECONDS = (0.001, 0.02)
DOWN_SECONDS = (4.0, 20.0)
"""From the death of a host to its next start."""

SHORTEST_PAGES = 3
"""A short page has at most so many items."""


class Faults:
    """Decides what goes wrong, and counts it.

    Each fault has a random generator of its own, so that it does not depend on which other faults
    there are.
    """

    def __init__(self, seed: int, rates: FaultRates | None = None) -> None:
        self.rates = rates or FaultRates()
        self.counts: Counter[str] = Counter()
        """How often each fault happened, by the name of its rate."""
        self._seed = seed
        self._generators: dict[str, random.Random] = {}
        self._stopped = False

    def stop(self) -> None:
        """Let no more faults happen. What is late already stays as late as it is."""
        self._stopped = True

    def happens(self, rate: str) -> bool:
        """Whether a fault happens on this occasion. `rate` is a name of FaultRates."""
        probability: float = getattr(self.rates, rate)
        if self._stopped or not probability:
            return False
        if self._generator(rate).random() >= probability:
            return False
        self.counts[rate] += 1
        return True

    def seconds_until(self, rate: str) -> float | None:
        """How long it is until a fault happens the next time. None means never."""
        times: float = getattr(self.rates, rate)
        if self._stopped or not times:
            return None
        return self._between(rate, (0, 2 * 60 / times))

    def inject(self, rate: str) -> bool:
        """Whether a fault whose time has come happens."""
        if self._stopped:
            return False
        self.counts[rate] += 1
        return True

    def message_seconds(self) -> float:
        """How long a message takes."""
        if self.happens("message_late"):
            return self._between("message_late", LATE_SECONDS)
        if self.happens("message_delayed"):
            return self._between("message_delayed", MESSAGE_SECONDS)
        return 0.0

    def copies(self) -> int:
        """How often a client's message arrives."""
        return 2 if self.happens("message_repeated") else 1

    def timer_seconds(self) -> float:
        """How much later a timer fires than it should. Negative is earlier."""
        if self.happens("timer_early"):
            return -self._between("timer_early", EARLY_SECONDS)
        if self.happens("timer_late"):
            return self._between("timer_late", LATE_SECONDS)
        return 0.0

    def skew(self, trigger: str) -> float:
        """How many seconds the clock of a function is ahead. Negative is behind.

        `trigger` is the type of its trigger, such as "activityTrigger".
        """
        if self.happens("clock_off"):
            return self._between("clock_off", (-SKEW_SECONDS, SKEW_SECONDS))
        return 0.0

    def commit_fault(self) -> tuple[CommitFault, float]:
        """What becomes of an entity's batch, and in how many seconds."""
        if self.happens("batch_again"):
            return "executed again", self.again_seconds()
        if self.happens("commit_late"):
            is_long = self._generator("commit_late").random() < LONG_COMMITS
            span = LONG_COMMIT_SECONDS if is_long else COMMIT_SECONDS
            return "committed late", self._between("commit_late", span)
        return "committed", 0.0

    def again_seconds(self) -> float:
        """In how many seconds something is done again."""
        return self._between("again", LATE_SECONDS)

    def second_run(self) -> float | None:
        """In how many seconds an activity runs a second time. None means that it does not."""
        if not self.happens("activity_again"):
            return None
        return self.choose([0.0, self.again_seconds()])

    def request_fault(self, is_read: bool) -> RequestFault:
        """Whether a request to the management API fails.

        `is_read` says that it reads the state of an entity.
        """
        if is_read and self.happens("read_fails"):
            return "before"
        if self.happens("error_before_effect"):
            return "before"
        return "after" if self.happens("error_after_effect") else "none"

    def answer_seconds(self) -> float:
        """How long a request to the management API takes one way."""
        if self.happens("answer_delayed"):
            return self._between("answer_delayed", ANSWER_SECONDS)
        return 0.0

    def page_size(self) -> int | None:
        """How many items a page of a query has at most. None means as many as it should."""
        if self.happens("page_empty"):
            return 0
        if self.happens("page_short"):
            return self._generator("page_short").randint(1, SHORTEST_PAGES)
        return None

    def down_seconds(self) -> float:
        """How long a host that died is gone."""
        return self._between("down", DOWN_SECONDS)

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """One of several, each as likely."""
        return self._generator("choice").choice(choices)

    def _between(self, name: str, span: tuple[float, float]) -> float:
        return self._generator(name).uniform(*span)

    def _generator(self, name: str) -> random.Random:
        if name not in self._generators:
            seed = f"{self._seed} {name}"
            self._generators[name] = random.Random(seed)  # noqa: S311  # nothing is secret here
        return self._generators[name]
