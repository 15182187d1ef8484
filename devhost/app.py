"""The function app: its functions, and how they are called.

Payloads pass through azure-functions' own converters, as in the Python worker.
"""

import asyncio
import inspect
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from azure.durable_functions.models.history import HistoryEvent
from azure.durable_functions.models.utils import http_utils
from azure.functions import Context, meta

from devhost.turns import DurableFunctions, RawFunction

HTTP_METHODS = ("GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS")
"""What a function answers to whose trigger names no methods."""

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


class App:
    """An indexed function app."""

    def __init__(self, functions: list[FunctionInfo]) -> None:
        self.functions = functions
        self.http = self._triggered_by("httpTrigger")
        self.timers = self._triggered_by("timerTrigger")
        self.activities = {_durable_name(each, "activity"): each for each in self._triggered_by("activityTrigger")}

    def _triggered_by(self, kind: str) -> list[FunctionInfo]:
        return [each for each in self.functions if each.trigger["type"] == kind]

    @property
    def durable(self) -> DurableFunctions:
        """The functions that the engine runs or schedules."""
        return DurableFunctions(
            orchestrators={
                _durable_name(each, "orchestration"): _raw(each) for each in self._triggered_by("orchestrationTrigger")
            },
            entities={_durable_name(each, "entityName"): _raw(each) for each in self._triggered_by("entityTrigger")},
            activities=frozenset(self.activities),
        )


@cache
def remember_moments() -> None:
    """Let the SDK parse the text of each moment once: it does so for every event in every replay, and takes longer for
    that than for all else. The same text is always the same moment.
    """
    events = sys.modules[HistoryEvent.__module__]
    events.dt_parse = lru_cache(maxsize=10_000)(events.dt_parse)  # type: ignore[attr-defined]  # not a name of its own


def convert_in(binding: str, value: Any, type: str) -> Any:
    """Give a trigger's payload the form in which the function takes it."""
    return meta.get_binding_registry().get(binding).decode(meta.Datum(value, type), trigger_metadata={})


def convert_out(binding: str, value: Any) -> meta.Datum:
    """Give what a function returned the form in which a host takes it."""
    return meta.get_binding_registry().get(binding).encode(value, expected_type=None)


async def close_client_session() -> None:
    """Close the HTTP session that the SDK's client keeps for the process: it is the host that knows of the end."""
    await http_utils._close_session()


def _durable_name(function: FunctionInfo, key: str) -> str:
    return (function.trigger.get(key) or function.name).casefold()


def _raw(function: FunctionInfo) -> RawFunction:
    kind, code = function.trigger["type"], function.code

    def run(payload: str) -> str:
        result: str = convert_out(kind, code(convert_in(kind, payload, "json"))).value
        return result

    return run
