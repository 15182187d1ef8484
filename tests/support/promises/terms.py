"""What rules are made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.support.promises.history import Evidence, History, RegistryHistory


@dataclass(frozen=True)
class Limits:
    """What the rules allow, and what is known of the host."""

    skew: float = 0.1
    """Seconds by which the clocks of clients and workers may differ."""
    close_within: float = 180
    """Seconds from `closesAt`, or the last start, to the close and the first delivery."""
    take_within: float = 5
    """Seconds in which an open registry takes, refuses or removes an item."""
    webhook: bool = False
    """Whether the deliveries of the host are in the history."""
    max_items: int | None = None
    workers_die: bool = False
    """Whether a 500 with an empty body is allowed, as when a worker dies."""
    shared: bool = False
    """Whether others use the host, so that its stats cannot be checked."""

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


RegistryRule = Callable[[RegistryHistory, History, Limits], Checks]


def expect(ok: bool, line: str, *evidence: Evidence | None) -> Violation | None:
    """Return a check: None if it is met, or else the violation."""
    return None if ok else Violation(line, evidence)


def of_each(rule: RegistryRule) -> Callable[[History, Limits], Checks]:
    """Make a rule for a history of one for a registry."""

    def check(history: History, limits: Limits) -> Checks:
        for registry in history.registries():
            for each in rule(registry, history, limits):
                if each:
                    each.id = registry.id
                    each.evidence = (registry.opened, *each.evidence)
                yield each

    check.__doc__ = rule.__doc__
    return check


def always(history: History, limits: Limits) -> str:
    return ""


@dataclass(frozen=True)
class Rule:
    """A part of a promise, and the reason why it cannot be checked on a host, if any."""

    name: str
    promise: int
    check: Callable[[History, Limits], Checks]
    not_checkable: Callable[[History, Limits], str] = always
