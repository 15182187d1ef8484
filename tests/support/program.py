"""Programs that a machine may lack: then their tests are skipped with a line, and fail in CI."""

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(program: str | None, missing: str, *options: str | Path) -> str:
    """Run a program, and return what it prints, its warnings too; its output explains a failure.

    Where there is none, what is said is `missing`.
    """
    if not program:
        absent(missing)
    done = subprocess.run([program, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def absent(missing: str) -> NoReturn:
    """Skip the test, with a line; in CI let it fail."""
    (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
