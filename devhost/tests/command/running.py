"""The command `devhost` in a process of its own, with a small app."""

import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

APP = """
    import asyncio
    import logging
    import os
    import sys
    import time
    import azure.functions as func
    app = func.FunctionApp()
    @app.route("hello")
    def hello(req: func.HttpRequest) -> str:
        logging.info("somebody came")
        return "hello"
    @app.route("slow")
    async def slow(req: func.HttpRequest) -> str:
        logging.info("slow has begun")
        await asyncio.sleep(1)
        return "done"
    @app.route("stuck")
    def stuck(req: func.HttpRequest):
        logging.info("stuck has begun")
        time.sleep(60)
    @app.route("blocks")
    async def blocks(req: func.HttpRequest):
        logging.info("blocks has begun")
        time.sleep(60)
    @app.route("where")
    def where(req: func.HttpRequest) -> str:
        names = (
            "AzureWebJobsScriptRoot",
            "FUNCTIONS_WORKER_RUNTIME",
            "PYTHON_THREADPOOL_THREAD_COUNT",
        )
        return "|".join([os.getcwd(), *(os.environ[name] for name in names)])
    @app.route("exit/{how}")
    async def exit(req: func.HttpRequest) -> str:
        async def leave():
            sys.exit(3)
        await (leave() if req.route_params["how"] == "now" else asyncio.create_task(leave()))
    @app.timer_trigger("timer", schedule="0 0 3 * * *")
    def clean(timer: func.TimerRequest): ...
"""


def small_app(folder: Path, host_json: str = '{"version": "2.0"}') -> Path:
    """Write a small app to a folder, which is returned."""
    folder.mkdir(exist_ok=True)
    (folder / "function_app.py").write_text(textwrap.dedent(APP))
    (folder / "host.json").write_text(host_json)
    return folder


class Running:
    """A devhost that has printed that it is ready."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.folder = folder
        self._output = folder / "printed"
        command = [sys.executable, "-m", "devhost", "--app", folder, "--port", 0, *options]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, cwd=folder.parent
            )
        self.wait_until_printed(", stop with Ctrl-C\n")
        self.at_start = self.printed()
        (self.url,) = re.findall(r"ready on (http://[^/]+).*,", self.at_start)

    def printed(self) -> str:
        """Everything that it has printed."""
        return self._output.read_text()

    def log(self) -> list[str]:
        """The lines that it has printed since it was ready."""
        return self.printed().removeprefix(self.at_start).splitlines()

    def wait_until_printed(self, text: str) -> None:
        """Wait for a text in what it prints. Fails the test if it ends before, or after 30 s."""
        deadline = time.monotonic() + 30
        while text not in self.printed():
            has_ended = self.process.poll() is not None and text not in self.printed()
            if has_ended or time.monotonic() > deadline:
                pytest.fail(f"{text!r} is not in what was printed:\n{self.printed()}")
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)
