"""A browser for the tests of the page, found or fetched: python -m tests.browser.fetch"""

import os
import shutil
import sys
from collections.abc import Iterator

from scripts.work import WorkError, main, run, say, told
from tests.browser.chromium import FETCH, candidates, executable, fault


def fetch() -> None:
    """Try each way until there is one that starts. Where none leads to one, a line says why, and
    what to do.
    """
    if executable():
        return
    reasons = []
    for commands in ways():
        try:
            with told("fetching a browser") as show:
                for command in commands:
                    run([*command], show)
        except WorkError as error:
            reasons.append(summary(str(error)))
        if executable():
            return
    reasons += [
        f"{each} does not start ({fault(each)}): {FETCH} installs what it lacks"
        for each in candidates()
    ]
    say(f"no browser for the tests of the page: {'; '.join(reasons)}")


def ways() -> Iterator[list[list[str]]]:
    """The commands of each: Debian's package, where this is root on Debian; then Playwright's own
    browser.
    """
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt = [
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-qq",
            "-o",
            "DPkg::Lock::Timeout=300",
        ]
        yield [[*apt, "update"], [*apt, "install", "--yes", "chromium"]]
    yield [[sys.executable, "-m", "playwright", "install", "chromium"]]


def summary(printed: str) -> str:
    """The first line that tells of an error, else the last one."""
    lines = printed.splitlines()
    return next((line for line in lines if line.startswith(("E: ", "Error: "))), lines[-1])


if __name__ == "__main__":
    main(fetch)
