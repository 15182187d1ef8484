"""Invocations: how a function is called, what it learns of that, and what becomes of one that does
not return.
"""

import asyncio
import inspect
import logging
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import azure.functions

from devhost.functions.errors import WorkerExit, shown

log = logging.getLogger("devhost")

TRACEPARENT = re.compile(
    r"00-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
)
"""https://www.w3.org/TR/trace-context/#traceparent-header"""


class FunctionTimeout(Exception):
    """A function ran longer than host.json allows; one line, in the words of the real host."""

    def __init__(self, function: str, seconds: float) -> None:
        super().__init__(
            f"Timeout value of {timedelta(seconds=seconds)!s:0>8} exceeded by function 'Functions.{function}'."
        )


@dataclass(frozen=True)
class FunctionInfo:
    """A function of the app: the code, and the bindings that its parameters get their values from."""

    name: str
    code: Callable[..., Any]
    trigger: Mapping[str, Any]
    clients: tuple[str, ...]
    """Parameters that take a Durable client."""
    wants_context: bool
    converter: str
    """The binding whose converter makes the argument of what triggers the function."""
    timeout: float | None = None
    """Seconds that an invocation may take; None is no end."""

    async def invoke(
        self, argument: Any, client: str, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Call the code with what triggers it and the JSON of a Durable client; off the loop if it
        is not async.

        Of the headers of a request, those of W3C Trace Context count. Raises what the code raises,
        WorkerExit in place of what is no Exception, and FunctionTimeout: then code that is async
        has been cancelled, while a thread goes on, and nobody learns what it returns.
        """
        arguments = {self.trigger["name"]: argument} | dict.fromkeys(self.clients, client)
        if self.wants_context:
            arguments["context"] = Context(self, headers or {})
        try:
            async with asyncio.timeout(self.timeout) as deadline:
                return await self._run(arguments)
        except TimeoutError:
            if self.timeout is None or not deadline.expired():
                raise
            raise FunctionTimeout(self.name, self.timeout) from None

    async def _run(self, arguments: dict[str, Any]) -> Any:
        if not self._is_async:
            return await asyncio.to_thread(_run_in_thread, self.code, arguments)
        try:
            return await self.code(**arguments)
        except Exception:
            raise
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            raise WorkerExit(error) from error

    @cached_property
    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.code)


def _run_in_thread(code: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call the code, so that whatever it raises reaches who waits for it: a future takes no
    StopIteration.
    """
    try:
        return code(**arguments)
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error
    except Exception:
        raise
    except BaseException as error:
        raise WorkerExit(error) from error


def log_failure(function: str, error: Exception) -> None:
    """Log why a function did not return, with the traceback of the app's own code."""
    text = str(error) if isinstance(error, FunctionTimeout) else shown(error)
    log.error("function %s failed: %s", function, text)


class Context(azure.functions.Context):  # type: ignore[misc]  # azure-functions is not followed by mypy
    """What a function learns of its invocation when it has a parameter `context`."""

    def __init__(self, function: FunctionInfo, headers: Mapping[str, str]) -> None:
        self._function = function
        self._trace = InvocationTrace(headers)
        self._invocation = str(uuid.uuid4())
        self._local = threading.local()
        self._local.invocation_id = self._invocation

    @property
    def invocation_id(self) -> str:
        return self._invocation

    @property
    def function_name(self) -> str:
        return self._function.name

    @property
    def function_directory(self) -> str:
        return str(Path(inspect.getfile(self._function.code)).parent)

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
    """The retries of an invocation: devhost has no retry policies, so there are none."""

    retry_count = 0
    max_retry_count = 0
    exception = None

    def __repr__(self) -> str:
        return f"RetryContext(retry_count={self.retry_count}, max_retry_count={self.max_retry_count}, rpc_exception=)"


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
