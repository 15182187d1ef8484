"""The page's modules, tested and type-checked by Node. Where that is missing these are skipped, but not in CI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import ROOT, run_tool

TESTS = sorted(str(path) for path in Path(__file__).parent.glob("*.test.js"))


def test_the_modules_do_what_their_tests_say() -> None:
    """Those without a DOM, each by itself."""
    if not (node := shutil.which("node")):
        (pytest.fail if "CI" in os.environ else pytest.skip)("the page's modules were not tested: install Node.js")
    done = subprocess.run([node, "--test", *TESTS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_modules_are_typed() -> None:
    """By JSDoc, strictly."""
    run_tool("tsc", "--project", "tsconfig.json")
