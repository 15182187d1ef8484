"""node_modules is what package-lock.json says, where there is npm."""

import pytest

from scripts import node
from tests.scripts.programs import Programs

INSTALL = "mkdir -p node_modules && echo {} > node_modules/.package-lock.json"


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Programs:
    """A project with a lock, and a path that has nothing of Node.js yet."""
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{programs.folder}:/bin:/usr/bin")
    monkeypatch.setattr(
        "shutil.which",
        lambda name: str(path) if (path := programs.folder / name).exists() else None,
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package-lock.json").write_text('{"tool": "1.0"}')
    return programs


def test_once_for_each_lock(programs, tmp_path, capfd) -> None:
    """Again only when it has changed, or is not whole."""
    programs.add("npm", INSTALL)
    for _ in range(2):
        node.prepare()
    assert programs.calls() == ["npm ci --no-audit --no-fund"]
    assert capfd.readouterr().err.startswith("setting up node_modules from package-lock.json ...\n")
    (tmp_path / "package-lock.json").write_text('{"tool": "1.1"}')
    node.prepare()
    (tmp_path / "node_modules" / ".package-lock.json").unlink()
    node.prepare()
    assert len(programs.calls()) == 2


def test_without_npm_nothing_is_done(programs, tmp_path, capfd) -> None:
    """What needs it says so."""
    node.prepare()
    assert not (tmp_path / "node_modules").exists()
    assert capfd.readouterr().err == ""


def test_without_a_network(programs, capfd) -> None:
    """It is no failure, but a line; and the next time it is tried again."""
    programs.add("npm", "echo npm error network request failed; exit 1")
    for _ in range(2):
        node.prepare()
        said = capfd.readouterr().err
        assert said.endswith(
            "\nnpm error network request failed\n"
            + "What is to be installed was not reached: is there a network?\n"
        )
    assert len(programs.calls()) == 2
