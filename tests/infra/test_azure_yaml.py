"""azure.yaml, which `azd` deploys by."""

import re
import shlex

import yaml

from infra.await_health import NEEDED
from tests.infra.deployment import deployed
from tests.support.program import ROOT

AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text())


def test_the_service_is_this_app() -> None:
    """A function app in Python; azd finds its site by a tag."""
    assert AZURE["services"] == {
        "registry": {"project": ".", "language": "python", "host": "function"}
    }
    assert deployed().one("Microsoft.Web/sites")["tags"]["azd-service-name"] in AZURE["services"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", AZURE["name"])

    reads_funcignore_as_git_does = ">= 1.23.13"
    assert AZURE["requiredVersions"] == {"azd": reads_funcignore_as_git_does}


def test_the_hook_is_there_on_each_system() -> None:
    """A line for its shell, which azd does not mistake for a file, and runs as it is."""
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


def test_the_hook_needs_the_outputs_of_the_deployment() -> None:
    """All of them, and nothing else."""
    assert set(NEEDED) == deployed().outputs.keys()
