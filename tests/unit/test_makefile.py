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


def make(folder: Path, *arguments: str) -> str:
    """Run make there, and return what it prints. Nothing of a make that runs the tests gets in:
    VENV, for one.
    """
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    make(tmp_path, "clean")
    left = {each.name for each in tmp_path.rglob("*")} - KEPT
    assert left == {"Makefile", "registry", "kept.txt"}


def test_the_settings_are_copied_once(tmp_path) -> None:
    """Also beside another target, as an editor asks for them; what is written in them stays."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "local.settings.json.example", tmp_path)
    both = ("PYTHON=echo", "setup-dev", "local.settings.json")
    assert "-m scripts.environment .venv requirements-dev.txt" in make(tmp_path, *both)
    settings = tmp_path / "local.settings.json"
    assert settings.read_text() == (ROOT / "local.settings.json.example").read_text()
    settings.write_text("mine")
    os.utime(settings, (0, 0))
    make(tmp_path, *both)
    assert settings.read_text() == "mine"


def test_help_names_each_target_that_a_person_calls() -> None:
    """In the order of the Makefile, on a line each, aligned."""
    shown = make(ROOT, "help").splitlines()
    text = (ROOT / "Makefile").read_text()
    names = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    assert [line.split()[0] for line in shown] == names
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in shown}) == 1
    assert max(map(len, shown)) <= 120
    assert set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()) == set(names)
