import json
from datetime import timedelta
from pathlib import Path

import pytest

from registry.settings import Settings, SettingsError, current, read


def test_defaults() -> None:
    """Without settings a registry lives five minutes."""
    assert read({}) == Settings(timedelta(minutes=5), 500, 1024, "anonymous")


def test_each_setting_is_read() -> None:
    """Every setting has its variable; white space and the case of words do not matter."""
    environment = {
        "REGISTRY_OPEN_SECONDS": " 60 ",
        "REGISTRY_MAX_ITEMS": "3",
        "REGISTRY_MAX_ITEM_LENGTH": "10",
        "REGISTRY_AUTH_LEVEL": "Function",
    }
    assert read(environment) == Settings(timedelta(minutes=1), 3, 10, "function")


def test_an_empty_setting_has_its_default() -> None:
    """Empty is as good as missing."""
    assert read({"REGISTRY_OPEN_SECONDS": "", "REGISTRY_AUTH_LEVEL": ""}) == Settings()


@pytest.mark.parametrize("value", ["0", "86401", "-1", "5m", "1.5", "¹", "9" * 5000])
def test_a_number_out_of_range_is_refused(value) -> None:
    """The message names the setting, its value and what is allowed."""
    with pytest.raises(SettingsError) as error:
        read({"REGISTRY_OPEN_SECONDS": value})
    assert str(error.value) == f"REGISTRY_OPEN_SECONDS is {value!r}, but must be a whole number from 1 to 86400"


@pytest.mark.parametrize("value", ["1", "86400"])
def test_the_ends_of_the_range_are_allowed(value) -> None:
    """From 1 to 86400, both included."""
    assert read({"REGISTRY_OPEN_SECONDS": value}).open_for == timedelta(seconds=int(value))


def test_one_line_for_each_mistake() -> None:
    """All mistakes are told at once."""
    with pytest.raises(SettingsError) as error:
        read({"REGISTRY_MAX_ITEMS": "many", "REGISTRY_MAX_ITEM_LENGTH": "0", "REGISTRY_AUTH_LEVEL": "admin"})
    assert str(error.value).splitlines() == [
        "REGISTRY_MAX_ITEMS is 'many', but must be a whole number from 1 to 2000",
        "REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096",
        "REGISTRY_AUTH_LEVEL is 'admin', but must be one of: anonymous, function",
    ]


def test_current_reads_the_environment_once(monkeypatch) -> None:
    """What is set later does not change a running app."""
    current.cache_clear()
    monkeypatch.setenv("REGISTRY_MAX_ITEMS", "7")
    assert current().max_items == 7
    monkeypatch.setenv("REGISTRY_MAX_ITEMS", "8")
    assert current().max_items == 7
    current.cache_clear()


def test_the_example_settings_are_the_defaults() -> None:
    """local.settings.json.example shows every setting with its default."""
    values = json.loads(Path("local.settings.json.example").read_text())["Values"]
    own = {name: value for name, value in values.items() if name.startswith("REGISTRY_")}
    assert len(own) == 4
    assert read(own) == Settings()
