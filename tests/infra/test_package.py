"""What is deployed is the app, whatever else lies about."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.packing import by_azd, by_core_tools, by_git

ROOT = Path(__file__).parent.parent.parent
LYING_ABOUT = """
.azure/prod/.env .azurite/queues.json .coverage.host.1 .devcontainer/devcontainer.json .devhost/taskhub.db .DS_Store
.env .github/workflows/test.yml .venv/lib/python3.13/site-packages/registry/model.py .venv/pyvenv.cfg
.venv-3.13/bin/host.json .venv-infra/bin/checkov .vscode/settings.json #notes# a&b.txt _scratch.py azure.yaml
build/registry/model.py copy/function_app.py copy/host.json devhost/__pycache__/app.cpython-313.pyc docs/costs.md
dist/app.zip function_app.pyc htmlcov/index.html infra/main.bicep infra/main.json infra/requirements.txt
local.settings.json new/registry/web/new.py node_modules/.bin/tsc node_modules/qr/index.js notes.txt
registry.egg-info/PKG-INFO registry.py.txt registry-old/model.py registry2/model.py requirements.in
requirements-dev.txt scripts/hook.py __pycache__/function_app.cpython-313.pyc registry/.DS_Store
registry/__pycache__/model.cpython-313.pyc registry/model.pyc registry/notes.txt registry/web/.DS_Store
registry/web/__pycache__/api.cpython-313.pyc registry/web/page/notes.md registry/web/page/tsconfig.json
registry/web/node_modules/.bin/tsc registry/.mypy_cache/3.13/model.meta.json
"""
"""Files that people, tools and times to come leave in the folder; none is for Azure."""


def tracked() -> set[str]:
    """The files under version control."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return {name for name in listed.splitlines() if (ROOT / name).is_file()}


def app() -> set[str]:
    """What Azure needs: the composition root, the host's file, the requirements, and the package
    with its pages.
    """
    return {
        name
        for name in tracked()
        if name in ("function_app.py", "host.json", "requirements.txt")
        or re.fullmatch(r"registry/((\w+/)?\w+\.py|web/(docs\.css|home/\w+\.(html|css|js)))", name)
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    """The repository with all that may lie about in it."""
    for name in tracked() | set(LYING_ABOUT.split()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    shutil.copy(ROOT / ".funcignore", tmp_path)
    return tmp_path


def test_the_app_has_all_of_its_package() -> None:
    """Nothing of registry/ that is under version control is left out."""
    assert {name for name in tracked() if name.startswith("registry/")} < app()
    assert len([name for name in app() if name.startswith("registry/web/page/")]) == 8


@pytest.mark.parametrize("packed", [by_core_tools, by_azd, by_git])
def test_the_app_is_deployed_and_nothing_else(folder, packed) -> None:
    """By the rules of each tool."""
    assert packed(folder) == app()


def test_core_tools_take_copies_of_the_parts(folder) -> None:
    """No rule can keep it from what goes on after the name of a part: it is the one thing more, and
    no harm.
    """
    for name in ("host.json.bak", "registry/.model.py.swp"):
        (folder / name).write_text("")
    assert by_core_tools(folder) - app() == {"host.json.bak", "registry/.model.py.swp"}
    assert by_azd(folder) == by_git(folder) == app()
