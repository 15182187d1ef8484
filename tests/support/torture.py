"""The checker from the command line: seed after seed in virtual time, or once on a host that is
running.

python -m tests.support.torture [--seconds 600] [--seed 1] [--app DIR] [--break NAME] [--only
RATE=NUMBER ...] python -m tests.support.torture --base-url http://127.0.0.1:7071 [--seconds 60]
[--shared]
"""

import argparse
import asyncio
import json
import logging
import random
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from devhost.testing.faults import Rates, Unkind
from devhost.testing.virtual_host import VirtualHost
from tests.support.breaks import BREAKS, ROOT, broken_app
from tests.support.checker import Limits, Plan, Receiver, Report, attack, check
from tests.support.history import History
from tests.support.sockets import sockets

WEBHOOK = {
    "PROCESSING_WEBHOOK_URL": "http://receiver.test/gifts",
    "PROCESSING_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
}
UNKIND_HOST = Limits(skew=1.1, take_within=20, webhook=True, workers_die=True)
"""Clocks are up to a second off, messages and commits up to six seconds late, and each may be so
again.
"""
ANY_HOST = Limits(skew=1.1, take_within=15, workers_die=True)
"""On a host of which nothing is known: its workers' clocks differ by a second, and it may be busy.
"""


@dataclass
class Run:
    """What came of one seed, or of several together."""

    report: Report = field(default_factory=Report)
    faults: Counter[str] = field(default_factory=Counter)
    """What was done to the app, by kind."""

    def __add__(self, other: "Run") -> "Run":
        return Run(self.report + other.report, self.faults + other.faults)

    def __str__(self) -> str:
        faults = (
            ", ".join(f"{count} x {kind}" for kind, count in sorted(self.faults.items())) or "none"
        )
        return f"{self.report.summary}; faults: {faults}"


class Watched(Unkind):
    """Knows when the host is started again after each of its deaths."""

    now: Callable[[], datetime]

    def __init__(self, seed: int, rates: Rates) -> None:
        super().__init__(seed, rates)
        self.starts: list[datetime] = []

    def down_seconds(self) -> float:
        seconds = super().down_seconds()
        self.starts.append(self.now() + timedelta(seconds=seconds))
        return seconds


def rates_of(seed: int) -> Rates:
    """How unkind the host is: of each kind of trouble as much as usual, four times as much, or
    none.

    What many kinds hide when they come together shows where some are left out.
    """
    dice = random.Random(f"{seed}/rates")
    rates = {name: rate * dice.choice([0, 1, 1, 4]) for name, rate in asdict(Rates()).items()}
    return Rates(
        **{
            name: rate if name.endswith("_a_minute") else min(0.95, rate)
            for name, rate in rates.items()
        }
    )


def run_seed(seed: int, app: Path | None = None, rates: Rates | None = None) -> Run:
    """Let clients loose on the app (of this project, or in another folder) in virtual time, and
    judge what they saw.
    """
    dice = random.Random(f"{seed}/settings")
    life = dice.randint(8, 15) if seed % 4 else 45
    limits = replace(
        UNKIND_HOST, webhook=seed % 5 != 0
    )  # what deliveries mend shows where there are none
    settings: dict[str, object] = {"REGISTRY_OPEN_SECONDS": life} | (
        WEBHOOK if limits.webhook else {}
    )
    if seed % 2:
        limits = replace(limits, max_items=dice.randint(4, 8))
        settings["REGISTRY_MAX_ITEMS"] = limits.max_items
    history = History()

    def deliver(method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        return receiver.receive(headers["webhook-id"], json.loads(body))

    plan = Plan(seed=seed, unrest=dice.choice([0, 0, 90]), patience=400, limits=limits)
    unkind = Watched(seed, rates or rates_of(seed))
    with VirtualHost(app, seed=seed, receiver=deliver, unkind=unkind, **settings) as host:
        receiver = Receiver(history, host.now, seed)
        unkind.now, history.starts = host.now, unkind.starts
        host.run(attack(host, plan, history, calm=unkind.calm))
    return Run(check(history, limits), unkind.counts)


async def run_on(
    base_url: str, registries: int = 8, seconds: float = 60, shared: bool = False, seed: int = 1
) -> Report:
    """Let clients loose on a host at a URL, without `/api`. Where `seconds` is 0, each opens one
    registry.
    """
    limits, history = replace(ANY_HOST, shared=shared), History()
    async with sockets(base_url) as world:
        await attack(world, Plan(seed, registries, seconds, linger=2, limits=limits), history)
    return check(history, limits)


def run_seeds(
    first: int, seconds: float, app: Path | None, rates: Rates | None
) -> Iterator[tuple[int, Run]]:
    """Run seed after seed until the time is over."""
    end, seed = time.monotonic() + seconds, first
    while time.monotonic() < end:
        yield seed, run_seed(seed, app, rates)
        seed += 1


def main() -> int:
    """Print each run and the totals; returns 1 where a promise was broken, or not checked."""
    parser = argparse.ArgumentParser(
        prog="torture", description="Check the three promises for as long as one likes."
    )
    parser.add_argument("--seconds", type=float, default=600, help="for so long (600)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--app", type=Path, help="the folder of another app than this project's")
    parser.add_argument(
        "--break", choices=BREAKS, dest="breaks", help="break the app in one line first"
    )
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="RATE=NUMBER",
        help="these kinds of trouble (see devhost/unkind.py)",
    )
    parser.add_argument("--base-url", help="a host that is running, instead of one in virtual time")
    parser.add_argument(
        "--shared", action="store_true", help="others use that host: its stats are not checked"
    )
    given = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")  # the SDK's word for an event that comes twice
    total = Run()
    try:
        if given.base_url:
            work = run_on(
                given.base_url.rstrip("/"),
                seconds=given.seconds,
                shared=given.shared,
                seed=given.seed,
            )
            total = Run(asyncio.run(work))
        else:
            with tempfile.TemporaryDirectory() as folder:
                app = given.app
                if given.breaks:
                    app = broken_app(given.breaks, Path(folder), given.app or ROOT)
                for seed, run in run_seeds(given.seed, given.seconds, app, _rates(given.only)):
                    total += run
                    print(f"seed {seed}: {run}", flush=True)
                    print(
                        *(f"  {line}\n" for line in run.report.violations()),
                        sep="",
                        end="",
                        flush=True,
                    )
    except KeyboardInterrupt:
        print("\nended early; up to here:")
    print(f"\nin all: {total}", *total.report.table(), sep="\n")
    if given.base_url:
        print(*total.report.violations(), sep="\n")
    return 0 if total.report.is_good else 1


def _rates(only: list[str] | None) -> Rates | None:
    if only is None:
        return None
    pairs = (each.partition("=") for each in only)
    return Rates.only(**{name: float(rate) for name, _, rate in pairs})


if __name__ == "__main__":
    raise SystemExit(main())
