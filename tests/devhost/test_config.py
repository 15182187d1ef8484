import json
import os

import pytest

from devhost.config import HostJson, read_host_json, use_local_settings


def test_host_json_may_be_missing(tmp_path) -> None:
    """Then everything is as on the real host."""
    assert read_host_json(tmp_path, {}) == HostJson("api", "devhost", 300, 300)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    assert read_host_json(tmp_path, {}) == HostJson()


def test_what_host_json_says_is_honoured(tmp_path) -> None:
    """An app setting wins over a member."""
    storage = {"controlQueueVisibilityTimeout": "00:01:00", "workItemQueueVisibilityTimeout": "00:02:30"}
    durable = {"hubName": "Gifts", "storageProvider": storage}
    document = {"extensions": {"http": {"routePrefix": ""}, "durableTask": durable}}
    (tmp_path / "host.json").write_text(json.dumps(document))
    assert read_host_json(tmp_path, {}) == HostJson("", "Gifts", 60, 150)
    setting = {"AzureFunctionsJobHost__extensions__durableTask__hubName": "Other"}
    assert read_host_json(tmp_path, setting).hub_name == "Other"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ('{"extensions": null}', "must be a JSON object whose extensions is an object"),
        ('{"extensions": {"durableTask": 1}}', "must be a JSON object whose durableTask is an object"),
        (
            '{"extensions": {"durableTask": {"storageProvider": {"controlQueueVisibilityTimeout": "5m"}}}}',
            "controlQueueVisibilityTimeout must be a time span like 00:05:00",
        ),
    ],
)
def test_a_host_json_of_another_form_is_refused(tmp_path, content, message) -> None:
    """The message names the file, and what is wrong."""
    (tmp_path / "host.json").write_text(content)
    with pytest.raises(ValueError, match=f"host.json.*{message}"):
        read_host_json(tmp_path, {})


def test_local_settings_are_put_into_the_environment(tmp_path, monkeypatch) -> None:
    """What is set already wins."""
    monkeypatch.setenv("DEVHOST_TEST_SET", "before")
    monkeypatch.setenv("DEVHOST_TEST_NEW", "")
    monkeypatch.delenv("DEVHOST_TEST_NEW")
    values = {"DEVHOST_TEST_SET": "file", "DEVHOST_TEST_NEW": "file"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    use_local_settings(tmp_path)
    assert (os.environ["DEVHOST_TEST_SET"], os.environ["DEVHOST_TEST_NEW"]) == ("before", "file")
    monkeypatch.delenv("DEVHOST_TEST_NEW")


def test_local_settings_may_be_missing(tmp_path) -> None:
    """Then nothing is set."""
    use_local_settings(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object whose Values is an object"),
        ('{"Values": null}', "must be a JSON object whose Values is an object"),
        ('{"Values": {"A": 1}}', "value of A must be"),
    ],
)
def test_local_settings_of_another_form_are_refused(tmp_path, content, message) -> None:
    """The message names the file."""
    (tmp_path / "local.settings.json").write_text(content)
    with pytest.raises(ValueError, match=f"local.settings.json.*{message}"):
        use_local_settings(tmp_path)
