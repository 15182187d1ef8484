"""The app with invalid settings, on Azure's worker: it has one function that says so."""

import asyncio
import sys

import pytest
from azure.functions import HttpRequest

from devhost.testing.azure_worker import Worker
from registry import settings
from tests.e2e.process import ROOT


@pytest.fixture
def worker(monkeypatch) -> Worker:
    """The worker, which has loaded the app with a secret that Azure could not resolve."""
    monkeypatch.setenv("PROCESSING_WEBHOOK_SECRET", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")
    monkeypatch.delenv("AZURE_FUNCTIONS_ENVIRONMENT", raising=False)
    # The app that other tests have imported comes back after this one.
    monkeypatch.setitem(sys.modules, "function_app", None)
    del sys.modules["function_app"]
    settings.current.cache_clear()
    worker = Worker()
    asyncio.run(worker.load(ROOT))
    settings.current.cache_clear()
    return worker


def test_one_function_says_what_is_wrong(worker) -> None:
    """An exception would leave no function at all, and no hint of the cause."""
    (function,) = worker.functions.values()
    assert function.bindings[0]["route"] == "{*path}"
    request = HttpRequest(
        "GET", "http://x/api/health", body=b"", route_params={"path": "api/health"}
    )
    response = asyncio.run(worker.request("misconfigured", request, ""))
    assert response.status == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert "PROCESSING_WEBHOOK_SECRET must be whsec_" in response.json()["detail"]
