import asyncio
import json

import pytest
from azure.functions import AuthLevel, HttpRequest

from devhost.testing import index
from registry import __version__
from registry.settings import SettingsError, read
from registry.web.misconfigured import app_that_says

WRONG = {"REGISTRY_MAX_ITEMS": "1001", "PROCESSING_WEBHOOK_SECRET": "hunter2"}


def error() -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        read(WRONG)
    return raised.value


def test_it_has_one_function_for_all_requests() -> None:
    """No durable one, with which the host would take the task hub's messages; and nobody needs a
    key.
    """
    (function,) = index(app_that_says(error())).functions
    assert function.trigger["type"] == "httpTrigger"
    assert (function.trigger["route"], function.trigger["authLevel"]) == (
        "{*path}",
        AuthLevel.ANONYMOUS,
    )
    assert "methods" not in function.trigger  # none is left out
    assert function.clients == ()


def test_it_says_what_is_wrong_and_shows_no_value() -> None:
    """As a problem like the others, with the version of the app."""
    (function,) = index(app_that_says(error())).functions
    response = asyncio.run(function.code(HttpRequest("GET", "http://x/api/health", body=b"")))
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "60"
    assert json.loads(response.get_body()) == {
        "type": "/api/docs#misconfigured",
        "title": "Misconfigured",
        "status": 503,
        "detail": "Settings are not allowed: REGISTRY_MAX_ITEMS must be a whole number from 1 to 1000; "
        "PROCESSING_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64. "
        "Ask the operator to correct the settings.",
        "version": __version__,
    }
    assert not any(value in response.get_body().decode() for value in WRONG.values())
