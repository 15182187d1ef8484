import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "durable", "web")
"""From the lowest to the highest."""


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_of_the_app_imports_a_higher_one(layer) -> None:
    higher = LAYERS[LAYERS.index(layer) + 1 :]
    imported = {name for file in (ROOT / "registry" / layer).rglob("*.py") for name in names(file)}
    assert imported
    assert not [
        name for name in imported if name.startswith(tuple(f"registry.{up}" for up in higher))
    ]


def names(file: Path) -> set[str]:
    """The modules that a module imports."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    plain = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    return plain | {
        f"{node.module}.{each.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }
