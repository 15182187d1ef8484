"""The options of the command, and what it says where it cannot start."""

import importlib
import inspect
import logging
import os
import sys
import tomllib
from pathlib import Path
from unittest.mock import patch

import pytest

from devhost.__main__ import main

PROJECT = Path(__file__).parents[2]
OPTIONS = ("--port", "--host", "--allow-host", "--app", "--data", "--page", "--verbose", "--faults")


@pytest.fixture
def fails(folder, capsys, monkeypatch):
    """Runs the command, which cannot start; returns what it prints. All else stays as it is."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "function_app", None)
    requests_log = logging.getLogger("devhost.requests")
    level, switch_interval = requests_log.level, sys.getswitchinterval()

    def fails(*options: object) -> str:
        assert main(["--app", str(folder), "--port", "0", *map(str, options)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        return printed.err

    with patch.dict(os.environ):
        yield fails
    requests_log.setLevel(level)
    sys.setswitchinterval(switch_interval)


def refusal(capsys, *options: str) -> str:
    """Run the command with options that it does not take; returns what it prints."""
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_help_names_every_option(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert [each for each in OPTIONS if each not in printed] == []


@pytest.mark.parametrize("port", ["-1", "65536", "http", "\N{SUPERSCRIPT TWO}"])
def test_an_invalid_port(capsys, port) -> None:
    """The message has the value, and what is allowed."""
    assert f"{port!r} is not a port from 0 to 65535" in refusal(capsys, f"--port={port}")


def test_a_folder_that_does_not_exist(capsys, folder) -> None:
    assert f"there is no folder {folder}/x" in refusal(capsys, "--app", f"{folder}/x")


def test_a_data_folder_that_cannot_be_used(fails, folder) -> None:
    """It is a file. There is one line."""
    file = folder / "file"
    file.write_text("")
    (line,) = fails("--data", file).splitlines()
    assert line.startswith("devhost: ")
    assert str(file) in line


def test_an_app_that_fails_to_import(fails, folder) -> None:
    """One line says what is wrong, and where."""
    (folder / "function_app.py").write_text("x = 1 / 0")
    assert fails() == (
        f"devhost: {folder}/function_app.py failed to import at {folder}/function_app.py:1: "
        f"ZeroDivisionError: division by zero\n"
    )


def test_an_app_that_ends_the_worker_at_import(fails, folder) -> None:
    """It is one line, whatever was raised."""
    (folder / "function_app.py").write_text("raise BaseException('no')")
    (line,) = fails().splitlines()
    assert line.endswith("function_app.py:1: BaseException: no")


def test_invalid_settings_of_the_app(fails, folder) -> None:
    """The lines are the app's own."""
    (folder / "function_app.py").write_text(
        "class SettingsError(Exception): ...\n"
        "raise SettingsError('GIFTS is 7, but must be 8\\nSIZE is 0, but must be 1')\n"
    )
    assert fails().splitlines() == [
        "devhost: GIFTS is 7, but must be 8",
        "SIZE is 0, but must be 1",
    ]


def test_the_console_script_calls_main_without_arguments() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["devhost"].partition(":")
    inspect.signature(getattr(importlib.import_module(module), function)).bind()
