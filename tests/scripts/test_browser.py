"""`make test` finds a browser, or fetches one where it may, or says why not."""

import os
import sys

import pytest

from tests.browser import chromium, fetch
from tests.scripts.programs import Programs

PLAYWRIGHT = "python -m playwright install chromium"


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Programs:
    """A path of its own, on which Python stands for Playwright's installer, which has installed nothing yet."""
    programs = Programs(tmp_path / "bin")
    programs.add("python", "echo 'Downloading'; echo 'Error: getaddrinfo ENOTFOUND cdn'; exit 1")
    for name in ("env", "sh"):
        (programs.folder / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(programs.folder))
    monkeypatch.setattr(sys, "executable", str(programs.folder / "python"))
    monkeypatch.setattr(chromium, "of_playwright", lambda: tmp_path / "playwright" / "chrome")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return programs


def give(programs: Programs, name: str) -> str:
    """A command that installs a program."""
    return f"echo > {programs.folder}/{name}; /bin/chmod +x {programs.folder}/{name}"


@pytest.mark.parametrize("name", chromium.NAMES)
def test_one_on_the_path_is_taken(programs, name, capfd) -> None:
    """Nothing is fetched then, nor said."""
    programs.add(name)
    fetch.fetch()
    assert programs.calls() == []
    assert capfd.readouterr().err == ""


def test_that_of_playwright_is_taken(programs, tmp_path) -> None:
    """Where it has installed one."""
    (tmp_path / "playwright").mkdir()
    (tmp_path / "playwright" / "chrome").touch()
    fetch.fetch()
    assert programs.calls() == []
    assert chromium.executable() == str(tmp_path / "playwright" / "chrome")


def test_root_has_the_package_of_debian(programs) -> None:
    """The lists of packages are fetched first: a fresh machine has none."""
    programs.add("apt-get", f'case "$*" in *install*) {give(programs, "chromium")};; esac')
    fetch.fetch()
    options = "apt-get -qq -o DPkg::Lock::Timeout=300"
    assert programs.calls() == [f"{options} update", f"{options} install --yes chromium"]


@pytest.mark.parametrize("user", ["no root", "no Debian"])
def test_others_have_that_of_playwright(programs, monkeypatch, tmp_path, user) -> None:
    """Nobody else may install packages."""
    if user == "no root":
        programs.add("apt-get")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs.add("python", f"/bin/mkdir {tmp_path}/playwright; echo > {tmp_path}/playwright/chrome")
    fetch.fetch()
    assert programs.calls() == [PLAYWRIGHT]


def test_where_none_can_be_had(programs, capfd) -> None:
    """It is no failure; the line at the end says why, for each way."""
    programs.add("apt-get", "echo 'E: Unable to locate package chromium'; echo more; exit 100")
    fetch.fetch()
    assert programs.calls()[-1] == PLAYWRIGHT
    line = "E: Unable to locate package chromium; Error: getaddrinfo ENOTFOUND cdn"
    assert capfd.readouterr().err.splitlines()[-1] == f"no browser for the tests of the page: {line}"
