"""What README and docs/deployment.md say of the deployment."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.e2e.process import Devhost
from tests.infra.deployment import INFRA, deployed, template
from tests.support.program import ROOT

PAGE = (ROOT / "docs" / "deployment.md").read_text()
BY_HAND = (ROOT / "README.md").read_text().partition("### By hand\n")[2].partition("\n### ")[0]
BLOCKS = re.findall(r"```sh\n(.*?)```", BY_HAND, re.DOTALL)

STAND_IN = """#!/bin/bash
echo "$(basename "$0") $*" >> calls
case "$*" in
    *defaultHostName*) echo "$ADDRESS" ;;
    *"[0].name"*) echo func-gifts ;;
    "functionapp keys list"*) echo secret ;;
    "deployment sub create"* | login | "group delete"* | "deployment sub delete"*) ;;
    "functionapp deployment source config-zip"*"--src app.zip") cp app.zip ../sent.zip ;;
    "keyvault list-deleted"* | "azure functionapp publish"*) ;;
    *) echo "unknown: $*" >&2; exit 2 ;;
esac
"""


def test_each_parameter_is_on_the_page() -> None:
    """Under the variable by which azd takes it, with its default."""
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    variables = {name: each["value"].strip("${}") for name, each in given.items()}
    table = PAGE.partition("## Parameters")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.split("|")]
        for row in re.findall(r"^\|( `DEPLOY_.*)\|$", table, re.MULTILINE)
    ]
    defaults = {
        variables[name]: each.get("defaultValue") for name, each in template()["parameters"].items()
    }
    shown = {
        name: (default, allowed)
        for names, default, allowed in rows
        for name in re.findall(r"\w+", names)
    }
    assert shown.keys() == {name for name in defaults if name.startswith("DEPLOY_")}
    for name, (default, allowed) in shown.items():
        is_shown = default.lower() == str(defaults[name]).lower()
        assert is_shown or (default == "" and allowed.startswith("as the ")), name


def test_the_costs_of_the_availability_test() -> None:
    """By what is deployed: places, seconds between two executions, memory; and those of `heal`
    beside it.
    """
    costs = " ".join((ROOT / "docs" / "costs.md").read_text().split()).replace("\u00d7", "*")
    properties = deployed().one("Microsoft.Insights/webtests")["properties"]
    places, an_hour = len(properties["Locations"]), 3600 // properties["Frequency"]
    executions = places * an_hour * 720
    assert f"{places} * {an_hour} * 720 = {executions:,} executions" in costs
    gigabytes = template()["parameters"]["instanceMemoryMB"]["defaultValue"] // 1024
    of_heal, of_test = 43_200 * gigabytes, executions * gigabytes
    assert f"{of_heal:,} + {of_test:,} = {of_heal + of_test:,} GB-s" in costs


@pytest.fixture
def clone(tmp_path) -> Path:
    """A fresh clone in a folder of its own, with programs that stand in for those which reach
    Azure.
    """
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    (tmp_path / "bin").mkdir()
    for name in ("az", "func"):
        program = tmp_path / "bin" / name
        program.write_text(STAND_IN)
        program.chmod(0o755)
    return tmp_path / "clone"


def test_the_commands_by_hand(clone, tmp_path) -> None:
    """They run from a fresh clone as they stand there, one after the other; the smoke test on a
    host that is there.
    """
    assert [block.split()[0] for block in BLOCKS] == ["az", "git", "URL=https://$(az", "az"]
    script = "set -euo pipefail\n" + "".join(BLOCKS).replace("https://$(", "http://$(")
    with Devhost(tmp_path / "data") as host:
        environment = os.environ | {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "ADDRESS": host.url.removeprefix("http://"),
        }
        done = subprocess.run(
            ["bash", "-c", script], cwd=clone, env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"item": "Commodore 64"' in done.stdout
    assert '"closedBy": "user"' in done.stdout
    assert f"The page: {host.url}/?code=secret" in done.stdout
    with zipfile.ZipFile(clone.parent / "sent.zip") as package:
        assert {"function_app.py", "host.json", "requirements.txt", "registry/model.py"} <= set(
            package.namelist()
        )
    left = subprocess.run(
        ["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout
    assert left == "?? calls\n"
    calls = (clone / "calls").read_text()
    assert "func azure functionapp publish func-gifts --python" in calls
    assert (
        calls.index("deployment sub create") < calls.index("publish") < calls.index("group delete")
    )


def test_the_template_that_is_named_takes_what_it_is_given() -> None:
    """No parameter without a default is left out, and none is made up; the group has the name that
    is used later.
    """
    (given,) = re.findall(
        r"--template-file infra/main.json.*?--parameters (.*?)\n", BLOCKS[0], re.DOTALL
    )
    names = {pair.partition("=")[0] for pair in given.split()}
    parameters = template()["parameters"]
    assert {name for name, each in parameters.items() if "defaultValue" not in each} == names
    assert "GROUP=rg-holiday" in BLOCKS[0]
    assert "environmentName=holiday" in given
    assert "[format('rg-{0}', parameters('environmentName'))]" in json.dumps(template())
