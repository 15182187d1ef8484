import asyncio
import json

import pytest
from azure.functions import AuthLevel, HttpRequest

from registry import __version__
from registry.settings import SettingsError, read
from registry.web.misconfigured import app_that_explains

WRONG = {"REGISTRY_MAX_ITEMS": "1001", "PROCESSING_WEBHOOK_SECRET": "hunter2"}


@pytest.fixture
def function():
    """The only function of the app."""
    with pytest.raises(SettingsError) as raised:
        read(WRONG)
    (function,) = app_that_explains(raised.value).get_functions()
    return function


def test_it_takes_every_request_without_a_key(function) -> None:
    (binding,) = [each for each in function.get_bindings() if each.type == "httpTrigger"]
    assert (binding.route, binding.auth_level) == ("{*path}", AuthLevel.ANONYMOUS)
    assert not binding.methods  # none is left out


def test_it_has_no_durable_binding(function) -> None:
    """With one, the host would take the messages of the task hub."""
    assert {each.type for each in function.get_bindings()} == {"httpTrigger", "http"}


def test_it_says_what_is_wrong_and_shows_no_value(function) -> None:
    request = HttpRequest("GET", "http://x/api/health", body=b"")
    response = asyncio.run(function.get_user_function()(request))
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "60"
    assert json.loads(response.get_body()) == {
        "type": "/api/docs#misconfigured",
        "title": "Misconfigured",
        "status": 503,
        "detail": "Settings are not allowed: REGISTRY_MAX_ITEMS must be a whole number from 1 to "
        "1000; PROCESSING_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64. "
        "Ask the operator to correct the settings.",
        "version": __version__,
    }
    assert not any(value in response.get_body().decode() for value in WRONG.values())
