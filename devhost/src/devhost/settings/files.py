"""What host.json says, with the app settings that win over it.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from devhost.settings.options import OptionError, Options

HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,49}")
"""The real one takes 46 characters too, whatever its message says."""
STRING = r'(?P<text>"(?:[^"\\]|\\.)*")'
COMMENT = re.compile(STRING + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
TRAILING_COMMA = re.compile(STRING + r"|,(?=\s*[}\]])")
VISIBILITY_SECONDS = 300.0
"""How long what a dead host had in its hands stands still, where host.json says nothing."""
FUNCTION_TIMEOUT_SECONDS = 1800.0
CONCURRENT_ACTIVITIES = 10 * (os.cpu_count() or 1)
"""As many as the Durable extension runs at once by default."""

Match = Literal["None", "Strict", "CurrentOrOlder"]
Failure = Literal["Reject", "Fail"]
Encoding = Literal["UTF8", "Base64"]


@dataclass(frozen=True)
class HostJson:
    """The settings of host.json that devhost honours; all others have no effect."""

    route_prefix: str = "api"
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    """What every answer has, unless the function sets it."""
    function_timeout: float | None = FUNCTION_TIMEOUT_SECONDS
    """Seconds that a function may take; None is no end."""
    functions: frozenset[str] | None = None
    """Names, in lower case, of the functions that there are; None is all."""
    hub_name: str = "devhost"
    control_queue_visibility: float = VISIBILITY_SECONDS
    """Seconds that a message for an orchestration or an entity stands still when its host has died.
    """
    work_item_visibility: float = VISIBILITY_SECONDS
    """The same for an activity."""
    max_concurrent_activities: int = CONCURRENT_ACTIVITIES
    default_version: str | None = None
    """The version of orchestrations that are started without one."""
    version_match: Match = "CurrentOrOlder"
    """Which versions run, beside `default_version`."""
    version_failure: Failure = "Reject"
    """What becomes of others: they stay as they are, or fail."""
    message_encoding: Encoding = "UTF8"
    """How messages are kept in queues: UTF8 cannot hold U+FFFE and U+FFFF."""
    store_inputs: bool = False
    """Whether histories keep the inputs of activities."""
    ignored: tuple[str, ...] = ()
    """Paths of the members that have no effect."""


DEFAULTS = HostJson()


def read_host_json(folder: Path, environment: Mapping[str, str] = os.environ) -> HostJson:
    """Read host.json. App settings AzureFunctionsJobHost__a__b win over its members.

    Raises ValueError, in one line, where the real host does not start.
    """
    document = _host_document(folder / "host.json")
    options = Options(document, environment)
    options.text("version", "")  # has been looked at
    _check_http(Options(document, environment))
    _check_durable(Options(document, environment))
    durable, storage = "extensions:durableTask", "extensions:durableTask:storageProvider"
    functions = options.members("functions").values()
    return HostJson(
        route_prefix=options.text("extensions:http:routePrefix", DEFAULTS.route_prefix),
        custom_headers=options.members("extensions:http:customHeaders"),
        function_timeout=_function_timeout(options),
        functions=frozenset(each.casefold() for each in functions) if functions else None,
        hub_name=options.text(f"{durable}:hubName", DEFAULTS.hub_name),
        control_queue_visibility=options.seconds(
            f"{storage}:controlQueueVisibilityTimeout", VISIBILITY_SECONDS
        ),
        work_item_visibility=options.seconds(
            f"{storage}:workItemQueueVisibilityTimeout", VISIBILITY_SECONDS
        ),
        max_concurrent_activities=options.number(
            f"{durable}:maxConcurrentActivityFunctions", CONCURRENT_ACTIVITIES
        ),
        default_version=options.text(f"{durable}:defaultVersion", "") or None,
        version_match=options.choice(
            f"{durable}:versionMatchStrategy", get_args(Match), DEFAULTS.version_match
        ),
        version_failure=options.choice(
            f"{durable}:versionFailureStrategy", get_args(Failure), DEFAULTS.version_failure
        ),
        message_encoding=options.choice(
            f"{storage}:queueClientMessageEncoding", get_args(Encoding), DEFAULTS.message_encoding
        ),
        store_inputs=options.flag(f"{durable}:storeInputsInOrchestrationHistory", default=False),
        ignored=tuple(options.unused()),
    )


def _host_document(file: Path) -> Any:
    """What host.json holds, which may have comments and trailing commas."""
    if not file.is_file():
        raise OptionError(f"there is no {file}: without it the real host serves no function")
    try:
        document = json.loads(without_comments(file.read_text(encoding="utf-8-sig")))
    except ValueError as error:
        raise OptionError(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise OptionError(f"{file} is not a JSON object")
    if document and document.get("version") != "2.0":
        raise OptionError(
            f'{file} must have "version": "2.0": without it the real host serves no function'
        )
    return document


def strict_json_error(folder: Path) -> str:
    """Why host.json is not JSON to those who take no comments, trailing commas and byte order
    marks; empty if it is.
    """
    file = folder / "host.json"
    try:
        json.loads(file.read_text(encoding="utf-8") if file.is_file() else "{}")
    except ValueError as error:
        return str(error)
    return ""


def without_comments(text: str) -> str:
    """JSON without the comments and the trailing commas that the real host takes."""
    text = COMMENT.sub(lambda match: match["text"] or " ", text)
    return TRAILING_COMMA.sub(lambda match: match["text"] or "", text)


def _function_timeout(options: Options) -> float | None:
    """`-1` is no end. As text it is a time span, of which a bare number counts days."""
    if options.text("functionTimeout", "") == "-1":
        return None
    seconds = options.seconds("functionTimeout", FUNCTION_TIMEOUT_SECONDS)
    if seconds < 1:
        raise OptionError("host.json: functionTimeout must be at least a second, or -1 for none")
    return seconds


def _check_http(options: Options) -> None:
    """Raises OptionError where the types are wrong; these options have no effect here."""
    for name in ("MaxConcurrentRequests", "MaxOutstandingRequests"):
        options.number(f"extensions:http:{name}", -1)
    options.flag("extensions:http:DynamicThrottlesEnabled", default=False)


def _check_durable(options: Options) -> None:
    """Raises OptionError, in the words of the Durable extension, where it does not start."""
    durable, storage = "extensions:durableTask", "extensions:durableTask:storageProvider"
    hub = options.text(f"{durable}:hubName", DEFAULTS.hub_name)
    if not HUB_NAME.fullmatch(hub):
        raise OptionError(
            f"host.json: Task hub name '{hub}' should contain only alphanumeric characters, start with a letter, "
            "and have length between 3 and 45."
        )
    for name in ("MaxConcurrentActivityFunctions", "MaxConcurrentOrchestratorFunctions"):
        if options.number(f"{durable}:{name}", 1) < 1:
            raise OptionError(f"host.json: {name} must be a positive integer value.")
    if not 1 <= options.number(f"{storage}:partitionCount", 4) <= 16:
        raise OptionError("host.json: PartitionCount must be an integer value between 1 and 16.")
    for name in ("ControlQueueVisibilityTimeout", "WorkItemQueueVisibilityTimeout"):
        if not 60 <= options.seconds(f"{storage}:{name}", VISIBILITY_SECONDS) <= 3600:
            raise OptionError(f"host.json: {name} must be between 1 and 60 minutes.")
    if options.flag(f"{durable}:extendedSessionsEnabled", default=False):
        raise OptionError(
            "host.json: Durable Functions with extendedSessionsEnabled set to 'true' is only supported when using the "
            "in-process or isolated .NET worker. Please remove the setting or change it to 'false'."
        )
