import json
import os
import subprocess
import sys

import pytest
from azure.durable_functions.models.utils.df_serialization import df_loads

from tests.support.virtual import registry_app


def test_the_functions_of_the_app() -> None:
    """Every function is registered, under its name."""
    assert [function.name for function in registry_app().functions] == [
        "open",
        "add",
        "finish",
        "process",
        "peek",
        "stats",
        "health",
        "describe",
        "home",
        "registry_orchestration",
        "processing_orchestration",
        "registry_list",
        "registry_stats",
        "send",
        "forget",
        "forgetting_orchestration",
        "forget_page",
    ]


def test_routes_and_methods() -> None:
    """What changes state takes GET and POST, what shows it takes GET."""
    routes = {
        each.name: (each.trigger["route"], list(map(str, each.trigger["methods"]))) for each in registry_app().http
    }
    assert routes == {
        "open": ("open", ["GET", "POST"]),
        "add": ("add/{id}", ["GET", "POST"]),
        "finish": ("finish/{id}", ["GET", "POST"]),
        "process": ("process/{id}", ["POST"]),
        "peek": ("peek/{id}", ["GET"]),
        "stats": ("stats", ["GET"]),
        "health": ("health", ["GET"]),
        "describe": ("openapi.json", ["GET"]),
        "home": ("home", ["GET"]),
    }


@pytest.mark.parametrize("level", ["anonymous", "function"])
def test_the_auth_level_of_every_call_is_that_of_the_settings(level) -> None:
    """In a process of its own, which reads them anew."""
    code = "from function_app import app\nfor each in app.get_functions(): print(each.get_function_json())"
    environment = os.environ | {"REGISTRY_AUTH_LEVEL": level}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    bindings = [binding for line in done.stdout.splitlines() for binding in json.loads(line)["bindings"]]
    levels = {binding["route"]: binding["authLevel"] for binding in bindings if binding["type"] == "httpTrigger"}
    free = {"health", "openapi.json", "home"}  # neither probes nor browsers have a key for these
    assert {levels.pop(route) for route in free} == {"ANONYMOUS"}
    assert levels == dict.fromkeys(
        ["open", "add/{id}", "finish/{id}", "process/{id}", "peek/{id}", "stats"], level.upper()
    )


def test_payloads_are_plain_json() -> None:
    """The SDK looks up no class that a payload names, and asks for no types."""
    assert registry_app()
    assert df_loads('{"items": ["Bike"]}') == {"items": ["Bike"]}
    with pytest.raises(TypeError, match="strict mode"):
        df_loads('{"__class__": "Item", "__module__": "registry.model", "__data__": "[]"}')


def test_host_json_suits_the_real_host() -> None:
    """The extension bundle, a hub name, and a short polling interval; no extended sessions, which Python lacks."""
    with open("host.json") as file:
        host = json.load(file)
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    durable = host["extensions"]["durableTask"]
    assert durable["hubName"] == "HolidayRegistry"
    assert durable["storageProvider"]["maxQueuePollingInterval"] == "00:00:01"
    assert "extendedSessionsEnabled" not in durable
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert sampling == {"isEnabled": True, "excludedTypes": "Request;Exception"}
