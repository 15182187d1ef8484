"""The three promises in virtual time, on a host with all faults of Azure."""

import pytest

from tests.support.torture import run_seed

SEEDS = (2, 10, 17)
"""With and without a webhook, and with a limit of items. `make torture` runs all others."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_promises_hold(seed: int) -> None:
    """Whatever goes wrong, clients see the truth, and every registry closes and is sent."""
    run = run_seed(seed)
    print(run, *run.report.table(), sep="\n")
    without_webhook = set() if seed % 5 else {"sent in time", "sent as closed"}
    assert set(run.report.not_checkable) <= {"full for good"} | without_webhook
    assert run.report.is_good, "\n".join([str(run), *run.report.complaints()])
