"""What the documents say about the deployment."""

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

DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text()
COSTS = (ROOT / "docs" / "costs.md").read_text()


def section(heading: str) -> str:
    """A section of docs/deployment.md."""
    return DEPLOYMENT.partition(f"## {heading}\n")[2].partition("\n## ")[0]


COMMANDS_BY_HAND = re.findall(r"```sh\n(.*?)```", section("By hand"), re.DOTALL)

FAKE_PROGRAM = """#!/bin/bash
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


def test_each_parameter_is_in_the_table() -> None:
    """Under the variable that azd reads, with its default."""
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    variables = {name: each["value"].strip("${}") for name, each in given.items()}
    parameters = template()["parameters"]
    defaults = {variables[name]: each.get("defaultValue") for name, each in parameters.items()}

    rows = re.findall(r"^\|( `DEPLOY_.*)\|$", section("Parameters"), re.MULTILINE)
    shown = {}
    for row in rows:
        names, default, meaning = (cell.strip() for cell in row.split("|"))
        shown |= {name: (default, meaning) for name in re.findall(r"\w+", names)}

    assert shown.keys() == {name for name in defaults if name.startswith("DEPLOY_")}
    for name, (default, meaning) in shown.items():
        is_shown = default.lower() == str(defaults[name]).lower()
        assert is_shown or (default == "" and meaning.startswith("as the ")), name


def test_the_costs_of_the_availability_test() -> None:
    """They follow from what is deployed: places, frequency and memory."""
    costs = " ".join(COSTS.split()).replace("\u00d7", "*")
    properties = deployed().one("Microsoft.Insights/webtests")["properties"]
    places, an_hour = len(properties["Locations"]), 3600 // properties["Frequency"]
    executions = places * an_hour * 720
    assert f"{places} * {an_hour} * 720 = {executions:,} executions" in costs

    gigabytes = template()["parameters"]["instanceMemoryMB"]["defaultValue"] // 1024
    reconcile, availability = 43_200 * gigabytes, executions * gigabytes
    total = reconcile + availability
    assert f"{reconcile:,} + {availability:,} = {total:,} GB-s" in costs


@pytest.fixture
def clone(tmp_path) -> Path:
    """A fresh clone, and fakes of the programs that would reach Azure."""
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    (tmp_path / "bin").mkdir()
    for name in ("az", "func"):
        program = tmp_path / "bin" / name
        program.write_text(FAKE_PROGRAM)
        program.chmod(0o755)
    return tmp_path / "clone"


def test_the_commands_by_hand(clone, tmp_path) -> None:
    """They run in a fresh clone, one after the other, with devhost in place of Azure."""
    first_words = [block.split()[0] for block in COMMANDS_BY_HAND]
    assert first_words == ["az", "git", "URL=https://$(az", "az"]
    commands = "".join(COMMANDS_BY_HAND).replace("https://$(", "http://$(")
    script = f"set -euo pipefail\n{commands}"

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
        names = set(package.namelist())
    assert {"function_app.py", "host.json", "requirements.txt", "registry/__init__.py"} <= names

    git_status = ["git", "status", "--short"]
    left = subprocess.run(git_status, cwd=clone, capture_output=True, text=True, check=True).stdout
    assert left == "?? calls\n"

    calls = (clone / "calls").read_text()
    assert "func azure functionapp publish func-gifts --python" in calls
    steps = ("deployment sub create", "publish", "group delete")
    assert sorted(steps, key=calls.index) == list(steps)


def test_the_template_takes_the_parameters_of_the_command() -> None:
    """Those without a default are all given, and the group has the name that is used later."""
    command = r"--template-file infra/main.json.*?--parameters (.*?)\n"
    (given,) = re.findall(command, COMMANDS_BY_HAND[0], re.DOTALL)
    names = {pair.partition("=")[0] for pair in given.split()}
    parameters = template()["parameters"]

    assert {name for name, each in parameters.items() if "defaultValue" not in each} == names
    assert "GROUP=rg-holiday" in COMMANDS_BY_HAND[0]
    assert "environmentName=holiday" in given
    assert "[format('rg-{0}', parameters('environmentName'))]" in json.dumps(template())
