"""Node.js, and its tools as package-lock.json has them. A test without them is skipped, but it fails in CI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run_node(*options: str | Path) -> str:
    """Run Node.js, and return what it prints; its output explains a failure."""
    return _run(shutil.which("node"), "node did not run: install Node.js", *options)


def run_tool(name: str, *options: str | Path) -> str:
    """Run a tool of node_modules, and return what it prints; its output explains a failure."""
    found = shutil.which("node") and shutil.which(ROOT / "node_modules" / ".bin" / name)
    return _run(found, f"{name} did not run: install Node.js, then npm ci", *options)


def _run(program: str | None, missing: str, *options: str | Path) -> str:
    if not program:
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    done = subprocess.run([program, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
