"""GitHub's workflows: what is tested, and how main is deployed. `make check` checks their form."""

import json
import re

import pytest
import yaml

from tests.infra.deployment import INFRA, template
from tests.support.program import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.name: yaml.load(path.read_text(), yaml.BaseLoader) for path in FILES}
TEST = WORKFLOWS["test.yml"]
DEPLOY = WORKFLOWS["azure-dev.yml"]  # the name that `azd pipeline config` looks for
SIGNS_IN = DEPLOY["jobs"]["deploy"]


def commands(job: dict) -> str:
    """All commands of a job."""
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_each_python_is_tested() -> None:
    """By the targets that a person uses, on all versions that can be deployed."""
    job = TEST["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert (
        template()["parameters"]["pythonVersion"]["allowedValues"]
        == job["strategy"]["matrix"]["python"]
    )

    assert "make test" in commands(job)
    assert "make verify" in commands(job)
    assert "BICEP=" in commands(job)
    assert "make audit" in commands(TEST["jobs"]["audit"])


def test_the_template_is_compiled_by_the_version_that_made_it() -> None:
    """Another one would compile another template."""
    run = commands(TEST["jobs"]["bicep"])
    assert "az bicep build --file infra/main.bicep" in run
    assert "az bicep lint --file infra/main.bicep" in run
    assert "git diff --exit-code infra/main.json" in run

    version = template()["metadata"]["_generator"]["version"]
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    (of_container,) = [
        each["bicepVersion"] for each in container["features"].values() if "bicepVersion" in each
    ]
    assert version.startswith(TEST["env"]["BICEP_VERSION"].removeprefix("v") + ".")
    assert of_container == TEST["env"]["BICEP_VERSION"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_of_others_are_pinned(name) -> None:
    """By the commit, with its version beside it."""
    text = (ROOT / ".github" / "workflows" / name).read_text()
    used = re.findall(r"uses: (.*)$", text, re.MULTILINE)

    assert used
    for each in used:
        assert each.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", each)


def test_only_the_deployment_may_do_more_than_read() -> None:
    """It exchanges a token of GitHub for one of Azure, on main only, after the tests."""
    jobs = [(job, workflow) for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]
    for job, workflow in jobs:
        assert workflow["permissions"] == {"contents": "read"}
        more = {"contents": "read", "id-token": "write"} if job is SIGNS_IN else None
        assert job.get("permissions") == more
    assert "--federated-credential-provider github" in " ".join(commands(SIGNS_IN).split())
    assert "client-secret" not in commands(SIGNS_IN)
    assert (SIGNS_IN["if"], SIGNS_IN["needs"]) == ("github.ref == 'refs/heads/main'", "test")
    assert DEPLOY["jobs"]["test"]["uses"] == "./.github/workflows/test.yml"
    assert re.search(r"azd provision --no-prompt\nazd deploy --no-prompt", commands(SIGNS_IN))


def test_a_deployment_gets_every_parameter() -> None:
    """A missing one would fall back to its default. Secure parameters are secrets."""
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    variables = {
        name: re.fullmatch(r"\$\{(\w+)\}", each["value"])[1] for name, each in given.items()
    }
    is_secure = {
        name: each["type"].startswith("secure") for name, each in template()["parameters"].items()
    }
    expected = {
        variable: f"${{{{ {'secrets' if is_secure[name] else 'vars'}.{variable} }}}}"
        for name, variable in variables.items()
    }
    login = {
        f"AZURE_{name}_ID": f"${{{{ vars.AZURE_{name}_ID }}}}"
        for name in ("CLIENT", "TENANT", "SUBSCRIPTION")
    }
    secret = {name: value for name, value in expected.items() if "secrets." in value}
    assert SIGNS_IN["env"].items() == (expected | login).items() - secret.items()
    assert [
        step.get("env") for step in SIGNS_IN["steps"] if "azd provision" in step.get("run", "")
    ] == [secret]
