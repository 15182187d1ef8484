"""The app with settings that are not allowed, on Azure's worker: it has a function all the same."""

import asyncio
import json
import sys

import pytest
from azure.functions import HttpRequest

from devhost.testing.azure_worker import Worker
from registry import settings
from tests.e2e.process import ROOT


@pytest.fixture
def worker(monkeypatch) -> Worker:
    """The worker, which has loaded the app in an environment that Azure might have."""
    monkeypatch.setenv("PROCESSING_WEBHOOK_SECRET", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")
    monkeypatch.delenv("AZURE_FUNCTIONS_ENVIRONMENT", raising=False)
    monkeypatch.setitem(
        sys.modules, "function_app", None
    )  # which puts the app back that other tests import
    del sys.modules["function_app"]
    settings.current.cache_clear()
    worker = Worker()
    asyncio.run(worker.load(ROOT))
    settings.current.cache_clear()
    return worker


def test_it_has_one_function_that_says_what_is_wrong(worker) -> None:
    """Where an exception would leave none, and no word of the cause."""
    (function,) = worker.functions.values()
    assert function.bindings[0]["route"] == "{*path}"
    request = HttpRequest(
        "GET", "http://x/api/health", body=b"", route_params={"path": "api/health"}
    )
    status, headers, body = asyncio.run(worker.request("misconfigured", request, ""))
    assert (status, headers["content-type"]) == (503, "application/problem+json")
    assert "PROCESSING_WEBHOOK_SECRET must be whsec_" in json.loads(body)["detail"]
