import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from registry.domain.delivery import BackoffPolicy
from registry.durable.webhook.client import Webhook
from registry.settings import NAMES, Settings, SettingsError, current, read, unknown_names

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
URL_RULE = "must be a URL that begins with https:// or http://"
SECRET_RULE = "must be whsec_ and 24 to 64 random bytes in base64"


def error_of(environment: dict[str, str]) -> SettingsError:
    """The error that these settings are refused with."""
    with pytest.raises(SettingsError) as error:
        read(environment)
    return error.value


class TestRead:
    def test_without_settings_a_registry_is_open_for_five_minutes(self) -> None:
        """Each setting has a default."""
        settings = read({})
        assert settings == Settings()
        assert settings.open_for == timedelta(minutes=5)
        assert (settings.max_items, settings.max_item_length) == (500, 1024)
        assert settings.auth_level == "anonymous"
        assert settings.webhook is None
        assert settings.backoff == BackoffPolicy(5, 3600, 24 * 3600)
        assert settings.retention == timedelta(days=30)

    def test_each_setting_is_read(self) -> None:
        """White space and the case of words do not matter."""
        environment = {
            "REGISTRY_OPEN_SECONDS": " 60 ",
            "REGISTRY_MAX_ITEMS": "3",
            "REGISTRY_MAX_ITEM_LENGTH": "10",
            "REGISTRY_AUTH_LEVEL": "Function",
            "REGISTRY_RETENTION_DAYS": "7",
            "PROCESSING_WEBHOOK_URL": "https://example.org:8443/hook?for=gifts",
            "PROCESSING_WEBHOOK_SECRET": SECRET,
            "PROCESSING_TIMEOUT_SECONDS": "3",
            "PROCESSING_FIRST_RETRY_SECONDS": "1",
            "PROCESSING_LONGEST_RETRY_SECONDS": "600",
            "PROCESSING_RETRY_HOURS": "2",
        }
        assert environment.keys() == set(NAMES)
        settings = read(environment)
        assert settings.open_for == timedelta(minutes=1)
        assert (settings.max_items, settings.max_item_length) == (3, 10)
        assert settings.auth_level == "function"
        assert settings.webhook == Webhook("https://example.org:8443/hook?for=gifts", SECRET, 3)
        assert settings.backoff == BackoffPolicy(1, 600, 7200)
        assert settings.retention == timedelta(days=7)

    @pytest.mark.parametrize("value", ["", "  ", "\t"])
    @pytest.mark.parametrize("name", NAMES)
    def test_an_empty_setting_has_its_default(self, name, value) -> None:
        """Empty is as good as missing."""
        assert read({name: value}) == Settings()

    def test_settings_do_not_change(self) -> None:
        """They hold for the life of the process."""
        with pytest.raises(ValidationError):
            Settings().max_items = 5

    def test_the_environment_is_read_once(self, monkeypatch) -> None:
        """What is set later does not change a running app."""
        current.cache_clear()
        monkeypatch.setenv("REGISTRY_MAX_ITEMS", "7")
        assert current().max_items == 7
        monkeypatch.setenv("REGISTRY_MAX_ITEMS", "8")
        assert current().max_items == 7
        current.cache_clear()

    def test_the_example_settings_are_the_defaults(self) -> None:
        """local.settings.json.example shows every setting."""
        values = json.loads(Path("local.settings.json.example").read_text())["Values"]
        own = {
            name: value
            for name, value in values.items()
            if name.startswith(("REGISTRY_", "PROCESSING_"))
        }
        assert own.keys() == set(NAMES)
        assert read(own) == Settings()


class TestRefuse:
    @pytest.mark.parametrize(
        "value", ["0", "86401", "-1", "5m", "1.5", "¹", "٣", "1_0", "0x10", "9" * 5000]
    )
    def test_a_number_that_is_not_allowed_is_refused(self, value) -> None:
        """The message has the setting, its value and what is allowed."""
        assert str(error_of({"REGISTRY_OPEN_SECONDS": value})) == (
            f"REGISTRY_OPEN_SECONDS is {value!r}, but must be a whole number from 1 to 86400"
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
    def test_each_number_has_a_range(self, name, lowest, highest) -> None:
        """Both ends are allowed; what is beyond them is refused."""
        for value in (lowest, highest):
            assert read({name: str(value)})
        for value in (lowest - 1, highest + 1):
            assert str(error_of({name: str(value)})) == (
                f"{name} is '{value}', but must be a whole number from {lowest} to {highest}"
            )

    def test_all_mistakes_are_reported_at_once(self) -> None:
        """A line for each."""
        error = error_of(
            {
                "REGISTRY_MAX_ITEMS": "many",
                "REGISTRY_MAX_ITEM_LENGTH": "0",
                "REGISTRY_AUTH_LEVEL": "admin",
            }
        )
        assert str(error).splitlines() == [
            "REGISTRY_MAX_ITEMS is 'many', but must be a whole number from 1 to 1000",
            "REGISTRY_MAX_ITEM_LENGTH is '0', but must be a whole number from 1 to 4096",
            "REGISTRY_AUTH_LEVEL is 'admin', but must be one of: anonymous, function",
        ]

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://x/",
            "example.org",
            "https://",
            "https://x:99999/",
            "https://x:0/",
            "https://[x/",
            "http://a b/\n",
            "http://a\u200b/",
        ],
    )
    def test_an_invalid_url_is_refused(self, url) -> None:
        """It is not shown: a URL may hold a token."""
        error = error_of({"PROCESSING_WEBHOOK_URL": url, "PROCESSING_WEBHOOK_SECRET": SECRET})
        assert str(error) == f"PROCESSING_WEBHOOK_URL {URL_RULE}"

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
            "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
        ],
    )
    @pytest.mark.parametrize("url", [{}, {"PROCESSING_WEBHOOK_URL": "https://example.org"}])
    def test_an_invalid_secret_is_refused(self, secret, url) -> None:
        """It is not shown. A reference that Azure has not resolved is one, too."""
        error = error_of({"PROCESSING_WEBHOOK_SECRET": secret} | url)
        assert str(error) == f"PROCESSING_WEBHOOK_SECRET {SECRET_RULE}"

    @pytest.mark.parametrize("length", [24, 64])
    def test_the_length_of_a_secret_has_a_range(self, length) -> None:
        """Both ends are allowed; what is beyond them is refused."""
        beyond = length - 1 if length == 24 else length + 1
        secrets = ["whsec_" + base64.b64encode(bytes(each)).decode() for each in (length, beyond)]
        assert read({"PROCESSING_WEBHOOK_SECRET": secrets[0]})
        assert error_of({"PROCESSING_WEBHOOK_SECRET": secrets[1]})

    def test_a_webhook_needs_a_secret(self) -> None:
        """Nothing is sent unsigned."""
        error = error_of({"PROCESSING_WEBHOOK_URL": "https://example.org"})
        assert str(error).startswith("PROCESSING_WEBHOOK_SECRET is missing")

    def test_the_rules_show_no_value(self) -> None:
        """They are for people who must not see them: a secret may stand in the wrong setting."""
        error = error_of(
            {
                "REGISTRY_MAX_ITEMS": SECRET,
                "REGISTRY_AUTH_LEVEL": SECRET,
                "PROCESSING_WEBHOOK_URL": SECRET,
                "PROCESSING_WEBHOOK_SECRET": f"{SECRET}!",
            }
        )
        assert sorted(error.rules) == [
            f"PROCESSING_WEBHOOK_SECRET {SECRET_RULE}",
            f"PROCESSING_WEBHOOK_URL {URL_RULE}",
            "REGISTRY_AUTH_LEVEL must be one of: anonymous, function",
            "REGISTRY_MAX_ITEMS must be a whole number from 1 to 1000",
        ]

    def test_neither_url_nor_secret_is_shown(self) -> None:
        """Also where somebody logs the settings."""
        url = "https://example.org/token"
        settings = read({"PROCESSING_WEBHOOK_URL": url, "PROCESSING_WEBHOOK_SECRET": SECRET})
        for shown in (repr(settings), str(settings), repr(settings.webhook)):
            assert "token" not in shown
            assert SECRET not in shown


class TestUnknownNames:
    @pytest.mark.parametrize(
        "name",
        [
            "REGISTRY_MAX_ITEM",
            "registry_max_items",
            "PROCESSING_RETRY_HOUR",
            "REGISTRY_STORAGE",
            "REGISTRY_FORGET_SCHEDULE",
        ],
    )
    def test_an_unknown_name_is_reported(self, name) -> None:
        """It may be another program's, and stops nothing."""
        assert unknown_names({name: "5"}) == [f"{name} is not a setting"]
        assert read({name: "5"}) == Settings()

    def test_known_names_and_those_of_others_are_not_reported(self) -> None:
        """What begins otherwise is of no concern."""
        environment = {"REGISTRY_MAX_ITEMS": "5", "PROCESSOR_LEVEL": "6", "PATH": "/bin"}
        assert unknown_names(environment) == []

    def test_unknown_names_are_reported_with_mistakes(self) -> None:
        """A setting may be missing because its name is misspelt."""
        error = error_of(
            {"PROCESSING_WEBHOOK_URL": "https://example.org", "PROCESSING_WEBHOOK_SECRT": SECRET}
        )
        assert str(error).splitlines() == list(error.rules)
        assert error.rules[0].startswith("PROCESSING_WEBHOOK_SECRET is missing")
        assert error.rules[1:] == ("PROCESSING_WEBHOOK_SECRT is not a setting",)
