"""Functions that would end the worker of the real host, or that run too long."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import azure.functions as func
import pytest
import requests

from devhost.functions.indexing import index
from devhost.settings.files import HostJson
from tests.server import serving

EXITS = {
    each.__name__: each
    for each in (
        SystemExit,
        KeyboardInterrupt,
        asyncio.CancelledError,
        GeneratorExit,
        BaseException,
    )
}
TOGETHER = 64
"""More than a thread pool of Python has by default."""


class Waiting:
    """An app with functions that fail, wait and meet."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        meeting = threading.Barrier(TOGETHER)
        self.app = app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

        @app.route("die/{how}")
        def die(req: func.HttpRequest) -> str:
            raise (EXITS | {"StopIteration": StopIteration})[req.route_params["how"]]

        @app.route("adie/{how}")
        async def adie(req: func.HttpRequest) -> str:
            raise (EXITS | {"StopIteration": StopIteration})[req.route_params["how"]]

        @app.route("wait")
        def wait(req: func.HttpRequest) -> str:
            return str(self.go_on.wait(60))

        @app.route("await")
        async def await_(req: func.HttpRequest) -> str:
            return str(await asyncio.sleep(60))

        @app.route("meet")
        def meet(req: func.HttpRequest) -> str:
            return str(meeting.wait(60) >= 0)


@pytest.mark.parametrize("how", [*EXITS, "StopIteration"])
@pytest.mark.parametrize("function", ["die", "adie"])
def test_the_caller_gets_500_and_others_go_on(function, how, caplog) -> None:
    """On the real host they get 500 too, or no response at all."""
    waiting = Waiting()
    with serving(index(waiting.app)) as origin, ThreadPoolExecutor() as pool:
        other = pool.submit(requests.get, f"{origin}/api/wait")
        dead = requests.get(f"{origin}/api/{function}/{how}")
        waiting.go_on.set()
        assert (dead.status_code, dead.content) == (500, b"")
        assert other.result().text == "True"
    (failure,) = [message for message in caplog.messages if "failed" in message]
    assert failure.startswith(f"function {function} failed: ")


@pytest.mark.parametrize("function", ["wait", "await"])
def test_a_function_that_runs_too_long_is_500(function, caplog) -> None:
    """After functionTimeout of host.json; the log has the real host's message."""
    waiting = Waiting()
    with serving(index(waiting.app, HostJson(function_timeout=1))) as origin:
        response = requests.get(f"{origin}/api/{function}")
        assert (response.status_code, response.content) == (500, b"")
        waiting.go_on.set()
        assert requests.get(f"{origin}/api/wait").text == "True"
    name = "await_" if function == "await" else function
    assert (
        f"function {name} failed: "
        f"Timeout value of 00:00:01 exceeded by function 'Functions.{name}'." in (caplog.messages)
    )


def test_functions_that_block_do_not_wait_for_each_other() -> None:
    """There are as many threads as on the real host."""
    with serving(index(Waiting().app)) as origin, ThreadPoolExecutor(TOGETHER) as pool:
        met = pool.map(requests.get, [f"{origin}/api/meet"] * TOGETHER)
        assert {each.text for each in met} == {"True"}
