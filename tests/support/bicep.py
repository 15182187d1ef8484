"""The Bicep compiler: what BICEP names, else `bicep` of the path."""

import os
import shutil
from pathlib import Path

from tests.support.program import run


def run_bicep(*options: str | Path) -> str:
    """Run the compiler; returns what it prints, warnings too. Its output explains a failure."""
    found = shutil.which(os.environ.get("BICEP") or "bicep")
    return run(found, "bicep did not run: name it in BICEP, or install it", *options)
