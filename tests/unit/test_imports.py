"""What may import what: the app and devhost know nothing of each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imports(*places: str) -> Iterator[tuple[str, str]]:
    """Each file in these places, with each module that it imports."""
    for place in places:
        for file in [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"):
            name = str(file.relative_to(ROOT))
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    yield from ((name, each.name) for each in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield name, node.module


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize(
    ("places", "package"),
    [(("registry", "function_app.py"), "devhost"), (("devhost",), "registry")],
    ids=["the app does not import devhost", "devhost does not import the app"],
)
def test_neither_imports_the_other(places, package) -> None:
    """They are two projects."""
    assert [each for each in imports(*places) if is_in(each[1], package)] == []


def test_tests_and_bench_import_only_the_testing_package_of_devhost() -> None:
    """So the rest of devhost can change without them."""
    of_devhost = [each for each in imports("tests", "bench") if is_in(each[1], "devhost")]
    assert of_devhost
    assert [each for each in of_devhost if not is_in(each[1], "devhost.testing")] == []
