"""Invocations: how a function is called, and what it learns of that."""

import asyncio
import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.functions import Context

TRACEPARENT = re.compile(r"00-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""


@dataclass(frozen=True)
class FunctionInfo:
    """A function of the app: the code, and the bindings that its parameters get their values from."""

    name: str
    code: Callable[..., Any]
    trigger: Mapping[str, Any]
    clients: tuple[str, ...]
    """Parameters that take a Durable client."""
    wants_context: bool

    async def invoke(self, argument: Any, client: str, headers: Mapping[str, str] | None = None) -> Any:
        """Call the code with what triggers it and the JSON of a Durable client; off the loop if it is not async.

        Of the headers of a request, those of W3C Trace Context count.
        """
        arguments = {self.trigger["name"]: argument} | dict.fromkeys(self.clients, client)
        if self.wants_context:
            arguments["context"] = InvocationContext(self.name, headers or {})
        if inspect.iscoroutinefunction(self.code):
            return await self.code(**arguments)
        return await asyncio.to_thread(self.code, **arguments)


class InvocationContext(Context):  # type: ignore[misc]  # azure-functions is not followed by mypy
    """What a function learns of its invocation when it has a parameter `context`."""

    def __init__(self, function: str, headers: Mapping[str, str]) -> None:
        self._function = function
        self._trace = InvocationTrace(headers)
        self._invocation = str(uuid.uuid4())

    @property
    def invocation_id(self) -> str:
        return self._invocation

    @property
    def function_name(self) -> str:
        return self._function

    @property
    def function_directory(self) -> str:
        return str(Path.cwd())

    @property
    def thread_local_storage(self) -> Any:
        return None

    @property
    def trace_context(self) -> "InvocationTrace":
        return self._trace

    @property
    def retry_context(self) -> Any:
        return None


class InvocationTrace:
    """A new span: of the caller's trace, or of a new one where the caller has none."""

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
