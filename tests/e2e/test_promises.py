"""The three promises over sockets, on a devhost or on the host that REGISTRY_BASE_URL names."""

import asyncio

import pytest

from tests.e2e.conftest import BASE_URL
from tests.support.torture import run_on


@pytest.mark.verify
@pytest.mark.timeout(1200)
def test_the_promises_hold_on_a_host(hasty_url) -> None:
    """Nobody else may use that host meanwhile. What is not seen from outside is not checkable."""
    report = asyncio.run(
        run_on(hasty_url.removesuffix("/api"), registries=5, seconds=0 if BASE_URL else 4)
    )
    print(report.summary, *report.table(), sep="\n")
    assert report.is_good, "\n".join(report.complaints())
