"""The `context` of an invocation: ids, folder, trace and retries."""

import re
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import azure.functions

TRACEPARENT = re.compile(
    r"00-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
)
"""https://www.w3.org/TR/trace-context/#traceparent-header"""


class Context(azure.functions.Context):  # type: ignore[misc]  # which mypy does not follow
    """What a function gets when it has a parameter `context`."""

    def __init__(self, function: str, folder: Path, headers: Mapping[str, str]) -> None:
        """`headers` are those of the request that triggers the function."""
        self._function = function
        self._folder = folder
        self._trace = InvocationTrace(headers)
        self._invocation = str(uuid.uuid4())
        self._local = threading.local()
        self._local.invocation_id = self._invocation

    @property
    def invocation_id(self) -> str:
        return self._invocation

    @property
    def function_name(self) -> str:
        return self._function

    @property
    def function_directory(self) -> str:
        return str(self._folder)

    @property
    def thread_local_storage(self) -> Any:
        return self._local

    @property
    def trace_context(self) -> "InvocationTrace":
        return self._trace

    @property
    def retry_context(self) -> "RetryContext":
        return RetryContext()


class RetryContext:
    """The retries of an invocation: always none, as devhost has no retry policies."""

    retry_count = 0
    max_retry_count = 0
    exception = None

    def __repr__(self) -> str:
        counts = f"retry_count={self.retry_count}, max_retry_count={self.max_retry_count}"
        return f"RetryContext({counts}, rpc_exception=)"


class InvocationTrace:
    """A new span, in the caller's trace or in a new one."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        caller = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        trace, flags = (caller["trace"], caller["flags"]) if caller else (uuid.uuid4().hex, "00")
        self._parent = f"00-{trace}-{uuid.uuid4().hex[:16]}-{flags}"
        self._state = headers.get("tracestate", "") if caller else ""

    @property
    def trace_parent(self) -> str:
        return self._parent

    @property
    def trace_state(self) -> str:
        return self._state

    @property
    def attributes(self) -> dict[str, str]:
        return {}
