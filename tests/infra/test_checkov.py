"""checkov on what is deployed.

It gets the evaluated resources: it finds none in a template of language version 2.0, such as
infra/main.json, and cannot parse the sources, so it would find nothing wrong in nothing.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infra.deployment import EVERYTHING, Deployment, deployed
from tests.support.program import absent

pytestmark = pytest.mark.verify

CHECKOV = Path(f"{sys.prefix}-infra") / "bin" / "checkov"
STORAGE = "Microsoft.Storage/storageAccounts"
PLAN = "Microsoft.Web/serverfarms"
SITE = "Microsoft.Web/sites"
VAULT = "Microsoft.KeyVault/vaults"
DEPLOYED: dict[str, dict[str, Any]] = {"least": {}, "most": EVERYTHING}

OPEN = (
    "without networkEnabled there is no network to close it to; "
    "no key opens it, only a role of the identity does"
)
PURGE = "purge protection would keep its name after `azd down --purge`"

ACCEPTED = {
    ("CKV_AZURE_35", STORAGE): OPEN,
    ("CKV_AZURE_59", STORAGE): OPEN,
    ("CKV_AZURE_36", STORAGE): "no service of Microsoft uses it, only the app",
    ("CKV_AZURE_206", STORAGE): "three copies in one place are enough for registries, and cheapest",
    ("CKV_AZURE_42", VAULT): f"{PURGE}; soft delete is on",
    ("CKV_AZURE_110", VAULT): PURGE,
    ("CKV_AZURE_41", f"{VAULT}/secrets"): "the receiver decides how long its secret is valid",
    ("CKV_AZURE_225", PLAN): "two instances would always be ready then, at their price",
    ("CKV_AZURE_17", SITE): "callers are people with browsers; they have a key",
    ("CKV_AZURE_78", SITE): "Flex Consumption has no FTP, and its password is off too",
    ("CKV_AZURE_212", SITE): "Flex Consumption scales by itself; alwaysReady* are parameters",
    ("CKV_AZURE_213", SITE): "Flex Consumption replaces instances; an alert watches the health",
    ("CKV_AZURE_222", SITE): "it is a public page",
}
"""Findings that stay, with the reason: https://www.checkov.io/5.Policy%20Index/arm.html"""


def scan(file: Path) -> dict[str, Any]:
    """What checkov reports about a template, offline."""
    if not CHECKOV.exists():
        absent("checkov did not run: make setup")
    command = [CHECKOV, "--file", file, "--framework", "arm", "--skip-download", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert isinstance(report, dict), done.stderr
    return report


def flat(deployment: Deployment) -> dict[str, Any]:
    """The resources as a template that checkov reads."""
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    return {"$schema": schema, "contentVersion": "1.0.0.0", "resources": deployment.resources}


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """The reports on the least and the most that is deployed."""
    found = {}
    for name, parameters in DEPLOYED.items():
        file = tmp_path_factory.mktemp("checkov") / f"{name}.json"
        file.write_text(json.dumps(flat(deployed(**parameters)), indent=1))
        found[name] = scan(file)
    return found


def findings(report: dict[str, Any]) -> set[tuple[str, str]]:
    """The check that failed, and on what type of resource."""
    return {
        (failed["check_id"], failed["resource"].rpartition(".")[0])
        for failed in report["results"]["failed_checks"]
    }


def test_each_finding_has_a_reason_to_stay(reports) -> None:
    """And each reason still has its finding."""
    assert findings(reports["least"]) | findings(reports["most"]) == ACCEPTED.keys()
    open_to_all = {finding for finding, reason in ACCEPTED.items() if reason is OPEN}
    assert open_to_all <= findings(reports["least"])
    assert not open_to_all & findings(reports["most"])


def test_checkov_has_read_every_resource(reports) -> None:
    """And skipped no check."""
    for name, parameters in DEPLOYED.items():
        summary = reports[name]["summary"]
        assert summary["resource_count"] == len(deployed(**parameters).resources)
        assert (summary["parsing_errors"], summary["skipped"]) == (0, 0)
        assert reports[name]["results"]["parsing_errors"] == []
        assert summary["passed"] > 10


def test_a_template_that_cannot_be_parsed_is_reported(tmp_path) -> None:
    """It is not mistaken for one without findings."""
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(flat(deployed()))[:-2])
    assert scan(file)["results"]["parsing_errors"] == [str(file)]


def test_a_finding_is_reported(tmp_path) -> None:
    """Such as old TLS."""
    template = json.loads(json.dumps(flat(deployed())))
    (account,) = [resource for resource in template["resources"] if resource["type"] == STORAGE]
    account["properties"]["minimumTlsVersion"] = "TLS1_0"
    file = tmp_path / "insecure.json"
    file.write_text(json.dumps(template, indent=1))
    assert findings(scan(file)) - ACCEPTED.keys() == {("CKV_AZURE_44", STORAGE)}
