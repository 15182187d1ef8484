"""The Bicep compiler: what BICEP names, else `bicep` of the path. A test without it is skipped, but it fails in CI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run_bicep(*options: str | Path) -> str:
    """Run the compiler, and return what it prints, its warnings too; its output explains a failure."""
    program = shutil.which(os.environ.get("BICEP") or "bicep")
    if not program:
        (pytest.fail if "CI" in os.environ else pytest.skip)("bicep did not run: name it in BICEP, or install it")
    done = subprocess.run([program, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
