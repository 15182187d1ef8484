"""Many clients use a host, and a checker finds out whether what they saw keeps the promises.

`attack` lets clients use a Target and waits until everything is done; `check` checks the history.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from tests.support.promises import PROMISES, RULES, Limits, Violation
from tests.support.promises.clients import Client, Plan, Target, rush
from tests.support.promises.history import Delivery, Exchange, History

SHOWN = 12
"""How many lines of the history are printed for a violation at most."""


@dataclass
class Found:
    """A violation of a promise, and the rule that found it."""

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
        """The part of the history that shows it, in order."""
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
    """What the rules found in one history, or in several together."""

    requests: int = 0
    acknowledged: int = 0
    registries: int = 0
    unanswered: int = 0
    checks: Counter[str] = field(default_factory=Counter)
    """How often each rule was checked."""
    not_checkable: dict[str, str] = field(default_factory=dict)
    """Rules that cannot be checked here, and why."""
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
        """Rules that were never checked, except those that cannot be."""
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
        """A summary in one line."""
        return (
            f"{self.registries} registries, "
            f"{self.requests} requests ({self.unanswered} unanswered), "
            f"{self.acknowledged} items acknowledged, "
            f"{self.checks.total()} checks, {len(self.found)} violations"
        )

    def table(self) -> list[str]:
        """How often each rule was checked, or why it was not."""
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
    """Check a history that is complete."""
    adds = {(each.id, each.text) for each in history.calls("add", 200)}
    unanswered = sum(each.status == 0 for each in history.exchanges)
    report = Report(len(history.exchanges), len(adds), len(history.registries()), unanswered)
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
    target: Target, plan: Plan, history: History, calm: Callable[[], None] = lambda: None
) -> None:
    """Run the plan on a host. When everything is done, look at every registry and at the stats.

    `calm` is called some time after the clients have gone. It stops the faults.
    """
    observer = Client(target, history, plan, "observer")
    await _insist(observer, "stats")
    await rush(target, history, plan)
    await target.sleep(plan.faults_linger)
    calm()
    await _wait_until_done(target, plan, history, observer)
    await observer.pause(plan.linger, plan.linger)
    await _look_at_all(observer, history)


async def _wait_until_done(target: Target, plan: Plan, history: History, observer: Client) -> None:
    """Look until every registry is closed and sent, or the time for that is up."""
    pause = 1.0
    while True:
        last = await _look_at_all(observer, history)
        slack = timedelta(seconds=plan.patience)
        ends = [registry.closes_at for registry in history.registries() if registry.closes_at]
        deadline = max([*ends, *history.starts, *(_lost(history))], default=target.now()) + slack
        if all(_is_done(each) for each in last) or target.now() > deadline:
            return
        await observer.pause(pause / 2, pause)
        pause = min(pause * 1.5, 10)


def _lost(history: History) -> Iterable[datetime]:
    """The latest times at which registries close whose open was not answered."""
    spans = [
        registry.closes_at - registry.opened.sent.at
        for registry in history.registries()
        if registry.opened and registry.closes_at
    ]
    if spans:
        yield from (
            each.answered.at + max(spans) for each in history.calls("open") if each.status != 201
        )


def _is_done(looked: Exchange) -> bool:
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
    looked = [await _insist(observer, "peek", registry.id) for registry in history.registries()]
    return [*looked, await _insist(observer, "stats")]


async def _insist(observer: Client, call: Any, id: str = "") -> Exchange:
    """Ask until there is an answer, twenty times at most."""
    for _ in range(20):
        exchange = await observer.ask(call, id)
        if exchange.status not in (0, 500, 503):
            break
        await observer.pause(0.5, 1)
    return exchange


class Receiver:
    """Receives deliveries, notes each, and answers every tenth with 500."""

    def __init__(
        self, history: History, now: Callable[[], datetime], seed: int, refused: float = 0.1
    ) -> None:
        self._history = history
        self._now = now
        self._dice = random.Random(f"{seed}/receiver")
        self._refused = refused

    def receive(self, webhook_id: str, body: Any) -> int:
        """Note a delivery; returns the status of the answer."""
        status = 500 if self._dice.random() < self._refused else 204
        self._history.deliveries.append(
            Delivery(webhook_id, body, self._history.moment(self._now()), status)
        )
        return status


__all__ = ["Limits", "Plan", "Receiver", "Report", "Target", "attack", "check"]
