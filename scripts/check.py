"""Every check of style and types, a few at a time: python -m scripts.check, with the Python of the
environment
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.work import say

Check = Callable[[], str]
"""Returns what it found, empty if nothing."""

PYTHON = Path(sys.executable).parent
NODE = Path("node_modules/.bin")


def main() -> None:
    """Run those whose tools are there, and show what they found. What is missing is named; in CI
    that is a failure.
    """
    checks, missing = [*python_checks()], []
    for more in (node_checks, bicep_checks):
        try:
            checks += more()
        except FileNotFoundError as error:
            missing.append(str(error))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [each for each in pool.map(lambda check: check(), checks) if each]
    for each in found + missing:
        say(each)
    sys.exit(bool(found or (missing and "CI" in os.environ)))


def python_checks() -> Iterator[Check]:
    """Python, and the workflows by their schema."""
    yield tool(PYTHON / "ruff", "check", ".")
    yield tool(PYTHON / "ruff", "format", "--check", ".")
    yield tool(PYTHON / "mypy")
    if workflows := sorted(Path(".github/workflows").glob("*.yml")):
        yield tool(
            PYTHON / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows
        )


def node_checks() -> Iterator[Check]:
    """The page's scripts and styles, JSON, and Markdown. Raises FileNotFoundError."""
    biome, tsc, markdownlint = (NODE / name for name in ("biome", "tsc", "markdownlint-cli2"))
    if not (shutil.which("node") and biome.exists() and tsc.exists() and markdownlint.exists()):
        remedy = (
            "run `make setup-node`"
            if shutil.which("node") and shutil.which("npm")
            else "install Node.js and npm"
        )
        raise FileNotFoundError(f"biome, tsc and markdownlint did not run: {remedy}")
    yield tool(biome, "lint", "--error-on-warnings")
    yield tool(tsc, "--project", "tsconfig.json")
    yield tool(markdownlint)


def bicep_checks() -> Iterator[Check]:
    """What is deployed with, if there is any. Raises FileNotFoundError."""
    bicep = shutil.which(os.environ.get("BICEP", "bicep"))
    if any(Path("infra").rglob("*.bicep")):
        if not bicep:
            raise FileNotFoundError("bicep lint and format did not run: install Bicep")
        yield tool(bicep, "lint", "--pattern", "infra/**/*.bicep", is_quiet=True)
        yield lambda: bicep_format(bicep)


def tool(*command: str | Path, is_quiet: bool = False) -> Check:
    """A command that finds something when it fails, or when it must be quiet and is not."""

    def check() -> str:
        done = subprocess.run(command, capture_output=True, text=True)
        found = done.returncode or (is_quiet and done.stdout + done.stderr)
        return (
            f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}".strip() if found else ""
        )

    return check


def bicep_format(bicep: str) -> str:
    """Compare each file with what the formatter makes of a copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree("infra", Path(folder) / "infra")
        files = [each.relative_to(folder) for each in sorted(copy.rglob("*.bicep*"))]
        for kind in {each.suffix for each in files}:
            subprocess.run(
                [bicep, "format", "--pattern", f"infra/**/*{kind}"], cwd=folder, check=True
            )
        changed = [str(each) for each in files if (folder / each).read_bytes() != each.read_bytes()]
    return "\n".join(f"{each}: not as `bicep format {each}` writes it" for each in changed)


if __name__ == "__main__":
    main()
