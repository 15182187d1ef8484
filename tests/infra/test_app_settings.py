"""The app settings that are deployed, beside what registry/settings.py knows: a misspelt one would
stop the app.
"""

import json
import re

import pytest

from registry.settings import Settings, SettingsError, read
from tests.infra.deployment import EVERYTHING, WEBHOOK, deployed, template
from tests.support.program import ROOT

HUB_NAME = "AzureFunctionsJobHost__extensions__durableTask__hubName"
OWN = ("REGISTRY_", "PROCESSING_")


class Asked(dict[str, str]):
    """An environment without anything, which notes what is looked for in it."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: str = "") -> str:
        self.names.add(name)
        return default


def known() -> set[str]:
    """The settings that the app reads."""
    asked = Asked()
    read(asked)
    return asked.names


def bounds(name: str) -> tuple[int, int] | None:
    """What the app allows for a setting, by what it says of a value that is none; None where that
    is not a range.
    """
    try:
        read({name: "?"})
    except SettingsError as error:
        found = re.search(r"a whole number from (\d+) to (\d+)", str(error))
        return (int(found[1]), int(found[2])) if found else None
    return None


def own(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name.startswith(OWN)}


@pytest.mark.parametrize(
    "parameters", [{}, WEBHOOK, EVERYTHING], ids=["default", "webhook", "everything"]
)
def test_the_app_knows_each_setting_and_misses_none(parameters) -> None:
    """Whatever is deployed with it."""
    assert own(deployed(**parameters).settings).keys() == known()
    assert len(known()) == 12


def test_the_defaults_are_those_of_the_app() -> None:
    """But for the key that each caller needs."""
    assert read(own(deployed().settings)) == Settings(auth_level="function")


def test_each_setting_has_its_parameter() -> None:
    """The app gets what `azd env set` was told."""
    parameters = {
        "openSeconds": 60,
        "maxItems": 7,
        "maxItemLength": 99,
        "retentionDays": 0,
        "forgetSchedule": "0 30 4 * * *",
        "processingTimeoutSeconds": 20,
        "processingFirstRetrySeconds": 1,
        "processingLongestRetrySeconds": 600,
        "processingRetryHours": 48,
    }
    values = own(deployed(**parameters).settings)
    fixed = {"REGISTRY_AUTH_LEVEL", "PROCESSING_WEBHOOK_URL", "PROCESSING_WEBHOOK_SECRET"}
    names = {
        name: setting
        for setting in values.keys() - fixed
        for name in parameters
        if described(name) == setting
    }
    assert {values[names[name]]: name for name in names} == {
        str(value): name for name, value in parameters.items()
    }
    assert read(values)


def described(parameter: str) -> str:
    """The setting that a parameter is for, by its description."""
    return template()["parameters"][parameter]["metadata"]["description"].split(":")[0]


def test_ranges_are_those_of_the_app() -> None:
    """What the app would not start with is not deployed."""
    ranges = {
        described(name): (parameter["minValue"], parameter["maxValue"])
        for name, parameter in template()["parameters"].items()
        if described(name).startswith(OWN) and parameter["type"] == "int"
    }
    assert ranges == {name: bounds(name) for name in known() if bounds(name)}
    assert len(ranges) == 8


def test_everybody_needs_a_key_from_the_first_moment() -> None:
    """The level is no parameter, and the settings are part of the site: so the app never runs
    without it.
    """
    assert deployed().settings["REGISTRY_AUTH_LEVEL"] == "function"
    assert not any("config" in resource["type"].split("/") for resource in deployed().resources)


def test_the_webhook_is_a_reference_to_the_vault() -> None:
    """Neither URL nor secret is in the app settings; without a webhook they are empty, which is as
    good as missing.
    """
    vault = deployed(**WEBHOOK).one("Microsoft.KeyVault/vaults")["id"]
    for setting, secret in (
        ("PROCESSING_WEBHOOK_URL", "webhook-url"),
        ("PROCESSING_WEBHOOK_SECRET", "webhook-secret"),
    ):
        version = f"reference('{vault}/secrets/{secret}', '2024-11-01').secretUriWithVersion"
        reference = f"format('@Microsoft.KeyVault(SecretUri={{0}})', {version})"
        assert (
            deployed(**WEBHOOK).settings[setting]
            == f"[if(not(empty(parameters('webhookUrl'))), {reference}, '')]"
        )
        assert deployed().settings[setting] == ""


def test_the_host_is_itself_by_its_identity() -> None:
    """For its storage, and for its telemetry."""
    identity = deployed().one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    insights = deployed().one("Microsoft.Insights/components")["id"]
    client = f"reference('{identity}', '2023-01-31').clientId"
    settings = deployed().settings
    assert {name: value for name, value in settings.items() if not name.startswith(OWN)} == {
        "AzureWebJobsStorage__accountName": deployed().one("Microsoft.Storage/storageAccounts")[
            "name"
        ],
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": f"[{client}]",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"[reference('{insights}', '2020-02-02').ConnectionString]",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"[format('ClientId={{0}};Authorization=AAD', {client})]",
        HUB_NAME: "HolidayRegistry",
    }


def test_what_flex_consumption_refuses_is_not_set() -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations"""
    refused = re.compile(
        "FUNCTIONS_(WORKER|EXTENSION|MAX)_|WEBSITE_|WEBSITES_|SCM_|ENABLE_ORYX|AzureWebJobsStorage$|"
        "AzureWebJobsDashboard|TZ$|DEPLOYMENT_STORAGE"
    )
    for parameters in ({}, EVERYTHING):
        assert [name for name in deployed(**parameters).settings if refused.match(name)] == []


def test_the_task_hub() -> None:
    """It has the name that it has locally, unless another one is given."""
    host = json.loads((ROOT / "host.json").read_text())
    assert deployed().settings[HUB_NAME] == host["extensions"]["durableTask"]["hubName"]
    assert deployed(hubName="Hub2").settings[HUB_NAME] == "Hub2"
    assert template()["parameters"]["hubName"].items() >= {"minLength": 3, "maxLength": 45}.items()


@pytest.mark.parametrize("name", ["2hub", "hu-b", "hüb", "hub "])
def test_a_name_that_no_task_hub_can_have_is_refused(name) -> None:
    """The host would not start with it, and would not say why."""
    with pytest.raises(
        AssertionError, match="hubName must be letters and digits, of which the first is a letter"
    ):
        deployed(hubName=name)


@pytest.mark.parametrize("schedule", ["0 0 3 * * *", "*/5 0-10,30 3 1 Jan,DEC Mon-Fri"])
def test_a_schedule_that_the_app_takes_is_not_refused(schedule) -> None:
    """With each character that registry/settings.py allows, or nearly."""
    settings = deployed(forgetSchedule=schedule).settings
    assert (
        read({"REGISTRY_FORGET_SCHEDULE": settings["REGISTRY_FORGET_SCHEDULE"]}).forget_schedule
        == schedule
    )


@pytest.mark.parametrize(
    "schedule",
    [
        "daily",
        "0 3 * * *",
        "0 0 3 * * * *",
        "0  0 3 * *",
        "0  0 3 * * *",
        " " * 5,
        "0 0 3 * * ?",
        "0 0 3 * * 1;2",
    ],
)
def test_a_schedule_that_the_app_would_not_take_is_refused(schedule) -> None:
    """It has six fields, of which the first is for seconds, and few characters."""
    with pytest.raises(
        AssertionError, match="forgetSchedule must be an NCRONTAB expression of six fields"
    ):
        deployed(forgetSchedule=schedule)
