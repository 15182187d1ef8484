"""The checker from the command line: seed after seed in virtual time, or once on any host.

python -m tests.support.torture [--seconds 600] [--seed 1] [--app DIR]
python -m tests.support.torture --base-url http://127.0.0.1:7071 [--seconds 60] [--clients 8]
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.checker import Limits, Plan, Receiver, Report, attack, check
from tests.support.history import History
from tests.support.virtual import VirtualHost

WEBHOOK = {
    "PROCESSING_WEBHOOK_URL": "http://receiver.test/gifts",
    "PROCESSING_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
}


@dataclass
class Run:
    """What came of one seed."""

    report: Report
    faults: Counter[str] = field(default_factory=Counter)
    """What was done to the app, by kind."""


def settings_of(seed: int) -> dict[str, object]:
    """Settings of the app: short lives, a webhook, and small registries for every second seed."""
    dice = random.Random(f"{seed}/settings")
    small = {"REGISTRY_MAX_ITEMS": dice.randint(4, 12)} if seed % 2 else {}
    return {"REGISTRY_OPEN_SECONDS": dice.randint(8, 15), **WEBHOOK, **small}


def run_seed(seed: int, app: Path | None = None, unkind: bool = True) -> Run:
    """Let clients loose on the app (of this project, or in another folder) in virtual time, and judge what they saw."""
    settings = settings_of(seed)
    max_items = settings.get("REGISTRY_MAX_ITEMS")
    limits = Limits(webhook=True, max_items=max_items if isinstance(max_items, int) else None)
    plan = Plan(seed=seed, limits=limits)
    history = History()

    def deliver(method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        return receiver.receive(headers["webhook-id"], json.loads(body))

    with VirtualHost(app, seed=seed, receiver=deliver, **settings) as host:
        receiver = Receiver(history, host.now, seed)
        host.run(attack(host, plan, history))
    return Run(check(history, limits))


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description="Check the three promises, for as long as one likes.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--app", type=Path)
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    total = Report()
    seed = given.seed
    while time.monotonic() < end:
        t = time.monotonic()
        run = run_seed(seed, given.app)
        print(f"seed {seed}: {run.report.summary} {time.monotonic() - t:.1f}s")
        print("\n".join(run.report.complaints()))
        total += run.report
        seed += 1
    print("\n".join(total.table()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
