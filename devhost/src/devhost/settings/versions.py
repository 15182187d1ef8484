"""Versions: which instances run on a host, by host.json's defaultVersion and versionMatchStrategy."""

import re

from devhost.settings.files import HostJson

NUMBERS = re.compile(r"\d+(\.\d+){1,3}")
"""What .NET reads as a version."""
MISMATCH = "VersionMismatch: Orchestration version did not comply with Worker Versioning"


def runs(version: str | None, config: HostJson) -> bool:
    """Whether an instance of this version runs."""
    ours, theirs = config.default_version or "", version or ""
    match config.version_match:
        case "Strict":
            return ours == theirs
        case "CurrentOrOlder":
            return _order(theirs) <= _order(ours)
    return True


def breaks_entities(config: HostJson) -> bool:
    """Whether the real host would run no entity: these have no version, which is not that of
    host.json.
    """
    return config.version_match == "Strict" and config.default_version is not None


def _order(version: str) -> tuple[int, list[int], str]:
    """None is older than any, and text that is no version newer than one that is."""
    if not version:
        return 0, [], ""
    if NUMBERS.fullmatch(version):
        return 1, [int(each) for each in version.split(".")], ""
    return 2, [], version.casefold()
