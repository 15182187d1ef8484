"""Why a task has failed, in the words of the Durable extension, with the exception as .NET has it.

The exception at the caller says both: reason, space, line break, space, details.
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
EMPTY_DICTIONARY = {"$type": f"System.Collections.ListDictionaryInternal, {CORE}"}
INVALID_URI = (
    "An invalid request URI was provided. Either the request URI must be an absolute URI or "
    "BaseAddress must be set."
)


class HttpRequestError(IntEnum):
    """Why a request has no response (System.Net.Http.HttpRequestError)."""

    UNKNOWN = 0
    NAME_RESOLUTION = 1
    CONNECTION = 2


@dataclass(frozen=True)
class FailureDetails:
    """Why a task has failed."""

    reason: str
    details: str | None = None


def activity_failure(name: str, error: Exception) -> FailureDetails:
    """Why an activity has failed: its function raised an error, or ended its worker."""
    if isinstance(error, WorkerExit):
        message = str(error)
        type_name = f"{SCRIPT}.Workers.WorkerProcessExitException"
        exception = _serialised(type_name, SCRIPT, {"Message": message})
    else:
        message = f" {type(error).__name__}: {error}"
        exception = _exception("System.Exception", CORE, message, _rpc_exception(error))

    reason = f"Activity function '{name}' failed: {whole_text(message)}"
    return FailureDetails(reason, written(exception))


def orchestrator_failure(name: str, message: str, error: Exception) -> FailureDetails:
    """Why an orchestration has failed: its function raised an error.

    `message` is what the SDK says of it.
    """
    details = whole_text(f"Message: {message}, StackTrace: {_trace(error)}")
    return FailureDetails(orchestration_failed(name, message), details)


def sdk_failure(name: str, error: Exception) -> FailureDetails:
    """Why an orchestration has failed: the SDK raised an error while it ran the function."""
    reason = orchestration_failed(name, f"One or more errors occurred. ({_result(error)})")
    return FailureDetails(reason, reason)


def http_failure(uri: str, error: Exception) -> FailureDetails:
    """Why call_http has no response."""
    if isinstance(error, InvalidURL):
        text = f"System.InvalidOperationException: {INVALID_URI}"
        details = f"Unhandled exception while executing task: {text}"
        return FailureDetails(INVALID_URI, details)

    kind = HttpRequestError.UNKNOWN
    reason = f"{type(error).__name__}: {error}"
    inner = None
    if isinstance(error, ClientConnectorError):
        is_dns = isinstance(error, ClientConnectorDNSError)
        kind = HttpRequestError.NAME_RESOLUTION if is_dns else HttpRequestError.CONNECTION
        text = _text(error.os_error)
        reason = f"{text} ({urlsplit(uri).hostname}:{error.port})"
        inner = _exception(
            "System.Net.Sockets.SocketException", "System.Net.Primitives", text, None
        )

    members = {
        "HttpRequestError": int(kind),
        "StatusCode": None,
        "Message": reason,
        "Data": EMPTY_DICTIONARY,
        "InnerException": inner,
    }
    exception = _serialised("System.Net.Http.HttpRequestException", "System.Net.Http", members)
    return FailureDetails(reason, written(exception))


def orchestration_failed(orchestrator: str, message: str) -> str:
    """Why an instance has failed, in the words of the real host."""
    return whole_text(f"Orchestrator function '{orchestrator}' failed: {message}")


def _text(error: OSError) -> str:
    """The operating system's own words."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _rpc_exception(error: Exception) -> dict[str, Any]:
    """An error of a function, as the Functions host hands it on."""
    members = {
        "IsUserException": False,
        "RemoteStackTrace": _trace(error),
        "RemoteMessage": f"{type(error).__name__}: {error}",
        "RemoteTypeName": "",
        "Message": _result(error),
        "Data": EMPTY_DICTIONARY,
        "InnerException": None,
    }
    return _serialised(f"{SCRIPT}.Workers.Rpc.RpcException", SCRIPT, members)


def _result(error: Exception) -> str:
    return f"Result: Failure\nException: {type(error).__name__}: {error}\nStack: {_trace(error)}"


def _trace(error: Exception) -> str:
    stack = frames(error) or traceback.extract_tb(error.__traceback__)
    return "".join(traceback.format_list(stack))


def _exception(
    name: str, assembly: str, message: str, inner: dict[str, Any] | None
) -> dict[str, Any]:
    """An exception that .NET serialises by its fields."""
    members = {"ClassName": name, "Message": message, "Data": None, "InnerException": inner}
    return _serialised(name, assembly, members)


def _serialised(name: str, assembly: str, members: dict[str, Any]) -> dict[str, Any]:
    """An exception as JSON, with the members that are always empty here."""
    empty = ["HelpLink", "Source", "StackTrace"]
    if "ClassName" in members:
        empty = ["HelpURL", "StackTraceString", "RemoteStackTraceString", "Source", "WatsonBuckets"]
    return {"$type": f"{name}, {assembly}", **members, **dict.fromkeys(empty)}
