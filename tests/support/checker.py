"""Many clients, what they were told, and whether that keeps the promises: on any host, in any time.

`attack` lets clients loose on a World and waits until all has come to rest; `check` judges the
history.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from tests.support.clients import Client, Plan, World, rush
from tests.support.history import Delivery, Exchange, History
from tests.support.promises import PROMISES, RULES, Limits, Violation

SHOWN = 12
"""Lines of the history that are printed for a violation, at most."""


@dataclass
class Found:
    """A violation of a promise, and by which rule."""

    promise: int
    rule: str
    violation: Violation
    times: int = 1
    """How often the rule found it in the same registry."""

    def __str__(self) -> str:
        id = f"registry {self.violation.id[:8]}: " if self.violation.id else ""
        promise = f"promise {self.promise}" if self.promise else "contract"
        again = f" (and {self.times - 1} times more)" if self.times > 1 else ""
        return f"{promise}, {self.rule}: {id}{self.violation.line}{again}"

    def excerpt(self) -> list[str]:
        """The part of the history that shows it, in the order of its beginning."""
        evidence = {id(each): each for each in self.violation.evidence if each}.values()
        ordered = sorted(
            evidence, key=lambda each: each.received if isinstance(each, Delivery) else each.sent
        )
        lines = [f"    {each}" for each in ordered]
        if len(lines) > SHOWN:
            lines[SHOWN // 2 : -SHOWN // 2] = [f"    ... {len(lines) - SHOWN} more"]
        return lines


@dataclass
class Report:
    """What the rules saw in one history, or in several together."""

    requests: int = 0
    acknowledged: int = 0
    registries: int = 0
    unanswered: int = 0
    checks: Counter[str] = field(default_factory=Counter)
    """How often each rule looked."""
    not_checkable: dict[str, str] = field(default_factory=dict)
    """Rules that cannot look here, and why."""
    found: list[Found] = field(default_factory=list)

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.requests + other.requests,
            self.acknowledged + other.acknowledged,
            self.registries + other.registries,
            self.unanswered + other.unanswered,
            self.checks + other.checks,
            self.not_checkable | other.not_checkable,
            self.found + other.found,
        )

    @property
    def unchecked(self) -> list[str]:
        """Rules that never looked, and are not named as not checkable."""
        return [
            rule.name
            for rule in RULES
            if not self.checks[rule.name] and rule.name not in self.not_checkable
        ]

    @property
    def is_good(self) -> bool:
        """Whether every promise was checked and none was broken."""
        return not self.found and not self.unchecked

    @property
    def summary(self) -> str:
        """One line."""
        return (
            f"{self.registries} registries, {self.requests} requests ({self.unanswered} unanswered), "
            f"{self.acknowledged} gifts acknowledged, {self.checks.total()} checks, {len(self.found)} violations"
        )

    def table(self) -> list[str]:
        """How many times each part of each promise was checked, or why it was not."""
        lines = []
        for promise in (1, 2, 3, 0):
            lines.append(f"{f'promise {promise}' if promise else 'contract'}: {PROMISES[promise]}")
            for rule in RULES:
                if rule.promise == promise:
                    count = str(self.checks[rule.name]) if self.checks[rule.name] else "NOT CHECKED"
                    if not self.checks[rule.name] and rule.name in self.not_checkable:
                        count = f"not checkable: {self.not_checkable[rule.name]}"
                    lines.append(f"  {rule.name:24} {count}")
        return lines

    def complaints(self) -> list[str]:
        """What was not checked, and the violations."""
        return [*(f"never checked: {name}" for name in self.unchecked), *self.violations()]

    def violations(self, most: int = 10) -> list[str]:
        """The first violations of each rule, each with what shows it."""
        lines: list[str] = []
        by_rule = [[found for found in self.found if found.rule == rule.name] for rule in RULES]
        for found in [each for rank in zip_longest(*by_rule) for each in rank if each][:most]:
            lines += [str(found), *found.excerpt()]
        return lines + (
            [f"... and {len(self.found) - most} more violations"] if len(self.found) > most else []
        )


def check(history: History, limits: Limits) -> Report:
    """Judge a history that has come to its end."""
    adds = {(each.id, each.text) for each in history.calls("add", 200)}
    unanswered = sum(each.status == 0 for each in history.exchanges)
    report = Report(len(history.exchanges), len(adds), len(history.lives()), unanswered)
    for rule in RULES:
        if reason := rule.not_checkable(history, limits):
            report.not_checkable[rule.name] = reason
            continue
        found: dict[str, Found] = {}
        for violation in rule.check(history, limits):
            report.checks[rule.name] += 1
            if violation and violation.id in found:
                found[violation.id].times += 1
            elif violation:
                found[violation.id] = Found(rule.promise, rule.name, violation)
        report.found += found.values()
    return report


async def attack(
    world: World, plan: Plan, history: History, calm: Callable[[], None] = lambda: None
) -> None:
    """Run the plan on a host, and look at every registry and at the stats when all has come to
    rest.

    `calm` is called some time after the clients have gone: it ends what makes the host unkind.
    """
    observer = Client(world, history, plan, "observer")
    await _insist(observer, "stats")
    await rush(world, history, plan)
    await world.sleep(plan.unrest)
    calm()
    await _come_to_rest(world, plan, history, observer)
    await observer.pause(plan.linger, plan.linger)
    await _look_at_all(observer, history)


async def _come_to_rest(world: World, plan: Plan, history: History, observer: Client) -> None:
    """Look until every registry is closed and has been sent, or the time for that is over."""
    pause = 1.0
    while True:
        last = await _look_at_all(observer, history)
        slack = timedelta(seconds=plan.patience)
        ends = [life.closes_at for life in history.lives() if life.closes_at]
        deadline = max([*ends, *history.starts, *(_lost(history))], default=world.now()) + slack
        if all(_is_at_rest(each) for each in last) or world.now() > deadline:
            return
        await observer.pause(pause / 2, pause)
        pause = min(pause * 1.5, 10)


def _lost(history: History) -> Iterable[datetime]:
    """When registries close at the latest of which nobody was told: as long after their open as the
    others.
    """
    spans = [
        life.closes_at - life.opened.sent.at
        for life in history.lives()
        if life.opened and life.closes_at
    ]
    if spans:
        yield from (
            each.told.at + max(spans) for each in history.calls("open") if each.status != 201
        )


def _is_at_rest(looked: Exchange) -> bool:
    body: Any = looked.body
    if not isinstance(body, dict):
        return False
    if looked.call == "stats":
        processing = body.get("processing")
        return (
            body.get("openCount") == 0
            and isinstance(processing, dict)
            and processing.get("pending") == 0
        )
    registry = body.get("registry")
    return (
        body.get("status") == "Closed"
        and isinstance(registry, dict)
        and registry.get("processing") != "pending"
    )


async def _look_at_all(observer: Client, history: History) -> list[Exchange]:
    looked = [await _insist(observer, "peek", life.id) for life in history.lives()]
    return [*looked, await _insist(observer, "stats")]


async def _insist(observer: Client, call: Any, id: str = "") -> Exchange:
    """Ask until there is an answer, some twenty times."""
    for _ in range(20):
        told = await observer.ask(call, id)
        if told.status not in (0, 500, 503):
            break
        await observer.pause(0.5, 1)
    return told


class Receiver:
    """The webhook's end: it notes each delivery, and answers every tenth or so with 500."""

    def __init__(
        self, history: History, now: Callable[[], datetime], seed: int, refused: float = 0.1
    ) -> None:
        self._history = history
        self._now = now
        self._dice = random.Random(f"{seed}/receiver")
        self._refused = refused

    def receive(self, webhook_id: str, body: Any) -> int:
        """The status for a delivery."""
        status = 500 if self._dice.random() < self._refused else 204
        self._history.deliveries.append(
            Delivery(webhook_id, body, self._history.moment(self._now()), status)
        )
        return status


__all__ = ["Limits", "Plan", "Receiver", "Report", "World", "attack", "check"]
