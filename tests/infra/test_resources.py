"""What is deployed, resource by resource."""

import re
from collections import Counter

import pytest

from tests.infra.deployment import (
    CUSTOM,
    EVERYTHING,
    SUBSCRIPTION,
    TENANT,
    WEBHOOK,
    Resource,
    deployed,
    template,
)
from tests.support.program import ROOT

# Bicep evaluates the template anew for each set of parameters.
pytestmark = pytest.mark.verify

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test/providers"
STORAGE = "Microsoft.Storage/storageAccounts"
SETS = {"default": {}, "webhook": WEBHOOK, "everything": EVERYTHING}
ROLES = {  # https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
}


def site(**parameters: str | int | bool) -> Resource:
    return deployed(**parameters).one("Microsoft.Web/sites")


def test_what_is_deployed_by_default() -> None:
    """Neither network nor vault nor action group."""
    assert Counter(resource["type"] for resource in deployed().resources) == {
        "Microsoft.Resources/resourceGroups": 1,
        "Microsoft.ManagedIdentity/userAssignedIdentities": 1,
        "Microsoft.Storage/storageAccounts": 1,
        "Microsoft.Storage/storageAccounts/blobServices": 1,
        "Microsoft.Storage/storageAccounts/blobServices/containers": 1,
        "Microsoft.Authorization/roleAssignments": 4,
        "Microsoft.OperationalInsights/workspaces": 1,
        "Microsoft.Insights/components": 1,
        "Microsoft.Web/serverfarms": 1,
        "Microsoft.Web/sites": 1,
        "Microsoft.Web/sites/basicPublishingCredentialsPolicies": 2,
        "Microsoft.Insights/scheduledQueryRules": 2,
        "Microsoft.Insights/webtests": 1,
        "Microsoft.Insights/metricAlerts": 1,
    }


@pytest.mark.parametrize("parameters", SETS.values(), ids=SETS)
def test_everything_is_in_one_resource_group(parameters) -> None:
    """So `azd down` removes everything."""
    (group,) = deployed(**parameters).all("Microsoft.Resources/resourceGroups")
    assert (group["name"], group["location"]) == ("rg-test", "westeurope")

    for resource in deployed(**parameters).resources:
        is_in_group = re.search(r"/resourceGroups/rg-test/|'rg-test'", resource["id"])
        assert resource is group or is_in_group, resource["id"]


@pytest.mark.parametrize("parameters", SETS.values(), ids=SETS)
def test_azd_finds_the_group_and_the_app_by_their_tags(parameters) -> None:
    """What is part of another resource has no tags."""
    for resource in deployed(**parameters).resources:
        tags = resource.get("tags", {"azd-env-name": "test"})
        is_expression = isinstance(tags, str)
        assert is_expression or tags["azd-env-name"] == "test", resource["id"]
        assert not is_expression or "'azd-env-name', 'test'" in tags, resource["id"]

    app = site(**parameters)
    assert app["tags"]["azd-service-name"] == "registry"
    outputs = deployed(**parameters).outputs
    assert outputs["AZURE_RESOURCE_GROUP"] == "rg-test"
    assert outputs["FUNCTION_APP_NAME"] == app["name"]


def test_another_environment_has_other_names() -> None:
    """They are made of subscription, environment and location, so they stay when deployed again."""
    here, there = deployed(), deployed(**CUSTOM)

    for type in ("Microsoft.Web/sites", STORAGE, "Microsoft.Authorization/roleAssignments"):
        names = [each["name"] for each in [*here.all(type), *there.all(type)]]
        assert len(set(names)) == len(names), type

    assert re.fullmatch(r"st[a-z0-9]{13}", here.one(STORAGE)["name"])


@pytest.mark.parametrize("parameters", SETS.values(), ids=SETS)
def test_the_identity_has_its_roles(parameters) -> None:
    """On what it uses, and nowhere else."""
    deployment = deployed(**parameters)
    storage = deployment.one(STORAGE)["id"]
    insights = deployment.one("Microsoft.Insights/components")["id"]
    vaults = deployment.all("Microsoft.KeyVault/vaults")
    expected = [(role, storage) for role in ROLES if role.startswith("Storage")]
    expected += [("Monitoring Metrics Publisher", insights)]
    expected += [("Key Vault Secrets User", vault["id"]) for vault in vaults]

    definitions = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    names = {f"{definitions}/{id}": name for name, id in ROLES.items()}
    found = []
    for assignment in deployment.all("Microsoft.Authorization/roleAssignments"):
        role = names[assignment["properties"]["roleDefinitionId"]]
        found.append((role, assignment["id"].split("/providers/Microsoft.Auth")[0]))

    assert sorted(found) == sorted(expected)


def test_a_role_assignment_can_be_deployed_again() -> None:
    """Its name is known before, so nothing changes; its type needs no look into the directory."""
    identity = deployed().one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]

    for assignment in deployed().all("Microsoft.Authorization/roleAssignments"):
        properties = assignment["properties"]
        assert re.fullmatch(r"[0-9a-f-]{36}", assignment["name"])
        assert properties["principalType"] == "ServicePrincipal"
        assert properties["principalId"] == f"[reference('{identity}', '2023-01-31').principalId]"


def test_the_storage_takes_no_keys() -> None:
    """Neither shared keys nor the public nor old TLS get in."""
    account = deployed().one("Microsoft.Storage/storageAccounts")
    assert (account["kind"], account["sku"]) == ("StorageV2", {"name": "Standard_LRS"})
    assert account["properties"] == {
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
        "publicNetworkAccess": "Enabled",
        "networkAcls": {"defaultAction": "Allow", "bypass": "None"},
    }
    container = deployed().one("Microsoft.Storage/storageAccounts/blobServices/containers")
    assert container["name"] == f"{account['name']}/default/app-package"
    assert container["properties"] == {"publicAccess": "None"}


def test_only_the_identity_can_send_telemetry() -> None:
    """The connection string alone is not enough."""
    workspace = deployed().one("Microsoft.OperationalInsights/workspaces")
    assert workspace["properties"]["features"] == {"disableLocalAuth": True}
    assert workspace["properties"]["retentionInDays"] == 30
    assert deployed().one("Microsoft.Insights/components")["properties"] == {
        "Application_Type": "web",
        "WorkspaceResourceId": workspace["id"],
        "DisableLocalAuth": True,
    }


def test_the_plan_is_flex_consumption() -> None:
    """FC1, on Linux."""
    plan = deployed().one("Microsoft.Web/serverfarms")
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"] == {"reserved": True}
    assert site()["properties"]["serverFarmId"] == plan["id"]


def test_the_app_speaks_https_only() -> None:
    """In versions that are not outdated."""
    properties = site()["properties"]
    assert site()["kind"] == "functionapp,linux"
    assert properties["httpsOnly"] is True

    others = properties["siteConfig"].keys() - {"appSettings"}
    assert {name: properties["siteConfig"][name] for name in others} == {
        "minTlsVersion": "1.2",
        "http20Enabled": True,
    }


def test_the_app_signs_in_by_its_identity_everywhere() -> None:
    """To the vault, and to the storage that has its package."""
    identity = deployed().one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    blobs = f"reference('{deployed().one(STORAGE)['id']}', '2024-01-01').primaryEndpoints.blob"

    assert site()["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    assert site()["properties"]["keyVaultReferenceIdentity"] == identity
    assert site()["properties"]["functionAppConfig"]["deployment"]["storage"] == {
        "type": "blobContainer",
        "value": f"[format('{{0}}app-package', {blobs})]",
        "authentication": {
            "type": "UserAssignedIdentity",
            "userAssignedIdentityResourceId": identity,
        },
    }


def test_the_app_has_no_property_that_flex_consumption_refuses() -> None:
    """Only these are set."""
    assert site()["properties"].keys() == {
        "serverFarmId",
        "httpsOnly",
        "keyVaultReferenceIdentity",
        "virtualNetworkSubnetId",
        "siteConfig",
        "functionAppConfig",
    }


def test_nobody_signs_in_with_a_password() -> None:
    """Not to deploy either: azd, func and az use tokens of Microsoft Entra."""
    policies = deployed().all("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy["name"].split("/")[1]: policy["properties"] for policy in policies} == {
        "ftp": {"allow": False},
        "scm": {"allow": False},
    }


def python(**parameters: str | int | bool) -> dict[str, str]:
    """The runtime of the app."""
    return site(**parameters)["properties"]["functionAppConfig"]["runtime"]


def test_python_is_the_version_that_azures_worker_is_tested_on() -> None:
    """By default; it can be any that CI tests."""
    requirements = (ROOT / "tests" / "requirements.in").read_text()
    (tested,) = re.findall(r'azure-functions-runtime.*python_version >= "(.*?)"', requirements)

    assert python() == {"name": "python", "version": tested}
    assert python(**CUSTOM)["version"] == CUSTOM["pythonVersion"] != tested
    assert template()["parameters"]["pythonVersion"]["allowedValues"] == ["3.11", "3.12", "3.13"]


def test_scale_by_default() -> None:
    """It scales to zero; an instance takes 16 requests at once."""
    assert site()["properties"]["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": 2048,
        "maximumInstanceCount": 100,
        "alwaysReady": [],
        "triggers": {"http": {"perInstanceConcurrency": 16}},
    }


def test_scale_by_parameters() -> None:
    """Each figure has one."""
    assert site(**CUSTOM)["properties"]["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 40,
        "alwaysReady": [{"name": "http", "instanceCount": 2}],
        "triggers": {"http": {"perInstanceConcurrency": 8}},
    }
    config = site(**EVERYTHING)["properties"]["functionAppConfig"]
    assert config["scaleAndConcurrency"]["alwaysReady"] == [
        {"name": "durable", "instanceCount": 1},
        {"name": "http", "instanceCount": 2},
    ]


def test_the_limits_of_scale_are_those_of_flex_consumption() -> None:
    """So a wrong figure is refused at once, not after minutes."""
    parameters = template()["parameters"]
    assert parameters["instanceMemoryMB"]["allowedValues"] == [512, 2048, 4096]
    ranges = {
        name: (parameter["minValue"], parameter["maxValue"])
        for name, parameter in parameters.items()
        if name
        in ("maximumInstanceCount", "httpConcurrency", "alwaysReadyDurable", "alwaysReadyHttp")
    }
    assert ranges == {
        "maximumInstanceCount": (1, 1000),
        "httpConcurrency": (1, 1000),
        "alwaysReadyDurable": (0, 1000),
        "alwaysReadyHttp": (0, 1000),
    }


def test_the_vault_keeps_the_webhook() -> None:
    """It is there if there is a webhook, lets only roles in, and can be purged."""
    assert deployed().all("Microsoft.KeyVault/vaults") == []
    vault = deployed(**WEBHOOK).one("Microsoft.KeyVault/vaults")
    assert vault["condition"] == "[not(empty(parameters('webhookUrl')))]"
    assert vault["properties"] == {
        "tenantId": TENANT,
        "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 7,
        "publicNetworkAccess": "Enabled",
        "networkAcls": {"defaultAction": "Allow", "bypass": "None"},
    }
    secrets = {
        secret["name"].split("/")[1]: secret["properties"]["value"]
        for secret in deployed(**WEBHOOK).all("Microsoft.KeyVault/vaults/secrets")
    }
    assert "parameters('webhookUrl')" in secrets["webhook-url"]
    assert "parameters('webhookSecret')" in secrets["webhook-secret"]
    assert len(secrets) == 2
