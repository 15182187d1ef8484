"""`make` says what it can do, and leaves nothing behind that `make clean` forgets."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

KEPT = {"local.settings.json", ".azure"}
"""Ignored by git, but written by hand, or by azd."""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with nothing but the Makefile."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without what a make that runs the tests hands down, such as VENV."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_help_shows_each_target_in_one_line() -> None:
    """In the order of the Makefile, aligned."""
    shown = make(ROOT, "help").stdout.splitlines()

    documented = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[0] for line in shown] == documented
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in shown}) == 1
    assert max(map(len, shown)) <= 100


def test_clean_deletes_what_git_ignores(folder) -> None:
    """In each folder, except for what was written by hand; and nothing else."""
    ignored = (ROOT / ".gitignore").read_text().split()
    names = [line.rstrip("/").replace("*", "-example") for line in ignored]
    for name in [*names, ".venv", ".venv-infra", "registry", "registry/__pycache__"]:
        (folder / name).mkdir(exist_ok=True)
    (folder / "node_modules").rename(folder / "registry" / "kept")
    (folder / "tests" / "page" / "node_modules").mkdir(parents=True)

    assert make(folder, "clean").returncode == 0

    left = {str(each.relative_to(folder)) for each in folder.rglob("*")} - KEPT
    assert left == {"Makefile", "registry", "registry/kept", "tests", "tests/page"}


@pytest.fixture
def locks(folder) -> None:
    """Empty ones."""
    for name in ("requirements.txt", "devhost/requirements.txt", "devhost/pyproject.toml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


def program(folder: Path, line: str) -> Path:
    """A program that stands in for Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def test_a_python_that_is_too_old_is_refused_in_one_line(folder, locks) -> None:
    """Before anything is set up with it."""
    as_old = "import sys; sys.version_info = (3, 10, 13)"
    python = program(folder, f'exec {sys.executable} -c "{as_old}; $2"')

    done = make(folder, "run", f"PYTHON={python}")

    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert said == ["Python 3.11 to 3.13 is needed, not 3.10: set PYTHON=..."]
    assert not list((folder / ".venv").iterdir())


@pytest.mark.parametrize("is_half_made", [False, True])
def test_an_environment_that_was_half_made_is_made_anew(folder, locks, is_half_made) -> None:
    """Any other is only added to: nobody's files are deleted."""
    python = program(folder, 'echo "$*" >> calls; test "$2" != venv')
    (folder / ".venv").mkdir()
    if is_half_made:
        (folder / ".venv" / ".half-made").touch()

    make(folder, "run", f"PYTHON={python}")

    called = (folder / "calls").read_text().splitlines()[-1]
    assert called.split() == ["-m", "venv", *(["--clear"] if is_half_made else []), ".venv"]
    assert (folder / ".venv" / ".half-made").exists()
