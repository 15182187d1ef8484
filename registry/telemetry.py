"""What operators see: one line for each change of a registry's state.

A line is `event=added registry=8e3b2f1c items=2 trace=4bf92f3577b34da6a3ce929d0e0e4736`. An id is a
capability, so only its first 8 digits are shown; items and settings never are.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping

from azure.functions import Context
from pydantic import ValidationError

from registry.domain.registry import InvalidTerms

log = logging.getLogger(__name__)

TRACE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def record(event: str, id: str, trace: str = "", **values: object) -> None:
    """Log that something happened to a registry, and the trace id of the request that caused it."""
    fields = {"event": event, "registry": id[:8], **values, "trace": trace or "-"}
    log.info(" ".join(f"{name}={value}" for name, value in fields.items()))


def summarize(event: str, counts: Mapping[str, int], names: Iterable[str]) -> None:
    """Log how often a run of maintenance did each of these things, unless it did none."""
    shown = {name: counts.get(name, 0) for name in names}
    if any(shown.values()):
        fields = {"event": event, **shown}
        log.info(" ".join(f"{name}={value}" for name, value in fields.items()))


def short(id: str) -> str:
    """The first 8 digits of a registry's id, as every line shows it; junk is escaped."""
    return ascii(id[:8])[1:-1]


def log_invalid(what: str, error: Exception) -> None:
    """Log that something cannot be read: where and why, but none of its values."""
    log.warning("%s is invalid: %s", what, reasons(error))


def reasons(error: Exception) -> str:
    """Where and why something cannot be read."""
    if isinstance(error, InvalidTerms):
        return str(error)
    if not isinstance(error, ValidationError):
        return type(error).__name__

    return "; ".join(
        f"{_path(each['loc'])}: {each['type']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _path(location: tuple[int | str, ...]) -> str:
    """Where in a document something is wrong. A key that is wrong itself is left out."""
    members = location[:1] if "[key]" in location else location
    return ".".join(map(str, members)) or "value"


def log_at_start(level: str, lines: str) -> None:
    """Log while the app is loaded.

    The host drops what is logged then, but it takes lines from stderr, and knows their level by the
    words in them:
    https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script/Workers/ProcessManagement/WorkerProcess.cs
    """
    for line in lines.splitlines():
        sys.stderr.write(f"{level}: {line}\n")


def trace_of(context: Context) -> str:
    """The trace id of the caller, or of the host.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    return trace_in(context.trace_context.trace_parent if context.trace_context else None)


def trace_in(value: object) -> str:
    """The trace id in a traceparent, or in whatever else a message carries; empty without one."""
    found = TRACE_ID.search(str(value))
    return found[0] if found else ""
