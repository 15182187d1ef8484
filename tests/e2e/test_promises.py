"""The three promises on any host, over sockets: on the one that REGISTRY_BASE_URL names, or on a
devhost.
"""

import asyncio

import pytest

from tests.e2e.conftest import BASE_URL
from tests.support.torture import run_on


@pytest.mark.verify
@pytest.mark.timeout(1200)
def test_the_promises_hold_on_a_host(hasty_url) -> None:
    """Nobody else may use that host meanwhile; what cannot be seen from outside is named as not
    checkable.
    """
    report = asyncio.run(
        run_on(hasty_url.removesuffix("/api"), registries=5, seconds=0 if BASE_URL else 4)
    )
    print(report.summary, *report.table(), sep="\n")
    assert report.is_good, "\n".join(report.complaints())
