"""Node.js, and its tools as tests/page/package-lock.json pins them."""

import shutil
from pathlib import Path

from tests.support.program import ROOT, run


def run_node(*options: str | Path) -> str:
    """Run Node.js, and return what it prints; its output explains a failure."""
    return run(shutil.which("node"), "node did not run: install Node.js", *options)


def run_tool(name: str, *options: str | Path) -> str:
    """Run a tool of tests/page/node_modules, and return what it prints, also where it fails."""
    found = shutil.which("node") and shutil.which(ROOT / "tests/page/node_modules/.bin" / name)
    return run(found, f"{name} did not run: install Node.js, then make setup", *options)
