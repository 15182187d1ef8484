"""A Chromium that Playwright drives: the system's, or the one that Playwright has installed."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FETCH = "python -m playwright install --with-deps chromium"
HOW_TO_GET_ONE = f"no browser that starts was found: apt-get install chromium, or {FETCH}"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """Where it is, if there is one on this machine that starts."""
    return next((each for each in candidates() if not fault(each)), None)


def candidates() -> Iterator[str]:
    """Those that are on this machine, whether they start or not."""
    yield from filter(None, map(shutil.which, NAMES))
    if (path := of_playwright()).exists():
        yield str(path)


def fault(path: str) -> str:
    """Why it does not start, empty if it does: what was only unpacked may lack libraries of the
    system.
    """
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return " ".join(done.stderr.splitlines()[-1:]) or "it failed" if done.returncode else ""


def of_playwright() -> Path:
    """Where Playwright would have installed it."""
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it headless. Raises FileNotFoundError."""
    found = executable()
    if not found:
        raise FileNotFoundError(HOW_TO_GET_ONE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()
