"""Invokes the functions of an app, with a time-out, and logs why one failed."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from devhost.functions.context import Context
from devhost.functions.errors import WorkerExit, shown
from devhost.printable import printable

log = logging.getLogger("devhost")


class FunctionTimeout(Exception):
    """A function ran longer than host.json allows; the message is that of the real host."""

    def __init__(self, function: str, seconds: float) -> None:
        limit = f"{timedelta(seconds=seconds)!s:0>8}"
        super().__init__(f"Timeout value of {limit} exceeded by function 'Functions.{function}'.")


@dataclass(frozen=True)
class FunctionInfo:
    """A function of the app: its code, and its bindings to the parameters."""

    name: str
    code: Callable[..., Any]
    trigger: Mapping[str, Any]
    clients: tuple[str, ...]
    """The parameters that take a Durable client."""
    wants_context: bool
    converter: str
    """The binding whose converter turns the trigger's payload into the argument."""
    timeout: float | None = None
    """Seconds that an invocation may take; None is without limit."""

    async def invoke(
        self, argument: Any, client: str, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Call the function: async code on the event loop, other code in a thread.

        `argument` is what triggers it, `client` the JSON for a Durable client, and `headers` those
        of the request, for its trace.

        Raises whatever the code raises, but WorkerExit for what is not an Exception. Raises
        FunctionTimeout after `timeout`: then async code has been cancelled, while a thread runs on
        and its result is ignored.
        """
        arguments = {self.trigger["name"]: argument} | dict.fromkeys(self.clients, client)
        if self.wants_context:
            arguments["context"] = Context(self.name, self._folder, headers or {})
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

    @cached_property
    def _folder(self) -> Path:
        return Path(inspect.getfile(self.code)).parent


def _run_in_thread(code: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call the code. Raises only what a future can hold, which StopIteration is not."""
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
    log.error("function %s failed: %s", printable(function), text)
