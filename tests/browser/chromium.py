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


class NoBrowser(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it headless. Raises NoBrowser."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, NAMES)), None)
        if not found and not Path(playwright.chromium.executable_path).exists():
            raise NoBrowser(HOW_TO_GET_ONE)
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()
