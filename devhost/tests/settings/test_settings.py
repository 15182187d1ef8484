import json
from pathlib import Path
from typing import Any

import pytest

from devhost.settings.files import HostJson, read_host_json
from devhost.settings.options import OptionError

DURABLE = "AzureFunctionsJobHost__extensions__durableTask__"


def write(folder: Path, **members: Any) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0"} | members))
    return folder


def durable(folder: Path, **members: Any) -> Path:
    return write(folder, extensions={"durableTask": members})


def test_an_empty_host_json_has_the_defaults_of_the_real_host(tmp_path) -> None:
    assert read_host_json(write(tmp_path), {}) == HostJson()
    (tmp_path / "host.json").write_text("{}")
    assert read_host_json(tmp_path, {}) == HostJson()


def test_what_host_json_says_is_honoured(tmp_path) -> None:
    """The settings of HTTP, of functions, and of Durable Functions."""
    storage = {
        "controlQueueVisibilityTimeout": "00:01:00",
        "workItemQueueVisibilityTimeout": "00:02:30",
        "queueClientMessageEncoding": "base64",
    }
    task = {
        "hubName": "Gifts",
        "maxConcurrentActivityFunctions": 2,
        "defaultVersion": "1.0",
        "versionMatchStrategy": "Strict",
        "versionFailureStrategy": "Fail",
        "storeInputsInOrchestrationHistory": True,
        "storageProvider": storage,
    }
    http = {"routePrefix": "", "customHeaders": {"X-Mine": "1"}}
    extensions = {"http": http, "durableTask": task}
    folder = write(
        tmp_path, functionTimeout="00:05:00", functions=["Add", "peek"], extensions=extensions
    )
    assert read_host_json(folder, {}) == HostJson(
        route_prefix="",
        custom_headers={"X-Mine": "1"},
        function_timeout=300,
        functions=frozenset({"add", "peek"}),
        hub_name="Gifts",
        control_queue_visibility=60,
        work_item_visibility=150,
        max_concurrent_activities=2,
        default_version="1.0",
        version_match="Strict",
        version_failure="Fail",
        message_encoding="Base64",
        store_inputs=True,
    )


def test_settings_win_over_host_json(tmp_path) -> None:
    """In any letter case, as in .NET."""
    folder = durable(tmp_path, hubName="Gifts")
    assert read_host_json(folder, {f"{DURABLE}hubName": "Other"}).hub_name == "Other"
    assert read_host_json(folder, {f"{DURABLE}hubName".upper(): "Other"}).hub_name == "Other"
    setting = {"AzureFunctionsJobHost__functions__0": "add"}
    assert read_host_json(folder, setting).functions == frozenset({"add"})


def test_members_have_any_letter_case_but_for_the_version(tmp_path) -> None:
    """As on the real host."""
    (tmp_path / "host.json").write_text(
        '{"version": "2.0", "Extensions": {"HTTP": {"RoutePrefix": "p"}}}'
    )
    assert read_host_json(tmp_path, {}).route_prefix == "p"
    (tmp_path / "host.json").write_text('{"Version": "2.0"}')
    with pytest.raises(ValueError, match=r'must have "version": "2.0"'):
        read_host_json(tmp_path, {})


def test_a_route_prefix_that_is_null_is_empty(tmp_path) -> None:
    """As on the real host."""
    assert (
        read_host_json(write(tmp_path, extensions={"http": {"routePrefix": None}}), {}).route_prefix
        == ""
    )


def test_comments_and_trailing_commas_are_accepted(tmp_path) -> None:
    """But not changed within strings."""
    text = (
        '\ufeff// c\n{ /* x */ "version": "2.0", // end\n'
        ' "extensions": {"http": {"routePrefix": "a//,}"},},}'
    )
    (tmp_path / "host.json").write_text(text, encoding="utf-8")
    assert read_host_json(tmp_path, {}).route_prefix == "a//,}"


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("-1", None),
        (-1, None),
        (5, 5 * 86400),
        ("20:00:00", 72000),
        ("1.00:00:01.5", 86401.5),
        ("00:10", 600),
    ],
)
def test_the_function_timeout_is_a_time_span_of_dotnet(tmp_path, timeout, seconds) -> None:
    """A bare number counts days, and -1 is without limit."""
    assert read_host_json(write(tmp_path, functionTimeout=timeout), {}).function_timeout == seconds


@pytest.mark.parametrize("timeout", ["soon", "00:00:00", "-00:05:00", "24:00:00", ""])
def test_an_invalid_function_timeout_is_refused(tmp_path, timeout) -> None:
    with pytest.raises(ValueError, match=r"host\.json: functionTimeout"):
        read_host_json(write(tmp_path, functionTimeout=timeout), {})


def test_members_without_effect_are_known(tmp_path) -> None:
    """Each by the shortest path below which nothing has an effect."""
    extensions = {
        "durableTask": {"hubName": "Gifts", "storageProvider": {"partitionCount": 8}},
        "queues": {"a": 1},
    }
    folder = write(tmp_path, logging={"logLevel": {"default": "Warning"}}, extensions=extensions)
    assert read_host_json(folder, {}).ignored == (
        "extensions.durableTask.storageProvider.partitionCount",
        "extensions.queues",
        "logging",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"version": 2.0}', 'must have "version": "2.0"'),
        ('{"version": "1.0"}', 'must have "version": "2.0"'),
        ('{"extensions": {}}', 'must have "version": "2.0"'),
    ],
)
def test_a_host_json_of_another_form_is_refused(tmp_path, content, message) -> None:
    """The message names the file and the mistake."""
    (tmp_path / "host.json").write_text(content)
    with pytest.raises(ValueError, match=f"host.json {message}"):
        read_host_json(tmp_path, {})


def test_a_folder_without_host_json_is_refused(tmp_path) -> None:
    """The real host serves no function then."""
    with pytest.raises(ValueError, match=r"there is no .*host\.json"):
        read_host_json(tmp_path, {})


@pytest.mark.parametrize("name", ["bad hub!", "1hub", "ab", "MyHub-1", "x" * 51, ""])
def test_an_invalid_hub_name_is_refused(tmp_path, name) -> None:
    """With the message of the Durable extension."""
    message = (
        f"Task hub name '{name}' should contain only alphanumeric characters, start with a letter"
    )
    with pytest.raises(ValueError, match=message):
        read_host_json(durable(tmp_path, hubName=name), {})


def test_a_hub_name_may_be_longer_than_the_message_says(tmp_path) -> None:
    """The real host accepts 46 characters."""
    assert read_host_json(durable(tmp_path, hubName="x" * 46), {}).hub_name == "x" * 46


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"maxConcurrentRequests": "x"},
            "Failed to convert configuration value 'x' at "
            "'AzureFunctionsJobHost:extensions:http:MaxConcurrentRequests' to type 'System.Int32'.",
        ),
        ({"maxOutstandingRequests": 1.5}, "MaxOutstandingRequests' to type 'System.Int32'"),
        ({"dynamicThrottlesEnabled": 1}, "DynamicThrottlesEnabled' to type 'System.Boolean'"),
    ],
)
def test_http_options_of_a_wrong_type_are_refused(tmp_path, members, message) -> None:
    """Even those that have no effect."""
    with pytest.raises(OptionError) as error:
        read_host_json(write(tmp_path, extensions={"http": members}), {})
    assert message in str(error.value)


def test_a_dot_in_a_name_does_not_make_a_path(tmp_path) -> None:
    """As on the real host."""
    config = read_host_json(write(tmp_path, **{"extensions.http.routePrefix": "p"}), {})
    assert (config.route_prefix, config.ignored) == ("api", ("extensions.http.routePrefix",))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"maxConcurrentActivityFunctions": 0},
            "MaxConcurrentActivityFunctions must be a positive integer value.",
        ),
        (
            {"maxConcurrentActivityFunctions": "x"},
            "Failed to convert configuration value 'x' at "
            "'AzureFunctionsJobHost:extensions:durableTask:MaxConcurrentActivityFunctions' "
            "to type 'System.Int32'.",
        ),
        (
            {"extendedSessionsEnabled": True},
            "extendedSessionsEnabled set to 'true' is only supported",
        ),
        ({"extendedSessionsEnabled": "maybe"}, "to type 'System.Boolean'"),
        ({"versionMatchStrategy": "Newer"}, "must be one of None, Strict, CurrentOrOlder"),
        (
            {"storageProvider": {"partitionCount": 17}},
            "PartitionCount must be an integer value between 1 and 16.",
        ),
        (
            {"storageProvider": {"queueClientMessageEncoding": "Nope"}},
            "must be one of UTF8, Base64",
        ),
        (
            {"storageProvider": {"controlQueueVisibilityTimeout": "00:00:59"}},
            "ControlQueueVisibilityTimeout must be between 1 and 60 minutes.",
        ),
        (
            {"storageProvider": {"workItemQueueVisibilityTimeout": "5m"}},
            "WorkItemQueueVisibilityTimeout is '5m', but must be a time span like 00:05:00",
        ),
    ],
)
def test_options_that_the_durable_extension_refuses_are_refused(tmp_path, members, message) -> None:
    """The message names the option, in one line."""
    with pytest.raises(OptionError) as error:
        read_host_json(durable(tmp_path, **members), {})
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
