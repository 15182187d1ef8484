"""The hosts of the tests: a devhost that they start, or the one that REGISTRY_BASE_URL names."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.process import Devhost
from tests.receiver import SECRET, Receiver

BASE_URL = os.environ.get("REGISTRY_BASE_URL", "").rstrip("/")
MAX_ITEMS = int(os.environ.get("REGISTRY_MAX_ITEMS") or (500 if BASE_URL else 20))
MAX_ITEM_LENGTH = int(os.environ.get("REGISTRY_MAX_ITEM_LENGTH") or 1024)


@pytest.fixture(scope="session")
def base_url(tmp_path_factory) -> Iterator[str]:
    """Where the functions are: .../api."""
    if BASE_URL:
        yield f"{BASE_URL}/api"
        return
    with Devhost(tmp_path_factory.mktemp("e2e") / "data", REGISTRY_MAX_ITEMS=MAX_ITEMS) as host:
        yield f"{host.url}/api"


@pytest.fixture(scope="session")
def hasty_url(tmp_path_factory) -> Iterator[str]:
    """A host whose registries are open for two seconds; the named host keeps its own time."""
    if BASE_URL:
        yield f"{BASE_URL}/api"
        return
    with Devhost(tmp_path_factory.mktemp("hasty") / "data", REGISTRY_OPEN_SECONDS=2) as host:
        yield f"{host.url}/api"


@pytest.fixture(scope="session")
def sending_url(tmp_path_factory) -> Iterator[str]:
    """A devhost that sends closed registries to a receiver."""
    if BASE_URL:
        pytest.skip("where that host sends registries is its own affair")
    with Receiver() as receiver:
        settings = {"PROCESSING_WEBHOOK_URL": receiver.url, "PROCESSING_WEBHOOK_SECRET": SECRET}
        with Devhost(tmp_path_factory.mktemp("sending") / "data", **settings) as host:
            yield f"{host.url}/api"
