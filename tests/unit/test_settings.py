import base64
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from registry.domain.registry import Backoff
from registry.durable.webhook import Webhook
from registry.settings import Settings, SettingsError, current, read, unknown_names

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


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
        "REGISTRY_RETENTION_DAYS": "7",
        "REGISTRY_FORGET_SCHEDULE": " 0  30 4 * * MON-FRI ",
        "PROCESSING_WEBHOOK_URL": "https://example.org:8443/hook?for=gifts",
        "PROCESSING_WEBHOOK_SECRET": SECRET,
        "PROCESSING_TIMEOUT_SECONDS": "3",
        "PROCESSING_FIRST_RETRY_SECONDS": "1",
        "PROCESSING_LONGEST_RETRY_SECONDS": "600",
        "PROCESSING_RETRY_HOURS": "2",
    }
    assert read(environment) == Settings(
        open_for=timedelta(minutes=1),
        max_items=3,
        max_item_length=10,
        auth_level="function",
        webhook=Webhook("https://example.org:8443/hook?for=gifts", SECRET, 3),
        backoff=Backoff(1, 600, 7200),
        retention=timedelta(days=7),
        forget_schedule="0 30 4 * * MON-FRI",
    )


def test_an_empty_setting_has_its_default() -> None:
    """Empty is as good as missing."""
    assert read({"REGISTRY_OPEN_SECONDS": "", "REGISTRY_AUTH_LEVEL": ""}) == Settings()


@pytest.mark.parametrize("value", ["0", "86401", "-1", "5m", "1.5", "¹", "9" * 5000])
def test_a_number_out_of_range_is_refused(value) -> None:
    """The message names the setting, its value and what is allowed."""
    with pytest.raises(SettingsError) as error:
        read({"REGISTRY_OPEN_SECONDS": value})
    assert (
        str(error.value)
        == f"REGISTRY_OPEN_SECONDS is {value!r}, but must be a whole number from 1 to 86400"
    )


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("REGISTRY_OPEN_SECONDS", 1, 86_400),
        ("REGISTRY_MAX_ITEMS", 1, 1_000),
        ("REGISTRY_MAX_ITEM_LENGTH", 1, 4_096),
        ("REGISTRY_RETENTION_DAYS", 0, 3_650),
        ("PROCESSING_TIMEOUT_SECONDS", 1, 60),
        ("PROCESSING_FIRST_RETRY_SECONDS", 1, 3_600),
        ("PROCESSING_LONGEST_RETRY_SECONDS", 600, 86_400),
        ("PROCESSING_RETRY_HOURS", 0, 168),
    ],
)
def test_the_range_of_each_number(name, lowest, highest) -> None:
    """Both ends are allowed, what is beyond them is refused; docs/settings.md says the same."""
    for value in (lowest, highest):
        assert read({name: str(value)})
    for value in (lowest - 1, highest + 1):
        with pytest.raises(SettingsError) as error:
            read({name: str(value)})
        assert (
            str(error.value)
            == f"{name} is '{value}', but must be a whole number from {lowest} to {highest}"
        )
    (allowed,) = re.findall(
        rf"^\| `{name}` \| .*? \| (\d+) to (\d+):",
        Path("docs/settings.md").read_text(),
        re.MULTILINE,
    )
    assert tuple(map(int, allowed)) == (lowest, highest)


def test_one_line_for_each_mistake() -> None:
    """All mistakes are told at once."""
    with pytest.raises(SettingsError) as error:
        read(
            {
                "REGISTRY_MAX_ITEMS": "many",
                "REGISTRY_MAX_ITEM_LENGTH": "0",
                "REGISTRY_AUTH_LEVEL": "admin",
            }
        )
    assert str(error.value).splitlines() == [
        "REGISTRY_MAX_ITEMS is 'many', but must be a whole number from 1 to 1000",
        "REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096",
        "REGISTRY_AUTH_LEVEL is 'admin', but must be one of: anonymous, function",
    ]


def test_the_rules_show_no_value() -> None:
    """They are for those who must not see what an operator has set: a secret may stand in the wrong
    setting.
    """
    with pytest.raises(SettingsError) as error:
        read(
            {
                "REGISTRY_MAX_ITEMS": SECRET,
                "REGISTRY_AUTH_LEVEL": SECRET,
                "REGISTRY_FORGET_SCHEDULE": SECRET,
                "PROCESSING_WEBHOOK_URL": SECRET,
                "PROCESSING_WEBHOOK_SECRET": f"{SECRET}!",
            }
        )
    assert sorted(error.value.rules) == [
        "PROCESSING_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64",
        "PROCESSING_WEBHOOK_URL must be a URL that begins with https:// or http://",
        "REGISTRY_AUTH_LEVEL must be one of: anonymous, function",
        "REGISTRY_FORGET_SCHEDULE must be an NCRONTAB expression of six fields",
        "REGISTRY_MAX_ITEMS must be a whole number from 1 to 1000",
    ]


def test_a_reference_that_is_not_resolved_is_no_secret() -> None:
    """Azure leaves the reference in place of the value: it would sign nothing that the receiver
    believes.
    """
    with pytest.raises(SettingsError) as error:
        read({"PROCESSING_WEBHOOK_SECRET": "@Microsoft.KeyVault(VaultName=v;SecretName=s)"})
    assert error.value.rules == (
        "PROCESSING_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64",
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "REGISTRY_MAX_ITEM",
            "REGISTRY_MAX_ITEM is not a setting; REGISTRY_MAX_ITEMS may be meant",
        ),
        (
            "registry_max_items",
            "registry_max_items is not a setting; REGISTRY_MAX_ITEMS may be meant",
        ),
        (
            "REGISTRY_OPEN_SECS",
            "REGISTRY_OPEN_SECS is not a setting; REGISTRY_OPEN_SECONDS may be meant",
        ),
        (
            "PROCESSING_RETRY_HOUR",
            "PROCESSING_RETRY_HOUR is not a setting; PROCESSING_RETRY_HOURS may be meant",
        ),
        ("REGISTRY_STORAGE", "REGISTRY_STORAGE is not a setting"),
    ],
)
def test_an_unknown_name_is_told(name, line) -> None:
    """With the setting that it is like; it may be another program's, and stops nothing."""
    assert unknown_names({name: "5"}) == [line]
    assert read({name: "5"}) == Settings()


def test_known_and_foreign_names_are_not_told() -> None:
    """What begins otherwise is no business of the app's."""
    assert unknown_names({"REGISTRY_MAX_ITEMS": "5", "PROCESSOR_LEVEL": "6", "PATH": "/bin"}) == []


def test_an_unknown_name_is_told_beside_mistakes() -> None:
    """A setting may be missing because its name is misspelt."""
    with pytest.raises(SettingsError) as error:
        read({"PROCESSING_WEBHOOK_URL": "https://example.org", "PROCESSING_WEBHOOK_SECRT": SECRET})
    assert str(error.value).splitlines() == list(error.value.rules)
    assert error.value.rules[0].startswith("PROCESSING_WEBHOOK_SECRET is missing")
    assert error.value.rules[1:] == (
        "PROCESSING_WEBHOOK_SECRT is not a setting; PROCESSING_WEBHOOK_SECRET may be meant",
    )


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "example.org", "https://", "https://x:99999/", "https://[x/", "http://a b/\n"],
)
def test_a_webhook_url_that_is_none_is_refused(url) -> None:
    """Without showing it: a URL may hold a token."""
    with pytest.raises(SettingsError) as error:
        read({"PROCESSING_WEBHOOK_URL": url, "PROCESSING_WEBHOOK_SECRET": SECRET})
    assert (
        str(error.value)
        == "PROCESSING_WEBHOOK_URL must be a URL that begins with https:// or http://"
    )


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        SECRET[6:],
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_" + "A" * 92,
        SECRET + "!",
        SECRET + "é",
    ],
)
def test_a_secret_that_is_none_is_refused(secret) -> None:
    """Without showing it."""
    with pytest.raises(SettingsError) as error:
        read({"PROCESSING_WEBHOOK_URL": "https://example.org", "PROCESSING_WEBHOOK_SECRET": secret})
    assert (
        str(error.value)
        == "PROCESSING_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64"
    )


def test_a_webhook_needs_a_secret() -> None:
    """Nothing is sent unsigned."""
    with pytest.raises(SettingsError, match="PROCESSING_WEBHOOK_SECRET is missing"):
        read({"PROCESSING_WEBHOOK_URL": "https://example.org"})


def test_neither_url_nor_secret_is_shown() -> None:
    """Not even where somebody logs the settings."""
    settings = read(
        {"PROCESSING_WEBHOOK_URL": "https://example.org/token", "PROCESSING_WEBHOOK_SECRET": SECRET}
    )
    assert "token" not in repr(settings)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("schedule", ["daily", "0 3 * * *", "0 0 3 * * * *", "0 0 3 * * ?;"])
def test_a_schedule_that_is_none_is_refused(schedule) -> None:
    """Six fields: the first is for seconds."""
    with pytest.raises(SettingsError, match="NCRONTAB expression of six fields"):
        read({"REGISTRY_FORGET_SCHEDULE": schedule})


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
    own = {
        name: value
        for name, value in values.items()
        if name.startswith(("REGISTRY_", "PROCESSING_"))
    }
    assert len(own) == 12
    assert read(own) == Settings()
