"""Causes: why a task has failed, in the words of the Durable extension, with the exception as .NET
serialises it.

What the exception at the caller says is both: reason, space, line break, space, details.
"""

import os
import traceback
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientConnectorDNSError, ClientConnectorError, InvalidURL

from devhost.functions.errors import WorkerExit, frames
from devhost.replay.json_text import whole_text, written

CORE = "System.Private.CoreLib"
SCRIPT = "Microsoft.Azure.WebJobs.Script"
NO_DATA = {"$type": f"System.Collections.ListDictionaryInternal, {CORE}"}
"""An empty dictionary."""
NO_URI = "An invalid request URI was provided. Either the request URI must be an absolute URI or BaseAddress must be set."


class HttpError(IntEnum):
    """Why there is no answer (System.Net.Http.HttpRequestError)."""

    UNKNOWN = 0
    NAME_RESOLUTION = 1
    CONNECTION = 2


@dataclass(frozen=True)
class Cause:
    """Why a task has failed."""

    reason: str
    details: str | None = None


def of_activity(name: str, error: Exception) -> Cause:
    """Why an activity has failed: by what its function raised, or by the end of its worker."""
    if isinstance(error, WorkerExit):
        message = str(error)
        details = written(
            _serialised(
                f"{SCRIPT}.Workers.WorkerProcessExitException", SCRIPT, {"Message": message}
            )
        )
    else:
        message = f" {type(error).__name__}: {error}"
        details = written(_exception("System.Exception", CORE, message, _raised(error)))
    return Cause(f"Activity function '{name}' failed: {whole_text(message)}", details)


def of_orchestrator(name: str, message: str, error: Exception) -> Cause:
    """Why an orchestration has failed, by what its function raised, and what the SDK says of that."""
    return Cause(
        failed(name, message), whole_text(f"Message: {message}, StackTrace: {_trace(error)}")
    )


def of_sdk(name: str, error: Exception) -> Cause:
    """Why an orchestration has failed, by what the SDK raised while it ran the function."""
    reason = failed(name, f"One or more errors occurred. ({_result(error)})")
    return Cause(reason, reason)


def of_http(uri: str, error: Exception) -> Cause:
    """Why call_http has got no answer."""
    if isinstance(error, InvalidURL):
        return Cause(
            NO_URI,
            f"Unhandled exception while executing task: System.InvalidOperationException: {NO_URI}",
        )
    kind, why, inner = HttpError.UNKNOWN, f"{type(error).__name__}: {error}", None
    if isinstance(error, ClientConnectorError):
        kind = (
            HttpError.NAME_RESOLUTION
            if isinstance(error, ClientConnectorDNSError)
            else HttpError.CONNECTION
        )
        why = _text(error.os_error)
        inner = _exception("System.Net.Sockets.SocketException", "System.Net.Primitives", why, None)
        why = f"{why} ({urlsplit(uri).hostname}:{error.port})"
    members = {"HttpRequestError": int(kind), "StatusCode": None, "Message": why, "Data": NO_DATA}
    exception = "System.Net.Http.HttpRequestException", "System.Net.Http"
    return Cause(why, written(_serialised(*exception, members | {"InnerException": inner})))


def _text(error: OSError) -> str:
    """What the operating system says, in its own words."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def failed(orchestrator: str, message: str) -> str:
    """Why an instance has failed, in the words of the real host."""
    return whole_text(f"Orchestrator function '{orchestrator}' failed: {message}")


def _raised(error: Exception) -> dict[str, Any]:
    """What a function raised, as the Functions host hands it on."""
    members = {
        "IsUserException": False,
        "RemoteStackTrace": _trace(error),
        "RemoteMessage": f"{type(error).__name__}: {error}",
        "RemoteTypeName": "",
        "Message": _result(error),
        "Data": NO_DATA,
        "InnerException": None,
    }
    return _serialised(f"{SCRIPT}.Workers.Rpc.RpcException", SCRIPT, members)


def _result(error: Exception) -> str:
    return f"Result: Failure\nException: {type(error).__name__}: {error}\nStack: {_trace(error)}"


def _trace(error: Exception) -> str:
    return "".join(
        traceback.format_list(frames(error) or traceback.extract_tb(error.__traceback__))
    )


def _exception(
    name: str, assembly: str, message: str, inner: dict[str, Any] | None
) -> dict[str, Any]:
    """An exception that .NET serialises by its fields."""
    members = {"ClassName": name, "Message": message, "Data": None, "InnerException": inner}
    return _serialised(name, assembly, members)


def _serialised(name: str, assembly: str, members: dict[str, Any]) -> dict[str, Any]:
    """An exception that .NET serialises by its properties."""
    empty = dict.fromkeys(("HelpLink", "Source", "StackTrace"))
    if "ClassName" in members:
        empty = dict.fromkeys(
            ("HelpURL", "StackTraceString", "RemoteStackTraceString", "Source", "WatsonBuckets")
        )
    return {"$type": f"{name}, {assembly}", **members, **empty}
