"""What operators see: one line for each change of a registry's state.

A line is `event=added registry=8e3b2f1c items=2 trace=4bf92f3577b34da6a3ce929d0e0e4736`. An id is a
capability, so only its first 8 digits are shown; items and settings never are. Texts from outside
are printable ASCII in it, so that nobody forges a line or a value.
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
LONGEST_TRACEPARENT = 1024
"""Characters in which a trace id is looked for."""
REGISTRY_ID = re.compile(r"([0-9A-Fa-f]{8})[0-9A-Fa-f]{24,}")
LONGEST_TEXT = 200
LONGEST_LINE = 1000
"""Characters of a text from outside, and of a line that the app writes at its start."""


def record(event: str, id: str, trace: str = "", **values: object) -> None:
    """Log that something happened to a registry, and the trace id of the request that caused it."""
    fields = {"event": event, "registry": short_id(id), **values}
    shown = {name: _word(value) for name, value in fields.items()} | {"trace": trace_in(trace)}
    log.info(" ".join(f"{name}={value or '-'}" for name, value in shown.items()))


def summarize(event: str, counts: Mapping[str, int], names: Iterable[str]) -> None:
    """Log how often a run of maintenance did each of these things, unless it did none."""
    shown = {name: counts.get(name, 0) for name in names}
    if any(shown.values()):
        fields = {"event": event, **shown}
        log.info(" ".join(f"{name}={value}" for name, value in fields.items()))


def log_invalid(what: str, error: Exception) -> None:
    """Log that something cannot be read: where and why, but none of its values."""
    log.warning("%s is invalid: %s", printable(what), printable(reasons(error)))


def short_id(id: str) -> str:
    """A registry's id for the log: its first 8 characters."""
    return printable(id[:8])


def printable(text: str, max_length: int = LONGEST_TEXT) -> str:
    """A text from outside for the log: printable ASCII, with ids shortened, and bounded."""
    shortened = REGISTRY_ID.sub(r"\1", text)[:max_length]
    escaped = "".join(each if " " <= each <= "~" else ascii(each)[1:-1] for each in shortened)
    return escaped[:max_length]


def _word(value: object) -> str:
    return printable(str(value)).replace(" ", r"\x20")


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
        sys.stderr.write(f"{level}: {printable(line, LONGEST_LINE)}\n")


def trace_of(context: Context) -> str:
    """The trace id of the caller, or of the host.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    return trace_in(context.trace_context.trace_parent if context.trace_context else None)


def trace_in(value: object) -> str:
    """The trace id in a traceparent, or in the message that has one; empty without one."""
    if isinstance(value, Mapping):
        value = value.get("trace")
    if not isinstance(value, str) or len(value) > LONGEST_TRACEPARENT:
        return ""
    found = TRACE_ID.search(value)
    return found[0] if found else ""
