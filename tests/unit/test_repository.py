"""The repository is in order: what it says of itself is true, and nothing lies about."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import registry

ROOT = Path(__file__).parent.parent.parent


def git(*arguments: str) -> list[str]:
    """The lines that git prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


TRACKED = [ROOT / name for name in git("ls-files")]
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]


def anchors(document: Path) -> set[str]:
    """Where links can lead to within it: its headings, in the form that GitHub gives them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nothing_that_a_tool_left_behind_is_tracked() -> None:
    """What .gitignore names is not in the repository."""
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document) -> None:
    """To a file of the repository, and to a heading that is there."""
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not re.match(r"https?:", link):
            path, _, anchor = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            assert target in TRACKED or any(target in path.parents for path in TRACKED), link
            assert not anchor or anchor in anchors(target), link


def test_the_changelog_knows_the_version() -> None:
    """The newest version in it is the one of the app, and package.json has no other."""
    versions = re.findall(
        r"^## (\d\S+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert versions[0] == registry.__version__
    assert "version" not in json.loads((ROOT / "package.json").read_text())


def test_text_is_as_editorconfig_says() -> None:
    """In UTF-8, with LF, with a newline at the end (but where Bicep writes none), and none ends
    with white space.
    """
    for path in TRACKED:
        if path.suffix != ".png":
            text = path.read_bytes().decode()
            assert "\r" not in text, path
            assert text == "" or text.endswith("\n") or path == ROOT / "infra" / "main.json", path
            assert not re.search(r"[ \t]$", text, re.MULTILINE), path


def test_what_editors_start_is_there() -> None:
    """Each task that a launch configuration begins with, each make target of a task, each module."""
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text())["tasks"]
    launched = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert {each["preLaunchTask"] for each in launched} <= {
        task.get("label", f"func: {task['command']}") for task in tasks
    }
    recommended = json.loads((ROOT / ".vscode" / "extensions.json").read_text())["recommendations"]
    assert container["customizations"]["vscode"]["extensions"] == recommended
    makefile = (ROOT / "Makefile").read_text()
    commands = [task["command"] for task in tasks if task["command"].startswith("make ")]
    targets = [
        target
        for command in [*commands, container["postCreateCommand"]]
        for target in command.split()[1:]
    ]
    assert len(targets) > 5
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
