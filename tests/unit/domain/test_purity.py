import ast
from pathlib import Path

import pytest

import registry.domain

MODULES = sorted(Path(registry.domain.__file__).parent.glob("*.py"))
ALLOWED = {
    "__future__",
    "collections",
    "collections.abc",
    "datetime",
    "itertools",
    "json",
    "math",
    "pydantic",
    "pydantic.alias_generators",
    "re",
    "typing",
    "typing_extensions",
}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_domain_is_pure(module) -> None:
    """It imports neither Azure, nor a clock, nor the environment."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    assert {name for name in imported - ALLOWED if not name.startswith("registry.domain")} == set()
    assert "now(" not in module.read_text()
