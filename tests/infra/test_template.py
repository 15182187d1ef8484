"""infra/main.json as a whole: it is what Bicep compiles, and discloses no secret."""

import json
import re
import shutil
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
    """The JSON value without the version of the compiler."""
    if isinstance(value, dict):
        return {key: without_generator(item) for key, item in value.items() if key != "_generator"}
    return [without_generator(item) for item in value] if isinstance(value, list) else value


def test_the_template_is_up_to_date(tmp_path) -> None:
    """It compiles without a warning. So nobody needs Bicep to deploy by hand."""
    compiled = tmp_path / "main.json"
    assert run_bicep("build", INFRA / "main.bicep", "--outfile", compiled) == ""
    same = without_generator(json.loads(compiled.read_text())) == without_generator(template())
    assert same, "infra/main.json is out of date: make infra"


def test_no_source_has_a_warning() -> None:
    """By the rules of infra/bicepconfig.json."""
    assert run_bicep("lint", "--pattern", "infra/**/*.bicep") == ""


def test_every_source_is_formatted(tmp_path) -> None:
    """As `bicep format` does it."""
    copy = shutil.copytree(INFRA, tmp_path / "infra")
    run_bicep("format", "--pattern", f"{copy}/**/*.bicep")

    for source in SOURCES:
        formatted = (copy / source.relative_to(INFRA)).read_text()
        assert formatted == source.read_text(), source.name


def test_there_are_no_modules_of_others() -> None:
    """Every module is in this repository: no module registry can change what is deployed."""
    for source in SOURCES:
        for path in re.findall(r"^module \w+ '(.+?)'", source.read_text(), re.MULTILINE):
            assert re.fullmatch(r"(modules/)?\w+\.bicep", path)


def test_no_key_is_used() -> None:
    """The only connection string is that of Application Insights, which needs a role too."""
    insights = r"APPLICATIONINSIGHTS_CONNECTION_STRING|reference\('insights'\)\.ConnectionString"

    for text in texts(template()):
        assert not re.search(r"\blist[A-Z]\w*\(", text), text
        assert not re.search(r"AccountKey|SharedAccess|InstrumentationKey|\bsig=", text), text
        rest = re.sub(insights, "", text)
        assert not re.search(r"connection_?string", rest, re.IGNORECASE), text


def test_secrets_are_secure_parameters() -> None:
    """So no log or history of deployments has them; they go to the vault, and nowhere else."""
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


def test_a_webhook_that_the_app_would_refuse_is_not_deployed() -> None:
    """By its beginning and length, as in registry/settings.py; the message discloses neither."""
    shortest, *_, longest = (
        len("whsec_" + b64encode(bytes(size)).decode()) for size in SECRET_BYTES
    )
    url, secret = "parameters('webhookUrl')", "parameters('webhookSecret')"
    assert {each["properties"]["value"] for each in secrets_of(nested("vault"))} == {
        f"[if(or(startsWith({url}, 'https://'), startsWith({url}, 'http://')), {url}, "
        "fail('webhookUrl must begin with https:// or http://'))]",
        f"[if(and(and(startsWith({secret}, 'whsec_'), "
        f"greaterOrEquals(length({secret}), {shortest})), "
        f"lessOrEquals(length({secret}), {longest})), {secret}, "
        "fail('webhookSecret must be whsec_ and 24 to 64 random bytes in base64: "
        "what is sent is signed with it'))]",
    }


def test_no_output_is_secret() -> None:
    """`azd` keeps them in a file: they only say where the app is."""
    assert {name: output["type"] for name, output in template()["outputs"].items()} == {
        "AZURE_RESOURCE_GROUP": "string",
        "FUNCTION_APP_NAME": "string",
        "FUNCTION_APP_URL": "string",
    }
    for module in MODULES.keys() - {"group"}:
        names = list(nested(module).get("outputs", {}))
        assert names == (["url"] if module == "app" else []), module

    url = template()["outputs"]["FUNCTION_APP_URL"]["value"]
    assert url == "[reference('app').outputs.url.value]"
    url_of_site = nested("app")["outputs"]["url"]["value"]
    assert url_of_site == "[format('https://{0}', reference('site').defaultHostName)]"


def test_the_app_comes_after_its_roles() -> None:
    """A site that starts without them does not come up, so it waits for the modules with roles."""
    before = {"identity", "storage", "monitoring", "vault", "network"}
    assert before <= set(MODULES["app"]["dependsOn"])

    types = {
        module: {resource["type"] for resource in nested(module)["resources"].values()}
        for module in MODULES.keys() - {"group"}
    }
    role = "Microsoft.Authorization/roleAssignments"
    with_roles = {module for module, found in types.items() if role in found}
    assert with_roles == {"storage", "monitoring", "vault"}


def test_modules_come_after_what_they_refer_to() -> None:
    """The identity, and what private endpoints and alerts are for."""
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
def test_a_role_assignment_is_named_by_resource_identity_and_role(module, type) -> None:
    """Another one has another name: Azure would refuse to change one in place."""
    resources = nested(module)["resources"].values()
    kind = "Microsoft.Authorization/roleAssignments"
    (assignment,) = [each for each in resources if each["type"] == kind]

    identities = "Microsoft.ManagedIdentity/userAssignedIdentities"
    identity = f"resourceId('{identities}', parameters('identityName'))"
    definition = assignment["properties"]["roleDefinitionId"]
    role = re.search(r"roleDefinitions', (.+)\)\]", definition)[1]
    resource = f"resourceId('{type}', parameters('name'))"
    assert assignment["name"] == f"[guid({resource}, {identity}, {role})]"


def test_a_site_is_changed_step_by_step() -> None:
    """Two changes at once may fail."""
    policies = nested("app")["resources"]
    assert policies["ftpPassword"]["dependsOn"] == ["site"]
    assert set(policies["scmPassword"]["dependsOn"]) == {"ftpPassword", "site"}


def test_only_location_and_name_are_required() -> None:
    """`azd up` asks for them, and offers the locations of Azure. All others have a default."""
    parameters = template()["parameters"]
    required = {name for name, parameter in parameters.items() if "defaultValue" not in parameter}
    assert required == {"environmentName", "location"}
    assert parameters["location"]["metadata"]["azd"] == {"type": "location"}
    assert all(parameter["metadata"]["description"] for parameter in parameters.values())


def test_each_parameter_has_its_variable() -> None:
    """`azd env set DEPLOY_MAX_ITEMS 100` sets maxItems.

    The prefix matters, because azd reads the variables of the shell too. There is no
    main.bicepparam, which azd would use instead.
    """
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    expected = {
        name: f"DEPLOY_{re.sub('(?<=[a-z])(?=[A-Z])', '_', name).upper()}"
        for name in template()["parameters"]
    }
    expected |= {"environmentName": "AZURE_ENV_NAME", "location": "AZURE_LOCATION"}
    assert given == {name: {"value": f"${{{variable}}}"} for name, variable in expected.items()}
    assert not list(INFRA.glob("*.bicepparam"))
