"""What infra/main.bicep deploys with given parameters, as the compiler evaluates it offline."""

import json
import tempfile
from functools import cache
from os.path import relpath
from pathlib import Path
from typing import Any

from tests.support.bicep import run_bicep
from tests.support.program import ROOT

INFRA = ROOT / "infra"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"

WEBHOOK = {
    "webhookUrl": "https://example.org/hook",
    "webhookSecret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
}
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
    place = ["--subscription-id", SUBSCRIPTION, "--tenant-id", TENANT, "--location", "westeurope"]

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "main.bicepparam"
        lines = [f"using '{relpath(INFRA / 'main.bicep', folder)}'"]
        lines += [f"param {name} = {_literal(value)}" for name, value in given.items()]
        file.write_text("\n".join(lines))

        run_bicep("snapshot", file, "--mode", "overwrite", *place)
        return Deployment(json.loads(file.with_suffix(".snapshot.json").read_text()))


def _literal(value: str | int | bool) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def template() -> dict[str, Any]:
    """The compiled template, as it is committed."""
    return json.loads((INFRA / "main.json").read_text())
