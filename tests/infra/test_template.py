"""infra/main.json as a whole: that it is what Bicep makes, and that it gives nothing secret away."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from registry.settings import SECRET_BYTES
from tests.infra.deployment import INFRA, template
from tests.support.bicep import run_bicep

SOURCES = sorted(INFRA.rglob("*.bicep"))
MODULES = template()["resources"]
SECRETS = ["webhookUrl", "webhookSecret"]


def nested(module: str) -> dict[str, Any]:
    """The template of a module."""
    return MODULES[module]["properties"]["template"]


def texts(value: object) -> Iterator[str]:
    """All keys and texts in a JSON value."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def without_generator(value: object) -> object:
    """The JSON value without what tells the compiler's version."""
    if isinstance(value, dict):
        return {key: without_generator(item) for key, item in value.items() if key != "_generator"}
    return [without_generator(item) for item in value] if isinstance(value, list) else value


def test_the_template_is_what_is_compiled(tmp_path) -> None:
    """Without a warning; who deploys by hand needs no Bicep then."""
    compiled = tmp_path / "main.json"
    assert run_bicep("build", INFRA / "main.bicep", "--outfile", compiled) == ""
    same = without_generator(json.loads(compiled.read_text())) == without_generator(template())
    assert same, "infra/main.json is out of date: make infra"


def test_no_source_has_a_warning() -> None:
    """With the rules of infra/bicepconfig.json."""
    assert run_bicep("lint", "--pattern", "infra/**/*.bicep") == ""


def test_there_are_no_modules_of_others() -> None:
    """Every module is in this repository, and every resource in a module: a registry cannot change
    what is deployed.
    """
    used = [
        re.findall(r"^module \w+ '(.+?)'", source.read_text(), re.MULTILINE) for source in SOURCES
    ]
    assert all(re.fullmatch(r"(modules/)?\w+\.bicep", path) for paths in used for path in paths)


def test_no_key_is_asked_for() -> None:
    """Nothing lists keys or signs access, and no connection string is there but that of Application
    Insights.
    """
    for text in texts(template()):
        assert not re.search(r"\blist[A-Z]\w*\(", text), text
        assert not re.search(r"AccountKey|SharedAccess|InstrumentationKey|\bsig=", text), text
        rest = re.sub(
            r"APPLICATIONINSIGHTS_CONNECTION_STRING|reference\('insights'\)\.ConnectionString",
            "",
            text,
        )
        assert not re.search(r"connection_?string", rest, re.IGNORECASE), text


def test_secrets_are_secure_parameters() -> None:
    """So they are in no log and no history of deployments; they go to the vault, and nowhere else."""
    for name in SECRETS:
        assert template()["parameters"][name]["type"] == "securestring"
        assert template()["parameters"][name]["defaultValue"] == ""
        assert nested("vault")["parameters"][name]["type"] == "securestring"
    for module in MODULES.keys() - {"vault"}:
        mentioned = {
            text for text in texts(MODULES[module]) for name in SECRETS if f"'{name}'" in text
        }
        assert mentioned == set(), module
    everywhere = {text for text in texts(template()) if "parameters('webhook" in text}
    checked = {text for text in everywhere if text.startswith("[if(")}
    assert everywhere - checked == {
        "[not(empty(parameters('webhookUrl')))]",  # whether there is a vault
        "[parameters('webhookUrl')]",
        "[parameters('webhookSecret')]",
    }
    assert checked == {secret["properties"]["value"] for secret in secrets_of(nested("vault"))}


def secrets_of(vault: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        each
        for each in vault["resources"].values()
        if each["type"] == "Microsoft.KeyVault/vaults/secrets"
    ]


def test_a_webhook_that_the_app_would_not_take_is_refused() -> None:
    """By what it begins with and how long it is, as in registry/settings.py; what is said shows
    neither.
    """
    shortest, *_, longest = (
        len("whsec_" + b64encode(bytes(size)).decode()) for size in SECRET_BYTES
    )
    url, secret = "parameters('webhookUrl')", "parameters('webhookSecret')"
    assert {each["properties"]["value"] for each in secrets_of(nested("vault"))} == {
        f"[if(or(startsWith({url}, 'https://'), startsWith({url}, 'http://')), {url}, "
        "fail('webhookUrl must begin with https:// or http://'))]",
        f"[if(and(and(startsWith({secret}, 'whsec_'), greaterOrEquals(length({secret}), {shortest})), "
        f"lessOrEquals(length({secret}), {longest})), {secret}, "
        "fail('webhookSecret must be whsec_ and 24 to 64 random bytes in base64: what is sent is signed with it'))]",
    }


def test_no_output_is_secret() -> None:
    """What `azd` is told, and keeps in a file, is where the app is."""
    assert {name: output["type"] for name, output in template()["outputs"].items()} == {
        "AZURE_RESOURCE_GROUP": "string",
        "FUNCTION_APP_NAME": "string",
        "FUNCTION_APP_URL": "string",
    }
    assert {
        module: list(nested(module).get("outputs", {})) for module in MODULES if module != "group"
    } == {module: ["url"] if module == "app" else [] for module in MODULES if module != "group"}
    assert (
        template()["outputs"]["FUNCTION_APP_URL"]["value"] == "[reference('app').outputs.url.value]"
    )
    assert (
        nested("app")["outputs"]["url"]["value"]
        == "[format('https://{0}', reference('site').defaultHostName)]"
    )


def test_the_app_comes_after_its_roles() -> None:
    """A site that starts without them does not come up: it waits for each module, and each role is
    in one of these.
    """
    before = {"identity", "storage", "monitoring", "vault", "network"}
    assert before <= set(MODULES["app"]["dependsOn"])
    with_roles = {
        module
        for module in MODULES.keys() - {"group"}
        if any(
            "roleAssignments" in resource["type"]
            for resource in nested(module)["resources"].values()
        )
    }
    assert with_roles == {"storage", "monitoring", "vault"}


def test_what_is_asked_for_is_there_before() -> None:
    """A module comes after what it asks Azure about: the identity, and what alerts are on."""
    for module in ("storage", "monitoring", "vault", "app"):
        assert "identity" in MODULES[module]["dependsOn"]
    assert {"storage", "vault"} <= set(MODULES["network"]["dependsOn"])
    assert {"monitoring", "app"} <= set(MODULES["alerts"]["dependsOn"])


@pytest.mark.parametrize(
    ("module", "type"),
    [
        ("storage", "Microsoft.Storage/storageAccounts"),
        ("monitoring", "Microsoft.Insights/components"),
        ("vault", "Microsoft.KeyVault/vaults"),
    ],
)
def test_a_role_assignment_is_named_by_what_it_is_for(module, type) -> None:
    """One for another resource, identity or role has another name: Azure would refuse to change one
    in place.
    """
    (assignment,) = (
        each
        for each in nested(module)["resources"].values()
        if each["type"] == "Microsoft.Authorization/roleAssignments"
    )
    identity = (
        "resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', parameters('identityName'))"
    )
    role = re.search(r"roleDefinitions', (.+)\)\]", assignment["properties"]["roleDefinitionId"])[1]
    assert (
        assignment["name"]
        == f"[guid(resourceId('{type}', parameters('name')), {identity}, {role})]"
    )


def test_a_site_is_changed_by_one_at_a_time() -> None:
    """Two changes at once may fail."""
    policies = nested("app")["resources"]
    assert policies["ftpPassword"]["dependsOn"] == ["site"]
    assert set(policies["scmPassword"]["dependsOn"]) == {"ftpPassword", "site"}


def test_only_place_and_name_are_asked_for() -> None:
    """All else has a default: `azd up` asks for these, and picks the location from those of Azure."""
    parameters = template()["parameters"]
    required = {name for name, parameter in parameters.items() if "defaultValue" not in parameter}
    assert required == {"environmentName", "location"}
    assert parameters["location"]["metadata"]["azd"] == {"type": "location"}
    assert all(parameter["metadata"]["description"] for parameter in parameters.values())


def test_each_parameter_has_its_variable() -> None:
    """`azd env set DEPLOY_MAX_ITEMS 100` sets maxItems. No other names: azd would take them also
    from the shell.

    A file main.bicepparam would be used instead of this one.
    """
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    expected = {
        name: f"DEPLOY_{re.sub('(?<=[a-z])(?=[A-Z])', '_', name).upper()}"
        for name in template()["parameters"]
    }
    expected |= {"environmentName": "AZURE_ENV_NAME", "location": "AZURE_LOCATION"}
    assert given == {name: {"value": f"${{{variable}}}"} for name, variable in expected.items()}
    assert not list(INFRA.glob("*.bicepparam"))
