"""What an app's folder says about its host: host.json and local.settings.json.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPAN = re.compile(r"(\d\d):(\d\d):(\d\d)")
VISIBILITY_SECONDS = 300.0
"""How long what a dead host had in its hands stands still, where host.json says nothing."""


@dataclass(frozen=True)
class HostJson:
    """The settings of host.json that devhost honours; all others have no effect."""

    route_prefix: str = "api"
    hub_name: str = "devhost"
    control_queue_visibility: float = VISIBILITY_SECONDS
    """Seconds that a message for an orchestration or an entity stands still when its host has died."""
    work_item_visibility: float = VISIBILITY_SECONDS
    """The same for an activity."""


DEFAULTS = HostJson()


def read_host_json(folder: Path, environment: Mapping[str, str] = os.environ) -> HostJson:
    """Read host.json, which may be missing. App settings AzureFunctionsJobHost__a__b win over its members.

    Raises ValueError when the file is not of its form.
    """
    file = folder / "host.json"
    document = _document(file) if file.is_file() else {}

    def setting(path: str, default: str) -> str:
        """A member by its path, as the app settings have it."""
        *parents, last = path.split("__")
        member = document
        for name in parents:
            member = _member(member, name, file)
        return environment.get(f"AzureFunctionsJobHost__{path}", str(member.get(last, default)))

    def seconds(path: str) -> float:
        span = SPAN.fullmatch(setting(path, "00:05:00"))
        if span is None:
            raise ValueError(f"{file}: {path.rpartition('__')[2]} must be a time span like 00:05:00")
        hours, minutes, rest = map(int, span.groups())
        return hours * 3600.0 + minutes * 60 + rest

    _member(document, "extensions", file)
    storage = "extensions__durableTask__storageProvider"
    return HostJson(
        route_prefix=setting("extensions__http__routePrefix", HostJson.route_prefix),
        hub_name=setting("extensions__durableTask__hubName", HostJson.hub_name),
        control_queue_visibility=seconds(f"{storage}__controlQueueVisibilityTimeout"),
        work_item_visibility=seconds(f"{storage}__workItemQueueVisibilityTimeout"),
    )


def use_local_settings(folder: Path) -> None:
    """Put the Values of a local.settings.json into the environment, as Core Tools does; what is set already wins.

    Raises ValueError when the file is not of that form.
    """
    file = folder / "local.settings.json"
    if not file.is_file():
        return
    for name, value in _member(_document(file), "Values", file).items():
        if not isinstance(value, str):
            raise ValueError(f"{file}: the value of {name} must be a string")
        os.environ.setdefault(name, value)


def _document(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error


def _member(document: Any, name: str, file: Path) -> dict[str, Any]:
    """A member that is an object, or an empty one where it is missing."""
    member = document.get(name, {}) if isinstance(document, dict) else None
    if not isinstance(member, dict):
        raise ValueError(f"{file} must be a JSON object whose {name} is an object")
    return member
