"""Why tasks fail, as an orchestrator is told."""

import json
from socket import gaierror
from unittest.mock import Mock

import pytest
from aiohttp import ClientConnectorDNSError

from devhost.engine.failure_details import of_activity, of_http, of_orchestrator, of_sdk
from devhost.functions.errors import WorkerExit


def raised(error: Exception) -> Exception:
    """The error, with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_activity_fails_with_what_its_function_raised() -> None:
    """Two blanks, and the exception that a .NET host makes of it, with the traceback of Python."""
    cause = of_activity("wrap", raised(ValueError("no\npaper")))
    assert cause.reason == "Activity function 'wrap' failed:  ValueError: no\npaper"
    assert cause.details.startswith(
        '{"$type":"System.Exception, System.Private.CoreLib","ClassName":"System.Exception",'
        '"Message":" ValueError: no\\npaper","Data":null,"InnerException":'
        '{"$type":"Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException, Microsoft.Azure.WebJobs.Script",'
        '"IsUserException":false,"RemoteStackTrace":"  File '
    )
    inner = json.loads(cause.details)["InnerException"]
    assert "raise error" in inner["RemoteStackTrace"]
    assert inner["Message"].startswith(
        "Result: Failure\nException: ValueError: no\npaper\nStack:   File "
    )


def test_an_activity_fails_with_its_worker() -> None:
    """One blank, and how the worker ended."""
    cause = of_activity("wrap", WorkerExit(SystemExit(3)))
    assert cause.reason == "Activity function 'wrap' failed: python exited with code 3 (0x3)"
    assert cause.details.startswith(
        '{"$type":"Microsoft.Azure.WebJobs.Script.Workers.WorkerProcessExitException, Microsoft.Azure.WebJobs.Script",'
    )
    assert json.loads(cause.details)["Message"] == "python exited with code 3 (0x3)"


def test_a_cause_can_be_stored() -> None:
    """Whatever was raised: half of a surrogate pair cannot."""
    cause = of_activity("wrap", ValueError("a\ud800b"))
    assert cause.reason.endswith("a\ufffdb")
    assert json.loads(cause.details)["Message"].endswith("a\ufffdb")


def test_an_orchestration_fails_with_what_its_function_raised() -> None:
    """And a traceback."""
    cause = of_orchestrator("py", "boom", raised(ValueError("boom")))
    assert cause.reason == "Orchestrator function 'py' failed: boom"
    assert cause.details.startswith("Message: boom, StackTrace:   File ")


def test_an_orchestration_fails_with_what_the_sdk_raised() -> None:
    """As the Functions host tells of any function."""
    reason = of_sdk("py", raised(AttributeError("no task"))).reason
    assert reason.startswith(
        "Orchestrator function 'py' failed: One or more errors occurred. (Result: Failure\n"
        "Exception: AttributeError: no task\nStack:   File "
    )
    assert reason.endswith(")")


def test_http_fails_with_what_was_raised() -> None:
    """Whatever it is."""
    cause = of_http("http://127.0.0.1:1/", TimeoutError("too late"))
    assert cause.reason == "TimeoutError: too late"
    assert json.loads(cause.details)["HttpRequestError"] == 0


def test_http_fails_with_what_the_operating_system_says() -> None:
    """And with the address."""
    unknown = gaierror(-2, "Name or service not known")
    cause = of_http("http://nobody.invalid/", ClientConnectorDNSError(Mock(port=80), unknown))
    assert cause.reason == "Name or service not known (nobody.invalid:80)"
    assert json.loads(cause.details)["HttpRequestError"] == 1


@pytest.mark.parametrize("error", [ValueError("x"), WorkerExit(KeyboardInterrupt())])
def test_details_have_the_members_of_an_exception(error) -> None:
    """Those that .NET serialises, by fields or by properties."""
    details = json.loads(of_activity("wrap", error).details)
    assert {"$type", "Message", "Source"} < details.keys()
    assert {"StackTraceString", "StackTrace"} & details.keys()
