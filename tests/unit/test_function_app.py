import json
import os
import subprocess
import sys

import pytest
from azure.durable_functions.models.utils.df_serialization import df_loads

from tests.support.registry_host import registry_app


def test_the_functions_of_the_app() -> None:
    """Every function is registered, under its name."""
    assert sorted(function.name for function in registry_app().functions) == [
        "add",
        "delivery_orchestration",
        "describe",
        "docs",
        "finish",
        "forget",
        "heal",
        "health",
        "home",
        "home_at_api",
        "home_at_root",
        "home_module",
        "open",
        "peek",
        "process",
        "registry_list",
        "registry_orchestration",
        "registry_stats",
        "remove",
        "send",
        "settle",
        "stats",
    ]


def test_routes_and_methods() -> None:
    """What changes state takes GET and POST, what shows it takes GET and HEAD."""
    routes = {
        each.name: (each.trigger["route"], list(map(str, each.trigger["methods"])))
        for each in registry_app().http
    }
    assert routes == {
        "open": ("api/open", ["GET", "POST"]),
        "add": ("api/add/{id}", ["GET", "POST"]),
        "remove": ("api/remove/{id}", ["POST"]),
        "finish": ("api/finish/{id}", ["GET", "POST"]),
        "process": ("api/process/{id}", ["POST"]),
        "peek": ("api/peek/{id}", ["GET", "HEAD"]),
        "stats": ("api/stats", ["GET", "HEAD"]),
        "health": ("api/health", ["GET", "HEAD"]),
        "describe": ("api/openapi.json", ["GET", "HEAD"]),
        "docs": ("api/docs", ["GET", "HEAD"]),
        "home": ("api/home", ["GET", "HEAD"]),
        "home_at_api": ("api", ["GET", "HEAD"]),
        "home_at_root": ("/", ["GET", "HEAD"]),
        "home_module": ("api/home/{file}", ["GET", "HEAD"]),
    }


@pytest.mark.parametrize("level", ["anonymous", "function"])
def test_the_auth_level_of_every_call_is_that_of_the_settings(level) -> None:
    """In a process of its own, which reads them anew."""
    code = "from function_app import app\nfor each in app.get_functions(): print(each.get_function_json())"
    environment = os.environ | {"REGISTRY_AUTH_LEVEL": level}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    bindings = [
        binding for line in done.stdout.splitlines() for binding in json.loads(line)["bindings"]
    ]
    levels = {
        binding["route"]: binding["authLevel"]
        for binding in bindings
        if binding["type"] == "httpTrigger"
    }
    pages = {"api/docs", "api/home", "api/home/{file}", "api", "/"}
    free = {"api/health", "api/openapi.json"} | pages  # probes and browsers have no key
    assert {levels.pop(route) for route in free} == {"ANONYMOUS"}
    assert levels == dict.fromkeys(
        [f"api/{call}" for call in ("open", "stats")]
        + [f"api/{call}/{{id}}" for call in ("add", "remove", "finish", "process", "peek")],
        level.upper(),
    )


def test_payloads_are_plain_json() -> None:
    """The SDK looks up no class that a payload names, and asks for no types."""
    assert registry_app()
    assert df_loads('{"items": ["Bike"]}') == {"items": ["Bike"]}
    with pytest.raises(TypeError, match="strict mode"):
        df_loads(
            '{"__class__": "Item", "__module__": "registry.domain.registry", "__data__": "[]"}'
        )


def test_the_app_needs_one_http_client() -> None:
    """The SDK brings aiohttp along, and loading `requests` beside it would make each start slower."""
    code = "import sys, function_app; print('requests' in sys.modules, 'aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def loaded(**environment: str) -> subprocess.CompletedProcess:
    """The app, loaded in a process of its own with these settings, which prints the names of its
    functions.
    """
    code = "from function_app import app\nfor each in app.get_functions(): print(each.get_function_name())"
    usual = {
        name: value for name, value in os.environ.items() if name != "AZURE_FUNCTIONS_ENVIRONMENT"
    }
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=usual | environment
    )


NOT_ALLOWED = {"REGISTRY_MAX_ITEMS": "1001", "REGISTRY_MAX_ITEM_LENGTH": "0"}


def test_settings_that_are_not_allowed_stop_the_start_in_development() -> None:
    """With a line for each, which names the setting and what is allowed."""
    done = loaded(**NOT_ALLOWED, AZURE_FUNCTIONS_ENVIRONMENT="Development")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "REGISTRY_MAX_ITEMS is '1001', but must be a whole number from 1 to 1000\n" in done.stderr
    )
    assert (
        "REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096\n"
        in done.stderr
    )


@pytest.mark.parametrize("environment", [{}, {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}])
def test_elsewhere_they_leave_an_app_that_says_so(environment) -> None:
    """Nobody sees the console there: the lines are errors in the host's log, which has what is
    written to stderr.
    """
    done = loaded(**NOT_ALLOWED, **environment)
    assert (done.returncode, done.stdout) == (0, "misconfigured\n")
    assert done.stderr.splitlines() == [
        "error: REGISTRY_MAX_ITEMS is '1001', but must be a whole number from 1 to 1000",
        "error: REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096",
    ]


@pytest.mark.parametrize("environment", ["Development", "Production"])
def test_a_name_that_is_no_setting_is_a_warning(environment) -> None:
    """It may be another program's, and takes no app down."""
    done = loaded(REGISTRY_MAX_ITEM="5", AZURE_FUNCTIONS_ENVIRONMENT=environment)
    assert done.returncode == 0
    assert "open\n" in done.stdout
    assert (
        done.stderr
        == "warning: REGISTRY_MAX_ITEM is not a setting; REGISTRY_MAX_ITEMS may be meant\n"
    )


def test_host_json_suits_the_real_host() -> None:
    """What a killed host had in its hands comes back after a minute; no extended sessions, which
    Python lacks.
    """
    with open("host.json") as file:
        host = json.load(file)
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    assert host["extensions"]["http"] == {
        "routePrefix": "",  # a route "/" under any other keeps the host from starting
        "customHeaders": {"X-Content-Type-Options": "nosniff"},
    }
    durable = host["extensions"]["durableTask"]
    assert durable["hubName"] == "HolidayRegistry"
    assert (durable["defaultVersion"], durable["versionMatchStrategy"]) == ("1.0", "CurrentOrOlder")
    assert "extendedSessionsEnabled" not in durable
    assert durable["storageProvider"] == {
        "partitionCount": 8,
        "controlQueueVisibilityTimeout": "00:01:00",
        "workItemQueueVisibilityTimeout": "00:01:00",
        "maxQueuePollingInterval": "00:00:01",
    }


def test_host_json_keeps_ids_out_of_the_log() -> None:
    """The extension's own lines hold whole ids, so only its warnings are kept; the app's lines are
    not sampled.
    """
    with open("host.json") as file:
        logging = json.load(file)["logging"]
    quiet = ("Host.Triggers.DurableTask", "DurableTask.AzureStorage", "DurableTask.Core")
    assert logging["logLevel"] == dict.fromkeys(quiet, "Warning")
    sampling = logging["applicationInsights"]["samplingSettings"]
    assert sampling == {"isEnabled": True, "excludedTypes": "Request;Exception;Trace"}
