"""A Chromium that Playwright drives: the system's, or one that Playwright has installed.

`python -m tests.browser.chromium` fails where there is none.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

NONE = (
    "no browser was found that starts: apt-get install chromium, "
    "or python -m playwright install --with-deps chromium"
)

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it headless. Raises FileNotFoundError."""
    found = executable()
    if not found:
        raise FileNotFoundError(NONE)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


def executable() -> str | None:
    """The path of the first one on this machine that starts."""
    return next(filter(starts, candidates()), None)


def candidates() -> Iterator[str]:
    """Those that are on this machine, whether they start or not."""
    yield from filter(None, map(shutil.which, NAMES))

    with sync_playwright() as playwright:
        installed = Path(playwright.chromium.executable_path)
    if installed.exists():
        yield str(installed)


def starts(path: str) -> bool:
    """Try it: Ubuntu's is a stub, and one that was only unpacked may lack libraries."""
    try:
        return not subprocess.run([path, "--version"], capture_output=True).returncode
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not executable())
