"""The words in which rules are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.support.history import Evidence, History, Life


@dataclass(frozen=True)
class Limits:
    """What the rules allow, and what they know of the host."""

    skew: float = 0.1
    """Seconds by which any two clocks may differ: that of a client, and those of workers."""
    close_within: float = 180
    """Seconds from `closesAt`, or the last start, until the close is recorded and the first
    delivery came.
    """
    take_within: float = 5
    """Seconds in which an open registry takes, refuses or takes out a gift, however often that has
    to be sent.
    """
    webhook: bool = False
    """Whether the deliveries of the host are in the history."""
    max_items: int | None = None
    workers_die: bool = False
    """Whether the 500 with an empty body is allowed with which a host answers when its worker dies.
    """
    shared: bool = False
    """Whether others use the host, so that its stats tell nothing."""

    @property
    def tolerance(self) -> timedelta:
        return timedelta(seconds=self.skew)


@dataclass
class Violation:
    """What contradicts a promise, in one line, and the part of the history that shows it."""

    line: str
    evidence: tuple[Evidence | None, ...] = ()
    id: str = ""


Checks = Iterator[Violation | None]


LifeRule = Callable[[Life, History, Limits], Checks]


def expect(ok: bool, line: str, *evidence: Evidence | None) -> Violation | None:
    """A check: nothing where it is met, or the violation."""
    return None if ok else Violation(line, evidence)


def of_each(rule: LifeRule) -> Callable[[History, Limits], Checks]:
    """The rule for each registry of a history."""

    def check(history: History, limits: Limits) -> Checks:
        for life in history.lives():
            for each in rule(life, history, limits):
                if each:
                    each.id = life.id
                    each.evidence = (life.opened, *each.evidence)
                yield each

    check.__doc__ = rule.__doc__
    return check


def always(history: History, limits: Limits) -> str:
    return ""


@dataclass(frozen=True)
class Rule:
    """A part of a promise, and why it cannot be checked on a host, if it cannot."""

    name: str
    promise: int
    check: Callable[[History, Limits], Checks]
    not_checkable: Callable[[History, Limits], str] = always
