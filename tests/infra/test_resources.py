"""What is deployed, resource by resource."""

import re
from collections import Counter

import pytest

from tests.infra.deployment import (
    EVERYTHING,
    SUBSCRIPTION,
    TENANT,
    WEBHOOK,
    Resource,
    deployed,
    template,
)
from tests.support.program import ROOT

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test/providers"
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
def test_all_is_in_one_group_that_azd_knows(parameters) -> None:
    """So `azd down` removes all; azd finds the group by its tag, and the app by that of its
    service.
    """
    (group,) = deployed(**parameters).all("Microsoft.Resources/resourceGroups")
    assert (group["name"], group["location"]) == ("rg-test", "westeurope")
    for resource in deployed(**parameters).resources:
        assert (
            resource is group
            or "/resourceGroups/rg-test/" in resource["id"]
            or "'rg-test'" in resource["id"]
        )
        tags = resource.get(
            "tags", {"azd-env-name": "test"}
        )  # what is part of another resource has none
        assert (
            "'azd-env-name', 'test'" in tags
            if isinstance(tags, str)
            else tags["azd-env-name"] == "test"
        )
    assert deployed(**parameters).outputs["AZURE_RESOURCE_GROUP"] == group["name"]
    assert deployed(**parameters).outputs["FUNCTION_APP_NAME"] == site(**parameters)["name"]
    assert site(**parameters)["tags"]["azd-service-name"] == "registry"


def test_another_environment_has_other_names() -> None:
    """Names are made of subscription, environment and location, so that the same deployment finds
    its own again.
    """
    here, there = deployed(), deployed(environmentName="test2")
    for type in (
        "Microsoft.Web/sites",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Authorization/roleAssignments",
    ):
        names = [
            resource["name"] for deployment in (here, there) for resource in deployment.all(type)
        ]
        assert len(set(names)) == len(names), type
    assert re.fullmatch(
        r"st[a-z0-9]{13}", deployed().one("Microsoft.Storage/storageAccounts")["name"]
    )


@pytest.mark.parametrize("parameters", SETS.values(), ids=SETS)
def test_the_identity_has_its_roles(parameters) -> None:
    """On just what it uses."""
    deployment = deployed(**parameters)
    storage = deployment.one("Microsoft.Storage/storageAccounts")["id"]
    insights = deployment.one("Microsoft.Insights/components")["id"]
    identity = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    expected = {(role, storage) for role in ROLES if role.startswith("Storage")}
    expected |= {("Monitoring Metrics Publisher", insights)}
    expected |= {
        ("Key Vault Secrets User", vault["id"])
        for vault in deployment.all("Microsoft.KeyVault/vaults")
    }
    names = {
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{id}": name
        for name, id in ROLES.items()
    }
    assignments = deployment.all("Microsoft.Authorization/roleAssignments")
    found = [
        (
            names[assignment["properties"]["roleDefinitionId"]],
            assignment["id"].split("/providers/Microsoft.Auth")[0],
        )
        for assignment in assignments
    ]
    assert sorted(found) == sorted(expected)
    for assignment in assignments:
        assert (
            assignment["properties"]["principalType"] == "ServicePrincipal"
        )  # needs no look into the directory
        assert (
            assignment["properties"]["principalId"]
            == f"[reference('{identity}', '2023-01-31').principalId]"
        )
        assert re.fullmatch(
            r"[0-9a-f-]{36}", assignment["name"]
        )  # known before: a second deployment changes nothing


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


def test_telemetry_is_taken_from_the_identity_only() -> None:
    """Whoever has the connection string cannot send any."""
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


def test_the_app() -> None:
    """It is itself by its identity everywhere, and speaks HTTPS only. What Flex Consumption refuses
    is not set.
    """
    identity = deployed().one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    storage = deployed().one("Microsoft.Storage/storageAccounts")["id"]
    assert site()["kind"] == "functionapp,linux"
    assert site()["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    properties = site()["properties"]
    assert properties.keys() == {
        "serverFarmId",
        "httpsOnly",
        "keyVaultReferenceIdentity",
        "virtualNetworkSubnetId",
        "siteConfig",
        "functionAppConfig",
    }
    front = {
        name: value for name, value in properties["siteConfig"].items() if name != "appSettings"
    }
    assert front == {"minTlsVersion": "1.2", "http20Enabled": True}
    assert properties["httpsOnly"] is True
    assert properties["keyVaultReferenceIdentity"] == identity
    assert properties["functionAppConfig"]["deployment"]["storage"] == {
        "type": "blobContainer",
        "value": f"[format('{{0}}app-package', reference('{storage}', '2024-01-01').primaryEndpoints.blob)]",
        "authentication": {
            "type": "UserAssignedIdentity",
            "userAssignedIdentityResourceId": identity,
        },
    }


def test_nobody_signs_in_with_a_password() -> None:
    """Not to deploy either: azd, func and az use tokens of Microsoft Entra."""
    policies = deployed().all("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy["name"].split("/")[1]: policy["properties"] for policy in policies} == {
        "ftp": {"allow": False},
        "scm": {"allow": False},
    }


def test_python_is_that_of_the_tests() -> None:
    """3.13, on which tests/worker runs the app in Azure's own worker library; and the versions that
    CI tests.
    """
    (major, minor) = re.findall(
        r"sys\.version_info < \((\d+), (\d+)\)", (ROOT / "tests/worker/library.py").read_text()
    )[0]
    runtime = site()["properties"]["functionAppConfig"]["runtime"]
    assert (
        runtime
        == {"name": "python", "version": f"{major}.{minor}"}
        == {"name": "python", "version": "3.13"}
    )
    assert template()["parameters"]["pythonVersion"]["allowedValues"] == ["3.11", "3.12", "3.13"]
    assert (
        site(pythonVersion="3.12")["properties"]["functionAppConfig"]["runtime"]["version"]
        == "3.12"
    )


def test_scale_by_default() -> None:
    """It scales to zero; an instance takes 16 requests at once."""
    assert site()["properties"]["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": 2048,
        "maximumInstanceCount": 100,
        "alwaysReady": [],
        "triggers": {"http": {"perInstanceConcurrency": 16}},
    }


def test_scale_as_wished() -> None:
    """Each figure has its parameter."""
    scale = {
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 40,
        "alwaysReadyHttp": 2,
        "httpConcurrency": 8,
    }
    assert site(**scale)["properties"]["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 40,
        "alwaysReady": [{"name": "http", "instanceCount": 2}],
        "triggers": {"http": {"perInstanceConcurrency": 8}},
    }
    both = site(**EVERYTHING)["properties"]["functionAppConfig"]["scaleAndConcurrency"][
        "alwaysReady"
    ]
    assert both == [{"name": "durable", "instanceCount": 1}, {"name": "http", "instanceCount": 2}]


def test_scale_within_what_flex_consumption_takes() -> None:
    """The deployment is refused at once, not after minutes."""
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
    """It is there where a webhook is, lets only roles in, and can be purged."""
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
