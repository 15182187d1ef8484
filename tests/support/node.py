"""Tools of Node.js, as package-lock.json has them. Where they are missing a test is skipped, but it fails in CI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run_tool(name: str, *options: str | Path) -> str:
    """Run a tool of node_modules, and return what it prints; its output explains a failure."""
    found = shutil.which(ROOT / "node_modules" / ".bin" / name)
    if not (found and shutil.which("node")):
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{name} did not run: install Node.js, then npm ci")
    done = subprocess.run([found, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
