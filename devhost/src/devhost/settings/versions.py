"""Versions of orchestrations, matched by `defaultVersion` and `versionMatchStrategy`."""

import re

from devhost.settings.files import HostJson

NUMBERS = re.compile(r"\d+(\.\d+){1,3}")
"""A version, as .NET parses it."""
MISMATCH = "VersionMismatch: Orchestration version did not comply with Worker Versioning"


def runs(version: str | None, config: HostJson) -> bool:
    """Whether an instance of this version runs on a host with these settings."""
    ours, theirs = config.default_version or "", version or ""
    match config.version_match:
        case "Strict":
            return ours == theirs
        case "CurrentOrOlder":
            return _order(theirs) <= _order(ours)
    return True


def breaks_entities(config: HostJson) -> bool:
    """Whether the real host would run no entity: they have no version, so Strict never matches."""
    return config.version_match == "Strict" and config.default_version is not None


def _order(version: str) -> tuple[int, list[int], str]:
    """A key to sort by: first no version, then version numbers, then other texts."""
    if not version:
        return 0, [], ""
    if NUMBERS.fullmatch(version):
        return 1, [int(each) for each in version.split(".")], ""
    return 2, [], version.casefold()
