import asyncio
import logging
import threading
from pathlib import Path

import pytest

from devhost.functions.errors import WorkerExit
from devhost.functions.invocation import FunctionInfo, FunctionTimeout, log_failure
from devhost.testing import VirtualLoop


def function(code, timeout: float | None = None) -> FunctionInfo:
    return FunctionInfo("wrap", code, {"name": "gift"}, (), False, "generic", timeout)


def invoke(function: FunctionInfo):
    return asyncio.run(function.invoke("Bike", ""))


def raising(error: BaseException):
    def wrap(gift):
        raise error

    return wrap


def raising_async(error: BaseException):
    async def wrap(gift):
        raise error

    return wrap


def test_an_invocation_returns_what_the_function_returns() -> None:
    """From a thread, or from the event loop if it is async."""

    async def wrap(gift):
        return gift, threading.current_thread() is threading.main_thread()

    assert invoke(
        function(lambda gift: (gift, threading.current_thread() is threading.main_thread()))
    ) == (
        "Bike",
        False,
    )
    assert invoke(function(wrap)) == ("Bike", True)


@pytest.mark.parametrize("raiser", [raising, raising_async])
@pytest.mark.parametrize("error", [ValueError("no paper"), TimeoutError("of its own")])
def test_an_error_reaches_the_caller(raiser, error) -> None:
    """Unchanged, even if it is a TimeoutError of the function's own."""
    with pytest.raises(type(error), match=str(error)):
        invoke(function(raiser(error), timeout=60))


@pytest.mark.parametrize("raiser", [raising, raising_async])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(7), 7),
        (SystemExit("message"), 1),
        (KeyboardInterrupt(), 130),
        (asyncio.CancelledError(), 1),
        (GeneratorExit(), 1),
        (BaseException(), 1),
    ],
)
def test_what_ends_a_worker_ends_the_invocation_alone(raiser, error, code) -> None:
    """Neither the loop nor a thread ends; the error has the real host's message."""
    with pytest.raises(WorkerExit, match=rf"python exited with code {code} \("):
        invoke(function(raiser(error), timeout=60))


def test_stop_iteration_reaches_the_caller() -> None:
    """A future would not hold it, and the caller would wait forever, as on the real host."""
    with pytest.raises(RuntimeError, match="the function raised StopIteration"):
        invoke(function(raising(StopIteration())))
    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        invoke(function(raising_async(StopIteration())))


def test_cancelling_an_invocation_cancels_the_function() -> None:
    """That is not a failure of the function."""
    ended = []

    async def wrap(gift):
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(gift)

    async def cancel() -> None:
        task = asyncio.create_task(function(wrap, timeout=7200).invoke("Bike", ""))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert ended == ["Bike"]


def test_an_async_function_that_runs_too_long_is_cancelled() -> None:
    """After the time in host.json, with the real host's message."""
    ended = []

    async def wrap(gift):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append(asyncio.get_running_loop().time())
            raise

    with (
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
        pytest.raises(FunctionTimeout) as error,
    ):
        runner.run(function(wrap, timeout=5).invoke("Bike", ""))
    assert str(error.value) == "Timeout value of 00:00:05 exceeded by function 'Functions.wrap'."
    assert ended == [pytest.approx(5)]


def test_a_thread_that_runs_too_long_is_abandoned() -> None:
    """Its caller does not wait for it."""
    go_on = threading.Event()
    with pytest.raises(FunctionTimeout):
        asyncio.run(_and_then(function(lambda gift: go_on.wait(60), timeout=0.01), go_on.set))


async def _and_then(function: FunctionInfo, end) -> None:
    try:
        await function.invoke("Bike", "")
    finally:
        end()


def test_a_function_learns_of_its_invocation() -> None:
    """Its context is as on the real host, except that there are no retries."""

    async def wrap(gift, context):
        return context

    info = FunctionInfo("wrap", wrap, {"name": "gift"}, (), True, "generic")
    context, other = (asyncio.run(info.invoke("Bike", "")) for _ in range(2))
    assert context.invocation_id != other.invocation_id
    assert (context.function_name, context.function_directory) == (
        "wrap",
        str(Path(__file__).parent),
    )
    assert context.thread_local_storage.invocation_id == context.invocation_id
    assert context.trace_context.attributes == {}
    assert (context.retry_context.retry_count, context.retry_context.exception) == (0, None)
    assert (
        repr(context.retry_context)
        == "RetryContext(retry_count=0, max_retry_count=0, rpc_exception=)"
    )


def test_a_failure_is_logged_with_the_traceback_of_the_app(caplog) -> None:
    """Once, and without devhost's own frames."""
    with pytest.raises(ValueError, match="no paper") as error:
        invoke(function(raising(ValueError("no paper"))))
    log_failure("wrap", error.value)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(
        "function wrap failed: Traceback (most recent call last):\n"
    )
    assert record.getMessage().endswith("ValueError: no paper")
    assert "in wrap" in record.getMessage()
    assert "in _run_in_thread" not in record.getMessage()


def test_a_timeout_is_logged_in_one_line(caplog) -> None:
    log_failure("wrap", FunctionTimeout("wrap", 300))
    assert caplog.messages == [
        "function wrap failed: Timeout value of 00:05:00 exceeded by function 'Functions.wrap'."
    ]
