import json
import os

import pytest

from devhost.functions.environment import use_local_settings, worker_environment


def test_local_settings_are_put_into_the_environment(tmp_path, monkeypatch) -> None:
    """Unless they are set already."""
    monkeypatch.setenv("DEVHOST_TEST_SET", "before")
    monkeypatch.setenv("DEVHOST_TEST_NEW", "")
    monkeypatch.delenv("DEVHOST_TEST_NEW")
    values = {"DEVHOST_TEST_SET": "file", "DEVHOST_TEST_NEW": "file"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    use_local_settings(tmp_path)
    assert (os.environ["DEVHOST_TEST_SET"], os.environ["DEVHOST_TEST_NEW"]) == ("before", "file")
    monkeypatch.delenv("DEVHOST_TEST_NEW")


def test_the_environment_is_that_of_the_worker(tmp_path, monkeypatch) -> None:
    """Unless a variable is set already."""
    monkeypatch.setattr(os, "environ", {"WEBSITE_HOSTNAME": "gifts.example"})
    worker_environment(tmp_path, "127.0.0.1", 7071)
    assert os.environ["WEBSITE_HOSTNAME"] == "gifts.example"
    assert str(tmp_path) in os.environ.values()
    assert os.environ["FUNCTIONS_WORKER_RUNTIME"] == "python"
    monkeypatch.setattr(os, "environ", {})
    worker_environment(tmp_path, "127.0.0.1", 7071)
    assert os.environ["WEBSITE_HOSTNAME"] == "127.0.0.1:7071"


def test_local_settings_may_be_missing(tmp_path) -> None:
    use_local_settings(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "must be a JSON object whose Values is an object"),
        ("[]", "must be a JSON object whose Values is an object"),
        ('{"Values": null}', "must be a JSON object whose Values is an object"),
        ('{"Values": {"A": 1}}', "value of A must be"),
    ],
)
def test_malformed_local_settings_are_refused(tmp_path, content, message) -> None:
    """The message names the file."""
    (tmp_path / "local.settings.json").write_text(content)
    with pytest.raises(ValueError, match=f"local.settings.json.*{message}"):
        use_local_settings(tmp_path)
