"""Imports point down only, from floor to floor."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import devhost

ROOT = Path(devhost.__file__).parent
FLOORS = [
    {"__main__"},
    {"runner", "process"},
    {"terminal", "testing"},
    {"composition"},
    {"management"},
    {"http"},
    {"host"},
    {"engine"},
    {"functions"},
    {"replay", "storage", "settings", "ports"},
    {"printable"},
]
"""From the top. The packages of one floor stand side by side."""
LEVELS = {package: level for level, floor in enumerate(FLOORS) for package in floor}


def imports(path: Path) -> Iterator[str]:
    """The full names of what a module imports, also inside of functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


MODULES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_only(path) -> None:
    """No module imports from a floor above it, or from beside it; nor the app in the repository."""
    package = package_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        imported = rest.partition(".")[0]
        assert top not in ("registry", "function_app"), name
        if top == "devhost" and imported not in ("", package, "__version__"):
            assert LEVELS[imported] > LEVELS[package], f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_imports_testing(path) -> None:
    """A host that serves an app has nothing to do with tests."""
    if package_of(path) not in ("__main__", "testing"):
        assert not any(name.startswith("devhost.testing") for name in imports(path))
