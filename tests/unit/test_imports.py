"""What may import what: the app and devhost know nothing of each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules(*places: str) -> Iterator[Path]:
    """The Python files in these places, but not those of an environment."""
    for place in places:
        files = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py")
        yield from (file for file in files if "site-packages" not in file.parts)


def imports_of(package: str, *places: str) -> list[tuple[str, str]]:
    """Each file in these places, with what it imports of a package."""
    found = []
    for file in modules(*places):
        text = file.read_text()
        if package in text:
            found += [(str(file.relative_to(ROOT)), name) for name in imported(ast.parse(text))]
    return [(file, name) for file, name in found if is_in(name, package)]


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize(
    ("places", "package"),
    [(("registry", "function_app.py"), "devhost"), (("devhost",), "registry")],
    ids=["the app does not import devhost", "devhost does not import the app"],
)
def test_neither_imports_the_other(places, package) -> None:
    """They are two projects."""
    assert imports_of(package, *places) == []


def test_tests_and_bench_import_only_the_testing_package_of_devhost() -> None:
    """So the rest of devhost can change without them."""
    of_devhost = imports_of("devhost", "tests", "bench")
    assert of_devhost
    assert [each for each in of_devhost if not is_in(each[1], "devhost.testing")] == []
