"""Why tasks fail, as an orchestrator learns it."""

import json
from socket import gaierror
from unittest.mock import Mock

import pytest
from aiohttp import ClientConnectorDNSError

from devhost.engine.failure_details import (
    activity_failure,
    http_failure,
    orchestrator_failure,
    sdk_failure,
)
from devhost.functions.errors import WorkerExit


def raised(error: Exception) -> Exception:
    """The error, with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_activity_fails_with_what_its_function_raised() -> None:
    """Two blanks, and the exception that a .NET host makes of it, with the traceback of Python."""
    failure = activity_failure("wrap", raised(ValueError("no\npaper")))
    assert failure.reason == "Activity function 'wrap' failed:  ValueError: no\npaper"
    assert failure.details.startswith(
        '{"$type":"System.Exception, System.Private.CoreLib","ClassName":"System.Exception",'
        '"Message":" ValueError: no\\npaper","Data":null,"InnerException":'
        '{"$type":"Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException, '
        'Microsoft.Azure.WebJobs.Script",'
        '"IsUserException":false,"RemoteStackTrace":"  File '
    )
    inner = json.loads(failure.details)["InnerException"]
    assert "raise error" in inner["RemoteStackTrace"]
    assert inner["Message"].startswith(
        "Result: Failure\nException: ValueError: no\npaper\nStack:   File "
    )


def test_an_activity_fails_with_its_worker() -> None:
    """One blank, and how the worker ended."""
    failure = activity_failure("wrap", WorkerExit(SystemExit(3)))
    assert failure.reason == "Activity function 'wrap' failed: python exited with code 3 (0x3)"
    assert failure.details.startswith(
        '{"$type":"Microsoft.Azure.WebJobs.Script.Workers.WorkerProcessExitException, '
        'Microsoft.Azure.WebJobs.Script",'
    )
    assert json.loads(failure.details)["Message"] == "python exited with code 3 (0x3)"


def test_a_cause_can_be_stored() -> None:
    """Whatever was raised: half of a surrogate pair cannot."""
    failure = activity_failure("wrap", ValueError("a\ud800b"))
    assert failure.reason.endswith("a\ufffdb")
    assert json.loads(failure.details)["Message"].endswith("a\ufffdb")


def test_an_orchestration_fails_with_what_its_function_raised() -> None:
    """And a traceback."""
    failure = orchestrator_failure("py", "boom", raised(ValueError("boom")))
    assert failure.reason == "Orchestrator function 'py' failed: boom"
    assert failure.details.startswith("Message: boom, StackTrace:   File ")


def test_an_orchestration_fails_with_what_the_sdk_raised() -> None:
    """As the Functions host reports any function."""
    reason = sdk_failure("py", raised(AttributeError("no task"))).reason
    assert reason.startswith(
        "Orchestrator function 'py' failed: One or more errors occurred. (Result: Failure\n"
        "Exception: AttributeError: no task\nStack:   File "
    )
    assert reason.endswith(")")


def test_http_fails_with_what_was_raised() -> None:
    """Whatever it is."""
    failure = http_failure("http://127.0.0.1:1/", TimeoutError("too late"))
    assert failure.reason == "TimeoutError: too late"
    assert json.loads(failure.details)["HttpRequestError"] == 0


def test_http_fails_with_what_the_operating_system_says() -> None:
    """And with the address."""
    unknown = gaierror(-2, "Name or service not known")
    failure = http_failure(
        "http://nobody.invalid/", ClientConnectorDNSError(Mock(port=80), unknown)
    )
    assert failure.reason == "Name or service not known (nobody.invalid:80)"
    assert json.loads(failure.details)["HttpRequestError"] == 1


@pytest.mark.parametrize("error", [ValueError("x"), WorkerExit(KeyboardInterrupt())])
def test_details_have_the_members_of_an_exception(error) -> None:
    """Those that .NET serialises, by fields or by properties."""
    details = json.loads(activity_failure("wrap", error).details)
    assert {"$type", "Message", "Source"} < details.keys()
    assert {"StackTraceString", "StackTrace"} & details.keys()
