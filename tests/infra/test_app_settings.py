"""The app settings that are deployed are those that the app reads, with the same limits."""

import json
import re

import pytest

from registry.settings import NAMES, Settings, read
from tests.infra.deployment import CUSTOM, EVERYTHING, WEBHOOK, deployed, template
from tests.support.cases import cases
from tests.support.program import ROOT

# Bicep evaluates the template anew for each set of parameters.
pytestmark = pytest.mark.verify

HUB_NAME = "AzureFunctionsJobHost__extensions__durableTask__hubName"
STORAGE = "Microsoft.Storage/storageAccounts"
OWN = ("REGISTRY_", "PROCESSING_")


def bounds(name: str) -> tuple[int, int] | None:
    """The range that the app allows for a setting; None for one that is not a number."""
    (field,) = [field for field in Settings.model_fields.values() if field.alias == name]
    limits = {}
    for each in field.metadata:
        limits |= {kind: getattr(each, kind) for kind in ("ge", "le") if hasattr(each, kind)}
    return (limits["ge"], limits["le"]) if limits else None


def own(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name.startswith(OWN)}


@pytest.mark.parametrize(
    "parameters", [{}, WEBHOOK, EVERYTHING], ids=["default", "webhook", "everything"]
)
def test_every_setting_is_deployed(parameters) -> None:
    """None is missing or misspelt, whatever the parameters."""
    assert own(deployed(**parameters).settings).keys() == set(NAMES)
    assert len(NAMES) == 11


def test_the_defaults_are_those_of_the_app() -> None:
    """Except that callers need a key."""
    assert read(own(deployed().settings)) == Settings(auth_level="function")


def test_each_setting_has_its_parameter() -> None:
    """The app gets what `azd env set` sets."""
    parameters = {name: value for name, value in CUSTOM.items() if described(name).startswith(OWN)}
    values = own(deployed(**CUSTOM).settings)
    fixed = {"REGISTRY_AUTH_LEVEL", "PROCESSING_WEBHOOK_URL", "PROCESSING_WEBHOOK_SECRET"}

    assert {described(name) for name in parameters} == values.keys() - fixed
    for name, value in parameters.items():
        assert values[described(name)] == str(value), name
    assert read(values)


def described(parameter: str) -> str:
    """The setting that a parameter is for, by its description."""
    return template()["parameters"][parameter]["metadata"]["description"].split(":")[0]


def test_ranges_are_those_of_the_app() -> None:
    """So no value is deployed that the app would refuse."""
    ranges = {
        described(name): (parameter["minValue"], parameter["maxValue"])
        for name, parameter in template()["parameters"].items()
        if described(name).startswith(OWN) and parameter["type"] == "int"
    }

    assert ranges == {name: bounds(name) for name in NAMES if bounds(name)}
    assert len(ranges) == 8


def test_callers_need_a_key_from_the_first_moment() -> None:
    """The level is not a parameter, and is part of the site: the app never runs without it."""
    assert deployed().settings["REGISTRY_AUTH_LEVEL"] == "function"
    assert not any("config" in resource["type"].split("/") for resource in deployed().resources)


def test_the_webhook_is_a_reference_to_the_vault() -> None:
    """The app settings have neither URL nor secret; without a webhook they are empty."""
    vault = deployed(**WEBHOOK).one("Microsoft.KeyVault/vaults")["id"]
    secrets = {
        "PROCESSING_WEBHOOK_URL": "webhook-url",
        "PROCESSING_WEBHOOK_SECRET": "webhook-secret",
    }
    for setting, secret in secrets.items():
        version = f"reference('{vault}/secrets/{secret}', '2024-11-01').secretUriWithVersion"
        reference = f"format('@Microsoft.KeyVault(SecretUri={{0}})', {version})"
        expression = f"[if(not(empty(parameters('webhookUrl'))), {reference}, '')]"

        assert deployed(**WEBHOOK).settings[setting] == expression
        assert deployed().settings[setting] == ""


def test_the_host_signs_in_by_its_identity() -> None:
    """To its storage, and to its telemetry."""
    deployment = deployed()
    identity = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    insights = deployment.one("Microsoft.Insights/components")["id"]
    client = f"reference('{identity}', '2023-01-31').clientId"
    connection = f"reference('{insights}', '2020-02-02').ConnectionString"

    others = deployment.settings.keys() - own(deployment.settings).keys()
    assert {name: deployment.settings[name] for name in others} == {
        "AzureWebJobsStorage__accountName": deployment.one(STORAGE)["name"],
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": f"[{client}]",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"[{connection}]",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": (
            f"[format('ClientId={{0}};Authorization=AAD', {client})]"
        ),
        HUB_NAME: "HolidayRegistry",
    }


def test_what_flex_consumption_refuses_is_not_set() -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations"""
    refused = re.compile(
        "FUNCTIONS_(WORKER|EXTENSION|MAX)_|WEBSITE_|WEBSITES_|SCM_|ENABLE_ORYX|"
        "AzureWebJobsStorage$|"
        "AzureWebJobsDashboard|TZ$|DEPLOYMENT_STORAGE"
    )
    for parameters in ({}, EVERYTHING):
        assert [name for name in deployed(**parameters).settings if refused.match(name)] == []


def test_the_task_hub() -> None:
    """It has the same name as locally, unless another one is given."""
    host = json.loads((ROOT / "host.json").read_text())
    assert deployed().settings[HUB_NAME] == host["extensions"]["durableTask"]["hubName"]
    assert deployed(**CUSTOM).settings[HUB_NAME] == CUSTOM["hubName"]
    assert template()["parameters"]["hubName"].items() >= {"minLength": 3, "maxLength": 45}.items()


@pytest.mark.parametrize("name", cases(["2hub", "hu-b", "hüb", "hub "], ["2hub", "hüb"]))
def test_a_name_that_no_task_hub_can_have_is_refused(name) -> None:
    """The host would not start with it, and would not say why."""
    message = "hubName must be letters and digits, of which the first is a letter"
    with pytest.raises(AssertionError, match=message):
        deployed(hubName=name)
