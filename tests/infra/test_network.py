"""The virtual network that networkEnabled adds."""

from ipaddress import ip_network

import pytest

from tests.infra.deployment import EVERYTHING, Resource, deployed

# Bicep evaluates the template anew for each set of parameters.
pytestmark = pytest.mark.verify

ENDPOINT = "Microsoft.Network/privateEndpoints"
ZONE = "Microsoft.Network/privateDnsZones"
STORAGE = "Microsoft.Storage/storageAccounts"
VAULT = "Microsoft.KeyVault/vaults"


def subnets() -> dict[str, Resource]:
    network = deployed(**EVERYTHING).one("Microsoft.Network/virtualNetworks")
    return {subnet["name"]: subnet["properties"] for subnet in network["properties"]["subnets"]}


def zone_of(service: str) -> str:
    """https://learn.microsoft.com/azure/private-link/private-endpoint-dns."""
    if service == "vault":
        return "privatelink.vaultcore.azure.net"
    return f"[format('privatelink.{{0}}.{{1}}', '{service}', environment().suffixes.storage)]"


def test_there_is_none_by_default() -> None:
    """It costs: https://azure.microsoft.com/pricing/details/private-link."""
    assert not any(
        resource["type"].startswith("Microsoft.Network/") for resource in deployed().resources
    )
    assert deployed().one("Microsoft.Web/sites")["properties"]["virtualNetworkSubnetId"] is None


def test_the_app_sends_everything_through_a_subnet_of_its_own() -> None:
    """It is delegated to Flex Consumption, with room for the 40 addresses that an app takes."""
    network = deployed(**EVERYTHING).one("Microsoft.Network/virtualNetworks")
    site = deployed(**EVERYTHING).one("Microsoft.Web/sites")
    assert site["properties"]["virtualNetworkSubnetId"] == f"{network['id']}/subnets/app"
    (delegation,) = subnets()["app"]["delegations"]
    assert delegation["properties"] == {"serviceName": "Microsoft.App/environments"}

    kept_by_azure = 5
    assert ip_network(subnets()["app"]["addressPrefix"]).num_addresses - kept_by_azure >= 40
    assert not any("_" in name for name in subnets()), "Flex Consumption refuses such names"


def test_subnets_are_parts_of_the_network() -> None:
    """And do not overlap."""
    network = deployed(**EVERYTHING).one("Microsoft.Network/virtualNetworks")
    (space,) = network["properties"]["addressSpace"]["addressPrefixes"]
    app, endpoints = (ip_network(subnets()[name]["addressPrefix"]) for name in ("app", "endpoints"))
    assert app.subnet_of(ip_network(space))
    assert endpoints.subnet_of(ip_network(space))
    assert not app.overlaps(endpoints)


@pytest.mark.parametrize(
    ("parameters", "services"),
    [
        ({"networkEnabled": True}, ["blob", "queue", "table"]),
        (EVERYTHING, ["blob", "queue", "table", "vault"]),
    ],
    ids=["without a vault", "with a vault"],
)
def test_each_service_has_an_endpoint_and_its_name(parameters, services) -> None:
    """In the network, the usual name of the service leads to the address of its endpoint."""
    deployment = deployed(**parameters)
    network = deployment.one("Microsoft.Network/virtualNetworks")
    links = deployment.all(f"{ZONE}/virtualNetworkLinks")
    zones = deployment.all(ZONE)
    groups = deployment.all(f"{ENDPOINT}/privateDnsZoneGroups")
    endpoints = deployment.all(ENDPOINT)
    assert len(endpoints) == len(groups) == len(zones) == len(links) == len(services)
    for service, endpoint, group, zone, link in zip(
        services, endpoints, groups, zones, links, strict=True
    ):
        assert endpoint["properties"]["subnet"] == {"id": f"{network['id']}/subnets/endpoints"}
        (connection,) = endpoint["properties"]["privateLinkServiceConnections"]
        assert connection["properties"]["groupIds"] == [service]
        target = deployment.one(VAULT if service == "vault" else STORAGE)
        assert connection["properties"]["privateLinkServiceId"] == target["id"]
        (config,) = group["properties"]["privateDnsZoneConfigs"]
        assert config["properties"] == {"privateDnsZoneId": zone["id"]}
        assert group["id"].startswith(endpoint["id"])
        assert link["properties"] == {
            "registrationEnabled": False,
            "virtualNetwork": {"id": network["id"]},
        }
        assert zone["name"] == zone_of(service)
        assert zone["name"].strip("[]") in link["name"]


def test_storage_and_vault_are_closed_to_the_public() -> None:
    """The app itself is not."""
    for type in (STORAGE, VAULT):
        properties = deployed(**EVERYTHING).one(type)["properties"]
        assert properties["publicNetworkAccess"] == "Disabled"
        assert properties["networkAcls"] == {"defaultAction": "Deny", "bypass": "None"}

    site = deployed(**EVERYTHING).one("Microsoft.Web/sites")
    assert "publicNetworkAccess" not in site["properties"]
