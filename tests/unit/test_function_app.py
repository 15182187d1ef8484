import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from azure.durable_functions.models.utils.df_serialization import df_loads

import function_app
from registry import settings
from registry.settings import SettingsError


def functions_of(app: Any) -> dict[str, dict[str, Any]]:
    """The functions of an app by their names, as the host sees them."""
    return {
        each.get_function_name(): json.loads(each.get_function_json())
        for each in app.get_functions()
    }


@pytest.fixture(scope="module")
def functions() -> dict[str, dict[str, Any]]:
    """The functions of this app, with the settings of now."""
    settings.current.cache_clear()
    return functions_of(function_app.compose())


def http_triggers(functions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The HTTP triggers of functions, by the functions' names."""
    return {
        name: binding
        for name, function in functions.items()
        for binding in function["bindings"]
        if binding["type"] == "httpTrigger"
    }


class TestFunctions:
    def test_every_function_is_registered(self, functions) -> None:
        """Under its name."""
        assert sorted(functions) == [
            "add",
            "attempt_delivery",
            "close_registry",
            "delivery_orchestrator",
            "describe",
            "docs",
            "finish",
            "health",
            "home",
            "home_at_api",
            "home_at_root",
            "home_module",
            "open",
            "peek",
            "process",
            "purge_expired",
            "reconcile",
            "registry_list",
            "registry_orchestrator",
            "registry_stats",
            "remove",
            "stats",
        ]

    def test_durable_functions_keep_their_names_in_the_task_hub(self, functions) -> None:
        """Instances of 1.0 go on under them."""
        names = {
            name: binding.get("orchestration") or binding.get("activity") or binding["entityName"]
            for name, function in functions.items()
            for binding in function["bindings"]
            if binding["type"] in ("orchestrationTrigger", "activityTrigger", "entityTrigger")
        }
        assert names == {
            "registry_orchestrator": "RegistryOrchestration",
            "delivery_orchestrator": "DeliveryOrchestration",
            "close_registry": "settle",
            "attempt_delivery": "send",
            "registry_list": "RegistryList",
            "registry_stats": "RegistryStats",
        }

    def test_maintenance_runs_each_minute_and_each_night(self, functions) -> None:
        """At 3 o'clock, UTC."""
        schedules = {
            name: binding["schedule"]
            for name, function in functions.items()
            for binding in function["bindings"]
            if binding["type"] == "timerTrigger"
        }
        assert schedules == {"reconcile": "0 * * * * *", "purge_expired": "0 0 3 * * *"}

    def test_calls_that_change_state_take_get_and_post(self, functions) -> None:
        """Those that read it take GET and HEAD."""
        routes = {
            name: (trigger["route"], trigger["methods"])
            for name, trigger in http_triggers(functions).items()
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


PAGES = {"home", "home_module", "home_at_api", "home_at_root", "docs"}
CALLS = {"open", "stats", "add", "remove", "finish", "process", "peek"}
"""Those that can need a key. Probes and browsers have none."""

IN_A_NEW_PROCESS = """
import json, sys
from function_app import app
print(json.dumps({
    "clients": sorted({"requests", "aiohttp"} & set(sys.modules)),
    "functions": {
        each.get_function_name(): json.loads(each.get_function_json())
        for each in app.get_functions()
    },
}))
"""


NOT_ALLOWED = {"REGISTRY_MAX_ITEMS": "1001", "REGISTRY_MAX_ITEM_LENGTH": "0"}


class TestStart:
    @pytest.fixture
    def compose(self, monkeypatch):
        """Composes an app with these settings, in this process."""

        def compose(environment: str, **names: str) -> Any:
            monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", environment)
            for name, value in names.items():
                monkeypatch.setenv(name, value)
            return function_app.compose()

        settings.current.cache_clear()
        yield compose
        settings.current.cache_clear()

    def test_pages_and_calls_are_anonymous_by_default(self, functions) -> None:
        """All of them."""
        triggers = http_triggers(functions)
        assert {trigger["authLevel"] for trigger in triggers.values()} == {"ANONYMOUS"}
        assert triggers.keys() == PAGES | CALLS | {"health", "describe"}

    def test_calls_can_need_a_function_key(self) -> None:
        """In a new process, which loads one HTTP client: `requests` would make it slower."""
        done = subprocess.run(
            [sys.executable, "-c", IN_A_NEW_PROCESS],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"REGISTRY_AUTH_LEVEL": "Function"},
        )
        printed = json.loads(done.stdout)
        triggers = http_triggers(printed["functions"])
        needs_key = {name for name, each in triggers.items() if each["authLevel"] == "FUNCTION"}
        assert needs_key == CALLS
        assert printed["clients"] == ["aiohttp"]

    def test_wrong_settings_stop_the_start_in_development(self, compose) -> None:
        """With a line for each."""
        with pytest.raises(SettingsError) as error:
            compose("Development", **NOT_ALLOWED)
        assert str(error.value).splitlines() == [
            "REGISTRY_MAX_ITEMS is '1001', but must be a whole number from 1 to 1000",
            "REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096",
        ]

    @pytest.mark.parametrize("environment", ["", "Production"])
    def test_elsewhere_wrong_settings_leave_an_app_that_explains_itself(
        self, compose, environment, capsys
    ) -> None:
        """Nobody sees the console there: the host logs what is written to stderr."""
        app = compose(environment, **NOT_ALLOWED)
        assert list(functions_of(app)) == ["misconfigured"]
        assert capsys.readouterr().err.splitlines() == [
            "error: REGISTRY_MAX_ITEMS is '1001', but must be a whole number from 1 to 1000",
            "error: REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096",
        ]

    @pytest.mark.parametrize("environment", ["Development", "Production"])
    def test_an_unknown_setting_is_a_warning(self, compose, environment, capsys) -> None:
        """It may be another program's."""
        app = compose(environment, REGISTRY_MAX_ITEM="5")
        assert "open" in functions_of(app)
        assert capsys.readouterr().err == "warning: REGISTRY_MAX_ITEM is not a setting\n"

    def test_payloads_are_plain_json(self) -> None:
        """The SDK makes no class that a payload names, and needs no types."""
        assert df_loads('{"items": ["Bike"]}') == {"items": ["Bike"]}
        with pytest.raises(TypeError, match="strict mode"):
            df_loads('{"__class__": "Item", "__module__": "registry.domain", "__data__": "[]"}')


class TestHostJson:
    @pytest.fixture
    def host(self) -> dict[str, Any]:
        """host.json."""
        return json.loads(Path("host.json").read_text())

    def test_the_extension_bundle_is_a_range(self, host) -> None:
        """Of versions that are tested."""
        assert host["extensionBundle"] == {
            "id": "Microsoft.Azure.Functions.ExtensionBundle",
            "version": "[4.*, 5.0.0)",
        }

    def test_routes_have_no_prefix(self, host) -> None:
        """A route "/" under any other keeps the host from starting."""
        assert host["extensions"]["http"] == {
            "routePrefix": "",
            "customHeaders": {"X-Content-Type-Options": "nosniff"},
        }

    def test_the_task_hub_suits_the_app(self, host) -> None:
        """What a killed host had taken comes back after a minute. Python has no sessions."""
        durable = host["extensions"]["durableTask"]
        assert durable["hubName"] == "HolidayRegistry"
        assert durable["defaultVersion"] == "1.0"
        assert durable["versionMatchStrategy"] == "CurrentOrOlder"
        assert "extendedSessionsEnabled" not in durable
        assert durable["storageProvider"] == {
            "partitionCount": 8,
            "controlQueueVisibilityTimeout": "00:01:00",
            "workItemQueueVisibilityTimeout": "00:01:00",
            "maxQueuePollingInterval": "00:00:01",
        }

    def test_ids_are_kept_out_of_the_log(self, host) -> None:
        """The extension's own lines hold them; the app's lines are not sampled."""
        quiet = ("Host.Triggers.DurableTask", "DurableTask.AzureStorage", "DurableTask.Core")
        assert host["logging"]["logLevel"] == dict.fromkeys(quiet, "Warning")
        sampling = host["logging"]["applicationInsights"]["samplingSettings"]
        assert sampling == {"isEnabled": True, "excludedTypes": "Request;Exception;Trace"}
