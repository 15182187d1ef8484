"""The checker from the command line: seed after seed in virtual time, or once on a running host.

python -m tests.support.torture [--seconds 600] [--seed 1] [--app DIR] [--break NAME]
                                [--only RATE=NUMBER ...] [--incident NAME]
python -m tests.support.torture --base-url http://127.0.0.1:7071 [--seconds 60] [--shared]
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
from itertools import cycle
from pathlib import Path

from devhost.testing import FaultRates, VirtualHost, read_host_json
from devhost.testing import run as run_in_virtual_time
from tests.support.breaks import BREAKS, ROOT, broken_app
from tests.support.incidents import INCIDENTS, ActivityClock, FlakyReceiver, Scene
from tests.support.promises.checker import Found, Limits, Plan, Receiver, Report, attack, check
from tests.support.promises.clients import Client
from tests.support.promises.history import History
from tests.support.registry_host import WEBHOOK
from tests.support.sockets import sockets

FAULTY_HOST = Limits(skew=1.1, take_within=20, webhook=True, workers_die=True)
"""Clocks are up to a second off. Messages and commits may be six seconds late, more than once."""
ANY_HOST = Limits(skew=1.1, take_within=15, workers_die=True)
"""On an unknown host: the clocks of its workers differ by a second, and it may be busy."""


@dataclass
class Run:
    """What came of one seed, or of several together."""

    report: Report = field(default_factory=Report)
    faults: Counter[str] = field(default_factory=Counter)
    """How often each kind of fault happened."""

    def __add__(self, other: "Run") -> "Run":
        return Run(self.report + other.report, self.faults + other.faults)

    def __str__(self) -> str:
        faults = (
            ", ".join(f"{count} x {kind}" for kind, count in sorted(self.faults.items())) or "none"
        )
        return f"{self.report.summary}; faults: {faults}"


class WatchedFaults(ActivityClock):
    """Notes when the host starts again after it died."""

    now: Callable[[], datetime]

    def __init__(self, seed: int, rates: FaultRates) -> None:
        super().__init__(seed, rates)
        self.starts: list[datetime] = []

    def down_seconds(self) -> float:
        seconds = super().down_seconds()
        self.starts.append(self.now() + timedelta(seconds=seconds))
        return seconds


def rates_of(seed: int) -> FaultRates:
    """How much goes wrong: of each kind of fault as much as usual, four times as much, or nothing.

    What some kinds hide when they come together shows where they are left out.
    """
    dice = random.Random(f"{seed}/rates")
    rates = {}
    for name, usual in asdict(FaultRates()).items():
        rate = usual * dice.choice([0, 1, 1, 4])
        rates[name] = rate if name.endswith("_a_minute") else min(0.95, rate)
    return FaultRates(**rates)


def run_seed(seed: int, app: Path = ROOT, rates: FaultRates | None = None) -> Run:
    """Let clients use an app in virtual time, with faults, and check what they saw."""
    return run_in_virtual_time(_run_seed(seed, app, rates or rates_of(seed)))


def run_incident(name: str, seed: int = 1, app: Path = ROOT) -> Run:
    """Let an incident happen to an app in virtual time, and check what its clients saw."""
    return run_in_virtual_time(_run_incident(name, seed, app))


async def _run_seed(seed: int, app: Path, rates: FaultRates) -> Run:
    dice = random.Random(f"{seed}/settings")
    open_seconds = dice.randint(8, 15) if seed % 4 else 45
    # Deliveries repair some things, so some runs are without them.
    limits = replace(FAULTY_HOST, webhook=seed % 5 != 0)
    settings: dict[str, object] = {"REGISTRY_OPEN_SECONDS": open_seconds}
    if limits.webhook:
        settings |= WEBHOOK
    if seed % 2:
        limits = replace(limits, max_items=dice.randint(4, 8))
        settings["REGISTRY_MAX_ITEMS"] = limits.max_items
    history = History()

    def deliver(method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        return receiver.receive(headers["webhook-id"], json.loads(body))

    plan = Plan(seed=seed, faults_linger=dice.choice([0, 0, 90]), patience=400, limits=limits)
    faults = WatchedFaults(seed, rates)
    host = VirtualHost(app, settings=settings, seed=seed, receiver=deliver, faults=faults)
    async with host:
        receiver = Receiver(history, host.now, seed)
        faults.now, history.starts = host.now, faults.starts
        await attack(host, plan, history, calm=host.stop_faults)
    return Run(check(history, limits), faults.counts)


async def _run_incident(name: str, seed: int, app: Path) -> Run:
    limits, history = replace(FAULTY_HOST, webhook=True), History()
    plan = Plan(seed, registries=0, seconds=0, patience=400, limits=limits)
    settings = WEBHOOK | {"REGISTRY_OPEN_SECONDS": 60}
    faults = WatchedFaults(seed, FaultRates.only())

    async def deliver(method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        return await receiver.receive(headers["webhook-id"], json.loads(body))

    config = replace(read_host_json(app), max_concurrent_activities=10)  # as on Consumption
    host = VirtualHost(
        app, settings=settings, seed=seed, receiver=deliver, faults=faults, config=config
    )
    async with host:
        receiver = FlakyReceiver(Receiver(history, host.now, seed))
        client = Client(host, history, plan, "visitor")
        scene = Scene(host, faults, receiver, history, client, open_seconds=60)
        await client.ask("stats")
        await INCIDENTS[name](scene)
        await attack(host, plan, history)

    report = check(history, limits)
    report.found += [Found(3, "closes", each) for each in scene.violations]
    return Run(report, Counter({name: 1}))


async def run_on(
    base_url: str, registries: int = 8, seconds: float = 60, shared: bool = False, seed: int = 1
) -> Report:
    """Let clients use a host at a URL, without `/api`, and check what they saw.

    Where `seconds` is 0, each opens one registry.
    """
    limits, history = replace(ANY_HOST, shared=shared), History()
    plan = Plan(seed, registries, seconds, linger=2, limits=limits)
    async with sockets(base_url) as target:
        await attack(target, plan, history)
    return check(history, limits)


def run_seeds(
    first: int, seconds: float, app: Path, rates: FaultRates | None
) -> Iterator[tuple[str, Run]]:
    """Run seed after seed until the time is up, and one of the incidents after every third."""
    end, seed = time.monotonic() + seconds, first
    names = cycle(INCIDENTS)
    while time.monotonic() < end:
        yield f"seed {seed}", run_seed(seed, app, rates)
        if rates is None and seed % 3 == 0:
            name = next(names)
            yield name, run_incident(name, seed, app)
        seed += 1


def main() -> int:
    """Print each run and the totals; returns 1 if a promise was broken, or was not checked."""
    options = _options()
    logging.disable()
    warnings.simplefilter("ignore")  # the SDK warns of an event that comes twice
    total = Run()
    try:
        if options.base_url:
            total = Run(_run_on_a_host(options))
        else:
            for run in _run_in_virtual_time(options):
                total += run
    except KeyboardInterrupt:
        print("\nended early; up to here:")

    print(f"\nin all: {total}", *total.report.table(), sep="\n")
    if options.base_url:
        print(*total.report.violations(), sep="\n")
    return 0 if total.report.is_good else 1


def _run_on_a_host(options: argparse.Namespace) -> Report:
    url = options.base_url.rstrip("/")
    return asyncio.run(run_on(url, 8, options.seconds, options.shared, options.seed))


def _run_in_virtual_time(options: argparse.Namespace) -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as folder:
        app = options.app
        if options.breaks:
            app = broken_app(options.breaks, Path(folder), app)
        if options.incident:
            runs = iter([(options.incident, run_incident(options.incident, options.seed, app))])
        else:
            runs = run_seeds(options.seed, options.seconds, app, _rates(options.only))
        for name, run in runs:
            print(f"{name}: {run}", flush=True)
            for line in run.report.violations():
                print(f"  {line}", flush=True)
            yield run


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="torture", description="Check the three promises for as long as you like."
    )
    parser.add_argument("--seconds", type=float, default=600, help="for how long (600)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--app", type=Path, default=ROOT, help="the folder of another app")
    parser.add_argument("--break", choices=BREAKS, dest="breaks", help="break one line first")
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="RATE=NUMBER",
        help="only these kinds of faults (see devhost.testing.FaultRates)",
    )
    parser.add_argument("--incident", choices=INCIDENTS, help="only this incident, once")
    parser.add_argument("--base-url", help="a running host, instead of one in virtual time")
    parser.add_argument(
        "--shared", action="store_true", help="others use that host: its stats are not checked"
    )
    return parser.parse_args()


def _rates(only: list[str] | None) -> FaultRates | None:
    if only is None:
        return None
    pairs = (each.partition("=") for each in only)
    return FaultRates.only(**{name: float(rate) for name, _, rate in pairs})


if __name__ == "__main__":
    raise SystemExit(main())
