"""What infra/main.bicep deploys with given parameters, as the compiler evaluates it offline."""

import json
from fcntl import LOCK_EX, flock
from functools import cache
from hashlib import sha256
from os.path import relpath
from pathlib import Path
from typing import Any

from tests.support.bicep import run_bicep
from tests.support.program import ROOT

INFRA = ROOT / "infra"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"

SNAPSHOTS = Path()
"""The folder of what is evaluated already; tests/infra/conftest.py sets it."""

WEBHOOK = {
    "webhookUrl": "https://example.org/hook",
    "webhookSecret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
}
CUSTOM = {
    "environmentName": "test2",
    "hubName": "Hub2",
    "pythonVersion": "3.12",
    "openSeconds": 60,
    "maxItems": 7,
    "maxItemLength": 99,
    "retentionDays": 0,
    "processingTimeoutSeconds": 20,
    "processingFirstRetrySeconds": 1,
    "processingLongestRetrySeconds": 600,
    "processingRetryHours": 48,
    "instanceMemoryMB": 512,
    "maximumInstanceCount": 40,
    "alwaysReadyHttp": 2,
    "httpConcurrency": 8,
}
"""Other values than the defaults; one set, because each set takes seconds to evaluate."""

EVERYTHING = WEBHOOK | {
    "networkEnabled": True,
    "alertEmail": "people@example.org",
    "alwaysReadyDurable": 1,
    "alwaysReadyHttp": 2,
}

Resource = dict[str, Any]


class Deployment:
    """The resources that are deployed.

    What only Azure knows is in them as the expression that asks for it. Secure parameters are not
    evaluated: resources that depend on one are there, with the condition for it.
    """

    def __init__(self, snapshot: dict[str, Any]) -> None:
        assert snapshot["diagnostics"] == []
        self.resources: list[Resource] = snapshot["predictedResources"]
        self.outputs: dict[str, Any] = snapshot["outputs"]

    def all(self, type: str) -> list[Resource]:
        return [resource for resource in self.resources if resource["type"] == type]

    def one(self, type: str) -> Resource:
        (resource,) = self.all(type)
        return resource

    @property
    def settings(self) -> dict[str, str]:
        """The app settings."""
        pairs = self.one("Microsoft.Web/sites")["properties"]["siteConfig"]["appSettings"]
        assert len({pair["name"] for pair in pairs}) == len(pairs)
        return {pair["name"]: pair["value"] for pair in pairs}


def deployed(**parameters: str | int | bool) -> Deployment:
    """What is deployed with these parameters, and with the defaults of the others."""
    return _deployed(tuple(parameters.items()))


@cache
def _deployed(parameters: tuple[tuple[str, str | int | bool], ...]) -> Deployment:
    given = {"environmentName": "test", "location": "westeurope", **dict(parameters)}
    lines = [f"using '{relpath(INFRA / 'main.bicep', SNAPSHOTS)}'"]
    lines += [f"param {name} = {_literal(value)}" for name, value in sorted(given.items())]
    text = "\n".join(lines)

    file = SNAPSHOTS / f"{sha256(text.encode()).hexdigest()}.bicepparam"
    with file.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        return Deployment(json.loads(_snapshot(file, text)))


def _snapshot(file: Path, parameters: str) -> str:
    """The snapshot beside a file of parameters, which is made unless it is there."""
    snapshot = file.with_suffix(".snapshot.json")
    if not snapshot.exists():
        file.write_text(parameters)
        place = ["--subscription-id", SUBSCRIPTION, "--tenant-id", TENANT]
        place += ["--location", "westeurope"]
        run_bicep("snapshot", file, "--mode", "overwrite", *place)
    return snapshot.read_text()


def _literal(value: str | int | bool) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def template() -> dict[str, Any]:
    """The compiled template, as it is committed."""
    return json.loads((INFRA / "main.json").read_text())
