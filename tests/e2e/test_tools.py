"""Tools read the description of the API: linters find nothing, generators make readable clients."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from registry.settings import Settings
from registry.web.pages import describe
from tests.support.node import run_tool


@pytest.fixture
def descriptions(tmp_path) -> list[Path]:
    """Without keys and with keys."""
    paths = [tmp_path / f"{level}.json" for level in ("anonymous", "function")]
    for path in paths:
        path.write_text(json.dumps(describe(Settings(auth_level=path.stem)), indent=2))
    return paths


def test_redocly_finds_nothing(descriptions) -> None:
    """By its recommended rules, neither errors nor warnings."""
    report = run_tool("redocly", "lint", "--extends", "recommended", *descriptions)
    assert "valid" in report
    assert not re.search(r"\d+ (warning|error|problem)", report), report


def test_spectral_finds_nothing(descriptions, tmp_path) -> None:
    """By spectral:oas, down to hints."""
    (tmp_path / "rules.yaml").write_text('extends: ["spectral:oas"]\n')
    report = run_tool(
        "spectral",
        "lint",
        "--fail-severity",
        "hint",
        "--ruleset",
        tmp_path / "rules.yaml",
        *descriptions,
    )
    assert "No results" in report


def test_a_client_in_python(descriptions, tmp_path, monkeypatch, base_url) -> None:
    """Its names are readable, and it sees a registry through on a running host."""
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    command = [Path(sys.executable).parent / "openapi-python-client", "generate", "--meta", "none"]
    options = [
        "--path",
        descriptions[0],
        "--output-path",
        tmp_path / "gifts",
        "--config",
        tmp_path / "config.yaml",
    ]
    subprocess.run([*command, *options], check=True, capture_output=True)
    monkeypatch.syspath_prepend(tmp_path)
    gifts, models = import_module("gifts"), import_module("gifts.models")

    def call(name: str, *arguments: object, **more: object) -> object:
        return import_module(f"gifts.api.registries.{name}").sync(*arguments, client=client, **more)

    with gifts.Client(base_url=base_url) as client:
        opened = call("open_registry")
        assert isinstance(opened, models.Opened)
        added = call(
            "add_to_registry", opened.id, body=models.AddRequest("Bike"), idempotency_key="one"
        )
        assert (added.item, added.item_key, added.items_count) == ("Bike", "one", 1)
        call(
            "add_to_registry", opened.id, body=models.AddRequestForm("Book"), idempotency_key="two"
        )
        call("remove_from_registry", opened.id, body=models.RemoveRequest("one"))
        peeked = call("peek_at_registry", opened.id)
        assert (peeked.status, peeked.registry.items) == (models.ShownStatus.OPEN, ["Book"])
        assert call("finish_registry", opened.id).registry.closed_at > opened.opened_at
        refused = call("add_to_registry", opened.id, item="Late")
        assert (refused.title, refused.type_.value) == (
            "Registry closed",
            "/api/docs#registry-closed",
        )
        assert import_module("gifts.api.host.get_stats").sync(client=client).registry_count > 0


@pytest.mark.verify
def test_types_for_typescript(descriptions, tmp_path) -> None:
    """Their names are readable, and the compiler takes them."""
    types = tmp_path / "gifts.ts"
    run_tool("openapi-typescript", descriptions[0], "--output", types)
    text = types.read_text()
    for call in ("openRegistry", "addToRegistry", "peekAtRegistry", "finishRegistry", "getStats"):
        assert f'operations["{call}"]' in text
    for schema in ("RegistryView", "Opened", "Added", "Shown", "Counts", "Problem"):
        assert re.search(rf"^        {schema}: {{$", text, re.MULTILINE)
    run_tool("tsc", "--noEmit", "--strict", types)
