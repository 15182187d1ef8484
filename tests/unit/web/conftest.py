"""The HTTP functions over a mocked service."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import azure.durable_functions as df
import pytest
from azure.functions import HttpRequest, HttpResponse

from registry.domain.registry import Registry, RegistryTerms
from registry.durable.service import RegistryService
from registry.settings import Settings
from registry.web import functions, pages
from tests.clock import START

ID = "0123456789abcdef0123456789abcdef"
URL = "https://gifts.example/api/"
SETTINGS = Settings(
    max_items=3,
    max_item_length=20,
    webhook_url="http://127.0.0.1:9",
    webhook_secret="whsec_" + "A" * 32,
)


@pytest.fixture
def service(clock, monkeypatch) -> AsyncMock:
    """What every function gets as the service."""
    service = AsyncMock(spec=RegistryService)
    monkeypatch.setattr("registry.web.endpoints.RegistryService", lambda hub: service)
    monkeypatch.setattr("registry.settings.current", lambda: SETTINGS)
    return service


@pytest.fixture
def registry() -> Registry:
    """An open registry with a bike."""
    terms = RegistryTerms(
        id=ID,
        opened_at=START,
        closes_at=START + timedelta(minutes=5),
        max_items=3,
        has_webhook=True,
    )
    registry = Registry.new(terms)
    registry.open()
    registry.items["k"] = "Bike"
    return registry


def published() -> dict[str, Any]:
    """The functions of the API and its pages, by their names at the host."""
    # As the app is composed by default: the SDK keeps the level in the blueprints.
    app = df.DFApp(http_auth_level="ANONYMOUS")
    for module in (functions, pages):
        app.register_functions(module.blueprint)
    return {each.get_function_name(): each for each in app.get_functions()}


FUNCTIONS = published()


def call(
    name: str,
    *,
    id: str = ID,
    path: str = "",
    params: Mapping[str, str] | None = None,
    body: bytes = b"",
    trace: str = "",
    **headers: str,
) -> HttpResponse:
    """Call a function as the host does. Header names are given with _ for -."""
    function = FUNCTIONS[name].get_user_function()
    request = HttpRequest(
        "POST",
        URL + (path or name),
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        params=params or {},
        route_params={"id": id},
        body=body,
    )
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=trace))
    # Below the SDK's middleware, which makes the client of the binding.
    return asyncio.run(function.client_function(request, "the client", context))


def get(name: str, headers: Mapping[str, str] | None = None, **route_params: str) -> HttpResponse:
    """Get a page."""
    request = HttpRequest("GET", URL, headers=headers, route_params=route_params, body=b"")
    return asyncio.run(FUNCTIONS[name].get_user_function()(request))


def ok(response: HttpResponse, status: int = 200) -> Any:
    """The JSON of a success."""
    assert response.status_code == status, response.get_body()
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.get_body())


def problem(response: HttpResponse, status: int, name: str) -> Any:
    """The JSON of a problem of the type of this name."""
    assert response.status_code == status, response.get_body()
    assert response.headers["Content-Type"] == "application/problem+json"
    body = json.loads(response.get_body())
    assert (body["type"], body["status"]) == (f"/api/docs#{name}", status)
    return body
