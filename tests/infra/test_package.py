"""What is deployed is the app, whatever else is in the folder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.packing import by_azd, by_core_tools, by_git

ROOT = Path(__file__).parent.parent.parent
OTHERS = """
.azure/prod/.env .azurite/queues.json .coverage.host.1 .devcontainer/devcontainer.json
.devhost/taskhub.db .DS_Store .env .github/workflows/test.yml
.venv/lib/python3.13/site-packages/registry/settings.py .venv/pyvenv.cfg .venv-3.13/bin/host.json
.venv-infra/bin/checkov .vscode/settings.json #notes# a&b.txt _scratch.py azure.yaml
build/registry/settings.py copy/function_app.py copy/host.json dist/app.zip
devhost/examples/hello/function_app.py devhost/examples/hello/host.json devhost/requirements.txt
devhost/src/devhost/__pycache__/host.cpython-313.pyc devhost/src/devhost/http/server.py
docs/costs.md function_app.pyc htmlcov/index.html infra/main.bicep infra/main.json
infra/requirements.txt local.settings.json new/registry/web/new.py node_modules/qr/index.js
notes.txt registry.egg-info/PKG-INFO registry.py.txt registry-old/settings.py
registry2/settings.py requirements.in scripts/hook.py tests/page/node_modules/.bin/tsc
tests/page/package.json tests/requirements.txt __pycache__/function_app.cpython-313.pyc
registry/.DS_Store registry/.mypy_cache/3.13/settings.meta.json
registry/__pycache__/settings.cpython-313.pyc registry/domain/registry.pyc registry/notes.txt
registry/web/.DS_Store registry/web/__pycache__/docs.cpython-313.pyc
registry/web/node_modules/.bin/tsc registry/web/page/notes.md registry/web/page/tsconfig.json
"""
"""Files that people and tools leave in the folder; none is for Azure."""


def tracked() -> set[str]:
    """The files under version control."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return {name for name in listed.splitlines() if (ROOT / name).is_file()}


def app() -> set[str]:
    """What Azure needs of them."""
    of_root = {"function_app.py", "host.json", "requirements.txt"}
    of_package = re.compile(r"registry/(\w+/)*\w+\.(py|css|html|js)")
    return {name for name in tracked() if name in of_root or of_package.fullmatch(name)}


@pytest.fixture
def folder(tmp_path) -> Path:
    """The repository with others' files in it, all of them empty."""
    for name in tracked() | set(OTHERS.split()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    shutil.copy(ROOT / ".funcignore", tmp_path)
    return tmp_path


def test_the_app_has_all_of_its_package() -> None:
    """Nothing in registry/ that is under version control is left out."""
    assert {name for name in tracked() if name.startswith("registry/")} < app()

    packages = {name.rpartition("/")[0] for name in app()}
    assert packages >= {"registry/domain", "registry/durable", "registry/web/page"}


@pytest.mark.parametrize("packed", [by_core_tools, by_azd, by_git])
def test_the_app_is_deployed_and_nothing_else(folder, packed) -> None:
    """By the rules of each tool."""
    assert packed(folder) == app()


def test_core_tools_take_copies_of_the_parts(folder) -> None:
    """No rule can keep them from a name that goes on after that of a part, and it does no harm."""
    copies = {"host.json.bak", "registry/.settings.py.swp"}
    for name in copies:
        (folder / name).write_text("")

    assert by_core_tools(folder) - app() == copies
    assert by_azd(folder) == by_git(folder) == app()
