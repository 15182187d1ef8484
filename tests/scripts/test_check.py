"""`make check` says which tools found something, and which ones are not there."""

from pathlib import Path

import pytest

from scripts import check
from tests.scripts.programs import Programs

NODE = "biome, tsc and markdownlint did not run: install Node.js and npm\n"
FETCH = "biome, tsc and markdownlint did not run: run `make setup-node`\n"
BICEP = "bicep lint and format did not run: install Bicep\n"


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Programs:
    """A project with a template, and tools that find nothing; outside of CI."""
    programs = Programs(tmp_path / "bin")
    for name in (
        "ruff",
        "mypy",
        "check-jsonschema",
        "node",
        "npm",
        "biome",
        "tsc",
        "markdownlint-cli2",
        "bicep",
    ):
        programs.add(name)
    monkeypatch.setenv("PATH", str(programs.folder))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BICEP", raising=False)
    monkeypatch.setattr(check, "PYTHON", programs.folder)
    monkeypatch.setattr(check, "NODE", programs.folder)
    monkeypatch.chdir(tmp_path)
    Path("infra").mkdir()
    Path("infra/main.bicep").touch()
    return programs


def outcome() -> int:
    with pytest.raises(SystemExit) as ended:
        check.main()
    return int(ended.value.code or 0)


def test_nothing_is_said_when_nothing_is_found(programs, capsys) -> None:
    """By each of the tools."""
    assert outcome() == 0
    assert capsys.readouterr().err == ""
    called = {line.split()[0] for line in programs.calls()}
    assert called == {"ruff", "mypy", "biome", "tsc", "markdownlint-cli2", "bicep"}


@pytest.mark.parametrize("name", ["ruff", "mypy", "biome", "tsc", "markdownlint-cli2"])
def test_what_is_found_is_shown(programs, capsys, name) -> None:
    """And fails; the others have run too."""
    programs.add(name, f"echo a fault found by {name}; exit 1")
    assert outcome() == 1
    assert f"a fault found by {name}" in capsys.readouterr().err
    assert {"mypy", "tsc", "bicep"} <= {line.split()[0] for line in programs.calls()}


def test_a_warning_of_bicep_fails(programs, capsys) -> None:
    """Although the compiler ends well with one."""
    programs.add("bicep", 'if [ "$1" = lint ]; then echo "Warning no-unused-params" >&2; fi')
    assert outcome() == 1
    assert "Warning no-unused-params" in capsys.readouterr().err


def test_what_the_formatter_of_bicep_would_change(programs, capsys) -> None:
    """Is named, and not changed."""
    programs.add("bicep", 'if [ "$1" = format ]; then echo formatted > infra/main.bicep; fi')
    assert outcome() == 1
    assert (
        capsys.readouterr().err
        == "infra/main.bicep: not as `bicep format infra/main.bicep` writes it\n"
    )
    assert Path("infra/main.bicep").read_text() == ""


@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize(("name", "line"), [("node", NODE), ("tsc", FETCH), ("bicep", BICEP)])
def test_a_tool_that_is_missing(programs, capsys, monkeypatch, name, line, ci) -> None:
    """One line says so; in CI it is a failure."""
    (programs.folder / name).unlink()
    if ci:
        monkeypatch.setenv("CI", "true")
    assert outcome() == ci
    assert capsys.readouterr().err == line


def test_npm_is_needed_only_to_fetch_the_tools(programs, capsys) -> None:
    """Not to run them."""
    (programs.folder / "npm").unlink()
    assert outcome() == 0
    (programs.folder / "tsc").unlink()
    assert outcome() == 0
    assert capsys.readouterr().err == NODE


def test_bicep_where_the_environment_names_it(programs, monkeypatch, capsys) -> None:
    """The variable wins over the path; and without a template it is not needed."""
    (programs.folder / "bicep").rename(programs.folder / "other")
    monkeypatch.setenv("BICEP", str(programs.folder / "other"))
    assert outcome() == 0
    assert sum(line.startswith("bicep ") for line in programs.calls()) == 2
    monkeypatch.setenv("BICEP", "/nowhere/bicep")
    assert outcome() == 0
    assert capsys.readouterr().err == BICEP
    Path("infra/main.bicep").unlink()
    assert outcome() == 0
    assert capsys.readouterr().err == ""


def test_the_workflows_are_checked(programs) -> None:
    """Where there are any."""
    Path(".github/workflows").mkdir(parents=True)
    Path(".github/workflows/test.yml").touch()
    assert outcome() == 0
    assert (
        "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/test.yml"
        in programs.calls()
    )
