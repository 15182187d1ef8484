"""The repository is in order: its links and versions are right, and it keeps its own limits."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import registry

ROOT = Path(__file__).parent.parent.parent

MOST_ENTRIES = 28
MOST_MODULES = 14
MOST_COLUMNS = 100

CODE = {".py", ".js", ".css", ".html", ".sql", ".sh", ".yml", ".yaml", ".toml", ".in"}
"""Suffixes of what people write by hand; Bicep has a formatter that breaks lines itself."""

VERBATIM = (
    "devhost/tests/conformance/",
    "devhost/tests/refused_apps.py",
    "tests/replay/histories/",
)
"""What was recorded, word for word."""


def git(*arguments: str) -> list[str]:
    """The lines that git prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


TRACKED = [ROOT / name for name in git("ls-files") if (ROOT / name).is_file()]
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(document: Path) -> set[str]:
    """Where links can lead to within it: its headings, in the form that GitHub gives them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nothing_that_a_tool_left_behind_is_tracked() -> None:
    """What .gitignore names is not in the repository."""
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []


def test_the_root_can_be_taken_in_at_a_glance() -> None:
    """Dot files are counted too."""
    entries = {path.relative_to(ROOT).parts[0] for path in TRACKED}
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_no_folder_of_code_has_too_many_modules() -> None:
    """A larger one has parts that deserve a folder and a name."""
    modules = [path for path in TRACKED if path.suffix in (".py", ".js")]
    folders = Counter(relative(path.parent) for path in modules if path.name != "__init__.py")
    large = {folder: count for folder, count in folders.items() if count > MOST_MODULES}
    assert large == {}


def test_no_line_of_code_is_too_long() -> None:
    """For people who read two files side by side."""
    long = [
        f"{relative(path)}:{number}"
        for path in TRACKED
        if path.suffix in CODE or path.name == "Makefile"
        if not relative(path).startswith(VERBATIM)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MOST_COLUMNS and "http" not in line
    ]
    assert long == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document) -> None:
    """To a file of the repository, and to a heading that is there."""
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not re.match(r"https?:", link):
            path, _, anchor = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            assert target in TRACKED or any(target in path.parents for path in TRACKED), link
            assert not anchor or anchor in anchors(target), link


def test_the_changelog_knows_the_version() -> None:
    """The newest version in it is the one of the app."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d\S+) - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert versions[0] == registry.__version__


def test_text_is_as_editorconfig_says() -> None:
    """In UTF-8, with LF, with a newline at the end, and without white space at the end of lines."""
    for path in TRACKED:
        if path.suffix == ".png":
            continue
        text = path.read_bytes().decode()
        is_of_bicep = path == ROOT / "infra" / "main.json"

        assert "\r" not in text, path
        assert text == "" or text.endswith("\n") or is_of_bicep, path
        assert not re.search(r"[ \t]$", text, re.MULTILINE), path


def test_what_editors_start_is_there() -> None:
    """Each task that a launch configuration begins with, and each make target of a task."""
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text())["tasks"]
    launched = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())

    labels = {task.get("label", f"func: {task['command']}") for task in tasks}
    assert {each["preLaunchTask"] for each in launched} <= labels

    commands = [task["command"] for task in tasks] + [container["postCreateCommand"]]
    makefile = (ROOT / "Makefile").read_text()
    for command in commands:
        program, *targets = command.split()
        if program == "make":
            for target in targets:
                assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


def test_the_dev_container_has_the_extensions_that_are_recommended() -> None:
    """All of them, in the same order."""
    recommended = json.loads((ROOT / ".vscode" / "extensions.json").read_text())["recommendations"]
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["customizations"]["vscode"]["extensions"] == recommended
