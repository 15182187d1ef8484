"""A Chromium that Playwright drives: the system's, or the one that Playwright has installed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HOW_TO_GET_ONE = "no browser was found: apt-get install chromium, or python -m playwright install chromium"
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
    """Where it is, if there is one on this machine."""
    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    path = of_playwright()
    return str(path) if path.exists() else None


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
