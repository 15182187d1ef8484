"""`make` leaves nothing behind that git would see, or that `make clean` forgets."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
KEPT = {"local.settings.json", ".azure"}
"""What was written by hand, or names what is deployed."""


def ignored() -> list[str]:
    """The names in .gitignore, each as a name that it stands for."""
    lines = (ROOT / ".gitignore").read_text().split()
    return [line.rstrip("/").replace("*", "-example") for line in lines if not line.startswith("#")]


def git(*options: str) -> list[str]:
    done = subprocess.run(["git", *options], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_nothing_is_tracked_that_a_tool_left_behind() -> None:
    """What .gitignore names is not in git."""
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []


def test_clean_deletes_what_is_ignored(tmp_path) -> None:
    """All of it but what was written by hand; and nothing else."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "registry").mkdir()
    for folder in (tmp_path, tmp_path / "registry"):
        (folder / "kept.txt").touch()
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "kept.cpython-311.pyc").touch()
    for name in ignored():
        (tmp_path / name).mkdir(exist_ok=True)
    for name in (".venv", ".venv-infra", ".venv-3.12"):
        (tmp_path / name).mkdir()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    left = {each.name for each in tmp_path.rglob("*")} - KEPT
    assert left == {"Makefile", "registry", "kept.txt"}


def test_the_settings_are_copied_once(tmp_path) -> None:
    """Also beside another target, as an editor asks for them; what is written in them stays."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "local.settings.json.example", tmp_path)
    both = ["make", "PYTHON=echo", "setup-dev", "local.settings.json"]
    done = subprocess.run(both, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "-m scripts.environment .venv requirements-dev.txt" in done.stdout
    settings = tmp_path / "local.settings.json"
    assert settings.read_text() == (ROOT / "local.settings.json.example").read_text()
    settings.write_text("mine")
    os.utime(settings, (0, 0))
    subprocess.run(both, cwd=tmp_path, check=True, capture_output=True)
    assert settings.read_text() == "mine"


def test_help_names_each_target_that_a_person_calls() -> None:
    """In the order of the Makefile, on a line each, aligned."""
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    text = (ROOT / "Makefile").read_text()
    names = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    assert [line.split()[0] for line in shown] == names
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in shown}) == 1
    assert max(map(len, shown)) <= 120
    assert set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()) == set(names)
