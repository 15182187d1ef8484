"""The page's modules, tested and type-checked by Node. Where that is missing these are skipped, but not in CI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TESTS = sorted(str(path) for path in Path(__file__).parent.glob("*.test.js"))


def run(*command: str) -> None:
    """Run a command, whose output explains a failure."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def needed(tool: str | Path, how: str) -> str:
    """Where a tool is; the test is skipped where it is missing, or fails where CI is set."""
    found = shutil.which(tool)
    if not found:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"did not run, for {tool} is missing: {how}")
    return found or ""


def test_the_modules_do_what_their_tests_say() -> None:
    """Those without a DOM, each by itself."""
    run(needed("node", "install Node.js 20 or later"), "--test", *TESTS)


def test_the_modules_are_typed() -> None:
    """By JSDoc, strictly."""
    run(needed(ROOT / "node_modules/.bin/tsc", "npm ci"), "--project", "tsconfig.json")
