"""host.json, with the app settings that override it.

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

DURABLE = "extensions:durableTask"
STORAGE = f"{DURABLE}:storageProvider"
HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,49}")
"""The real host accepts up to 50 characters, whatever its message says."""
STRING = r'(?P<text>"(?:[^"\\]|\\.)*")'
COMMENT = re.compile(STRING + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
TRAILING_COMMA = re.compile(STRING + r"|,(?=\s*[}\]])")
VISIBILITY_SECONDS = 300.0
"""How long messages that a crashed host had taken stay invisible, by default."""
FUNCTION_TIMEOUT_SECONDS = 1800.0
CONCURRENT_ACTIVITIES = 10 * (os.cpu_count() or 1)
"""How many the Durable extension runs at once, by default."""

Match = Literal["None", "Strict", "CurrentOrOlder"]
Failure = Literal["Reject", "Fail"]
Encoding = Literal["UTF8", "Base64"]


@dataclass(frozen=True)
class HostJson:
    """The settings of host.json that have an effect in devhost."""

    route_prefix: str = "api"
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of every response, unless the function sets them."""
    function_timeout: float | None = FUNCTION_TIMEOUT_SECONDS
    """Seconds that a function may take; None is without limit."""
    functions: frozenset[str] | None = None
    """Names, in lower case, of the functions to load; None is all."""
    hub_name: str = "devhost"
    control_queue_visibility: float = VISIBILITY_SECONDS
    """Seconds until a message to an instance or entity, which a crashed host had taken, returns."""
    work_item_visibility: float = VISIBILITY_SECONDS
    """The same for a message to an activity."""
    max_concurrent_activities: int = CONCURRENT_ACTIVITIES
    default_version: str | None = None
    """The version of orchestrations that are started without one."""
    version_match: Match = "CurrentOrOlder"
    """Which versions run, compared with `default_version`."""
    version_failure: Failure = "Reject"
    """What happens to other versions: they wait, or fail."""
    message_encoding: Encoding = "UTF8"
    """How queues encode messages: UTF8 cannot hold U+FFFE and U+FFFF."""
    store_inputs: bool = False
    """Whether histories contain the inputs of activities."""
    ignored: tuple[str, ...] = ()
    """Paths of members that have no effect in devhost."""


DEFAULTS = HostJson()


def read_host_json(folder: Path, environment: Mapping[str, str] = os.environ) -> HostJson:
    """Read host.json; app settings `AzureFunctionsJobHost__a__b` override its members.

    Raises ValueError, in one line, where the real host would not start.
    """
    document = _host_document(folder / "host.json")
    options = Options(document, environment)
    options.text("version", "")  # _host_document has checked it
    _check_http(Options(document, environment))
    _check_durable(Options(document, environment))

    functions = options.members("functions").values()
    return HostJson(
        route_prefix=options.text("extensions:http:routePrefix", DEFAULTS.route_prefix),
        custom_headers=options.members("extensions:http:customHeaders"),
        function_timeout=_function_timeout(options),
        functions=frozenset(each.casefold() for each in functions) if functions else None,
        hub_name=options.text(f"{DURABLE}:hubName", DEFAULTS.hub_name),
        control_queue_visibility=options.seconds(
            f"{STORAGE}:controlQueueVisibilityTimeout", VISIBILITY_SECONDS
        ),
        work_item_visibility=options.seconds(
            f"{STORAGE}:workItemQueueVisibilityTimeout", VISIBILITY_SECONDS
        ),
        max_concurrent_activities=options.number(
            f"{DURABLE}:maxConcurrentActivityFunctions", CONCURRENT_ACTIVITIES
        ),
        default_version=options.text(f"{DURABLE}:defaultVersion", "") or None,
        version_match=options.choice(
            f"{DURABLE}:versionMatchStrategy", get_args(Match), DEFAULTS.version_match
        ),
        version_failure=options.choice(
            f"{DURABLE}:versionFailureStrategy", get_args(Failure), DEFAULTS.version_failure
        ),
        message_encoding=options.choice(
            f"{STORAGE}:queueClientMessageEncoding", get_args(Encoding), DEFAULTS.message_encoding
        ),
        store_inputs=options.flag(f"{DURABLE}:storeInputsInOrchestrationHistory", default=False),
        ignored=tuple(options.unused()),
    )


def _host_document(file: Path) -> Any:
    """Parse host.json, which may have comments and trailing commas."""
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
    """Why a strict parser does not accept host.json; empty if it does.

    It has comments, trailing commas or a byte order mark.
    """
    file = folder / "host.json"
    try:
        json.loads(file.read_text(encoding="utf-8") if file.is_file() else "{}")
    except ValueError as error:
        return str(error)
    return ""


def without_comments(text: str) -> str:
    """Remove the comments and trailing commas that the real host accepts."""
    text = COMMENT.sub(lambda match: match["text"] or " ", text)
    return TRAILING_COMMA.sub(lambda match: match["text"] or "", text)


def _function_timeout(options: Options) -> float | None:
    """Seconds, or None for `-1`. A bare number counts days, as in every time span."""
    if options.text("functionTimeout", "") == "-1":
        return None
    seconds = options.seconds("functionTimeout", FUNCTION_TIMEOUT_SECONDS)
    if seconds < 1:
        raise OptionError("host.json: functionTimeout must be at least a second, or -1 for none")
    return seconds


def _check_http(options: Options) -> None:
    """Raises OptionError for options of a wrong type, although they have no effect here."""
    for name in ("MaxConcurrentRequests", "MaxOutstandingRequests"):
        options.number(f"extensions:http:{name}", -1)
    options.flag("extensions:http:DynamicThrottlesEnabled", default=False)


def _check_durable(options: Options) -> None:
    """Raises OptionError where the Durable extension does not start, with its message."""
    hub = options.text(f"{DURABLE}:hubName", DEFAULTS.hub_name)
    if not HUB_NAME.fullmatch(hub):
        raise OptionError(
            f"host.json: Task hub name '{hub}' should contain only alphanumeric characters, "
            "start with a letter, and have length between 3 and 45."
        )
    for name in ("MaxConcurrentActivityFunctions", "MaxConcurrentOrchestratorFunctions"):
        if options.number(f"{DURABLE}:{name}", 1) < 1:
            raise OptionError(f"host.json: {name} must be a positive integer value.")
    if not 1 <= options.number(f"{STORAGE}:partitionCount", 4) <= 16:
        raise OptionError("host.json: PartitionCount must be an integer value between 1 and 16.")
    for name in ("ControlQueueVisibilityTimeout", "WorkItemQueueVisibilityTimeout"):
        if not 60 <= options.seconds(f"{STORAGE}:{name}", VISIBILITY_SECONDS) <= 3600:
            raise OptionError(f"host.json: {name} must be between 1 and 60 minutes.")
    if options.flag(f"{DURABLE}:extendedSessionsEnabled", default=False):
        raise OptionError(
            "host.json: Durable Functions with extendedSessionsEnabled set to 'true' is only "
            "supported when using the in-process or isolated .NET worker. Please remove the "
            "setting or change it to 'false'."
        )
