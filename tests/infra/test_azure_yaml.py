"""azure.yaml, by which `azd` deploys."""

import re
import shlex

import yaml

from tests.infra.deployment import deployed
from tests.support.program import ROOT

AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text())


def test_the_service_is_this_app() -> None:
    """A function app in Python, which is deployed to the site with its tag."""
    assert AZURE["services"] == {
        "registry": {"project": ".", "language": "python", "host": "function"}
    }
    assert deployed().one("Microsoft.Web/sites")["tags"]["azd-service-name"] in AZURE["services"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", AZURE["name"])
    assert AZURE["requiredVersions"] == {"azd": ">= 1.23.13"}  # which reads .funcignore as git does


def test_the_hook_is_there_on_each_system() -> None:
    """A line for its shell, which azd does not take for a file, and so runs as it is in the folder
    of azure.yaml.
    """
    assert AZURE["hooks"].keys() == {"postdeploy"}
    hook = AZURE["hooks"]["postdeploy"]
    assert {system: line["shell"] for system, line in hook.items()} == {
        "posix": "sh",
        "windows": "pwsh",
    }
    for line in hook.values():
        program, script = shlex.split(line["run"])
        assert program.startswith("python")
        assert script == "infra/await_health.py"
        assert not (ROOT / line["run"]).exists()
        assert line["interactive"] is True  # shows what it says while it waits


def test_the_hook_is_told_all_that_it_asks_for() -> None:
    """By the outputs of the deployment."""
    script = (ROOT / "infra" / "await_health.py").read_text()
    asked = set(re.findall(r'"((?:FUNCTION|AZURE)_[A-Z_]+)"', script))
    assert asked == deployed().outputs.keys()
