"""`make test` finds a browser, or fetches one where it may, or says why not."""

import os
import sys
from pathlib import Path

import pytest

from tests.browser import chromium, fetch
from tests.scripts.programs import Programs

PLAYWRIGHT = "python -m playwright install chromium"
LACKING = "error while loading shared libraries: libnss3.so: cannot open shared object file"
REMEDY = "python -m playwright install --with-deps chromium installs what it lacks"


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Programs:
    """A path of its own, on which Python stands for Playwright's installer, which has installed
    nothing yet.
    """
    programs = Programs(tmp_path / "bin")
    programs.add("python", "echo 'Downloading'; echo 'Error: getaddrinfo ENOTFOUND cdn'; exit 1")
    for name in ("env", "sh"):
        (programs.folder / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(programs.folder))
    monkeypatch.setattr(sys, "executable", str(programs.folder / "python"))
    monkeypatch.setattr(chromium, "of_playwright", lambda: tmp_path / "playwright" / "chrome")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return programs


@pytest.fixture
def of_playwright(tmp_path) -> Path:
    """Playwright's browser as it is on a small Linux: the file is there, and lacks a library."""
    browser = Programs(tmp_path / "playwright")
    browser.add("chrome", f"echo 'chrome: {LACKING}' >&2; exit 127")
    return browser.folder / "chrome"


def give(path: Path) -> str:
    """A command that installs a program."""
    return f"/bin/mkdir -p {path.parent}; echo '#!/bin/sh' > {path}; /bin/chmod +x {path}"


@pytest.mark.parametrize("name", chromium.NAMES)
def test_one_on_the_path_is_taken(programs, name, capfd) -> None:
    """Nothing is fetched then, nor said; it is started once, to see that it starts."""
    programs.add(name)
    fetch.fetch()
    assert programs.calls() == [f"{name} --version"]
    assert capfd.readouterr().err == ""


def test_that_of_playwright_is_taken(programs, tmp_path) -> None:
    """Where it has installed one."""
    browser = Programs(tmp_path / "playwright")
    browser.add("chrome")
    fetch.fetch()
    assert programs.calls() == []
    assert chromium.executable() == str(browser.folder / "chrome")


def test_one_that_does_not_start_is_none(programs, of_playwright, capfd) -> None:
    """The line at the end says why, and what to do."""
    programs.add("python")
    fetch.fetch()
    assert programs.calls() == [PLAYWRIGHT]
    assert chromium.executable() is None
    line = f"{of_playwright} does not start (chrome: {LACKING}): {REMEDY}"
    assert (
        capfd.readouterr().err.splitlines()[-1] == f"no browser for the tests of the page: {line}"
    )


@pytest.mark.parametrize("then", ["exit 1", "exec /nowhere/snap"])
def test_the_next_one_is_taken(programs, then) -> None:
    """Where the first is only a stub, as Ubuntu's package is."""
    programs.add("chromium", then)
    programs.add("google-chrome")
    fetch.fetch()
    assert programs.calls() == ["chromium --version", "google-chrome --version"]
    assert chromium.executable() == str(programs.folder / "google-chrome")


def test_a_file_that_is_no_program(programs, capfd) -> None:
    """Does not start either."""
    (programs.folder / "chromium").touch(0o755)
    fetch.fetch()
    assert (
        "/chromium does not start ([Errno 8] Exec format error: "
        in capfd.readouterr().err.splitlines()[-1]
    )


def test_root_has_the_package_of_debian(programs) -> None:
    """The lists of packages are fetched first: a fresh machine has none."""
    programs.add("apt-get", f'case "$*" in *install*) {give(programs.folder / "chromium")};; esac')
    fetch.fetch()
    options = "apt-get -qq -o DPkg::Lock::Timeout=300"
    assert programs.calls() == [f"{options} update", f"{options} install --yes chromium"]


@pytest.mark.parametrize("user", ["no root", "no Debian"])
def test_others_have_that_of_playwright(programs, monkeypatch, tmp_path, user) -> None:
    """Nobody else may install packages."""
    if user == "no root":
        programs.add("apt-get")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs.add("python", give(tmp_path / "playwright" / "chrome"))
    fetch.fetch()
    assert programs.calls() == [PLAYWRIGHT]


def test_where_none_can_be_had(programs, capfd) -> None:
    """It is no failure; the line at the end says why, for each way."""
    programs.add("apt-get", "echo 'E: Unable to locate package chromium'; echo more; exit 100")
    fetch.fetch()
    assert programs.calls()[-1] == PLAYWRIGHT
    line = "E: Unable to locate package chromium; Error: getaddrinfo ENOTFOUND cdn"
    assert (
        capfd.readouterr().err.splitlines()[-1] == f"no browser for the tests of the page: {line}"
    )
