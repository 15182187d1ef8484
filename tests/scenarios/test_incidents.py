"""The three promises where something happens to many registries, to a receiver or to a clock."""

import pytest

from tests.support.cases import cases
from tests.support.incidents import INCIDENTS
from tests.support.torture import run_incident

QUICK = ("unreadable shard", "no webhook URL")


@pytest.mark.parametrize("name", cases(INCIDENTS, QUICK))
def test_the_promises_hold_in_an_incident(name: str) -> None:
    """Nothing fails with something else."""
    run = run_incident(name)
    assert not run.report.found, "\n".join([str(run), *run.report.violations()])
    assert run.report.checks["sent in time"] >= 6
