"""A devhost in a process of its own, as `make run` starts it, on a free port."""

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Devhost:
    """Runs while it is a context, and serves the app of this project at `url`."""

    def __init__(self, data: Path, port: int = 0, **settings: object) -> None:
        self._data = data
        self._port = port
        defaults = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
        # without that of coverage, which would make it slow
        usual = {
            name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
        }
        self._environment = (
            usual | defaults | {name: str(value) for name, value in settings.items()}
        )
        self.url = ""

    def start(self) -> "Devhost":
        """Start, the first time or after a kill, and wait until it is ready."""
        command = [
            sys.executable,
            "-u",
            "-m",
            "devhost",
            "--data",
            str(self._data),
            "--port",
            str(self._port),
        ]
        self._log = (self._data.parent / "devhost.log").open("a+")
        begin = self._log.tell()
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        while not (ready := re.search(r"ready on http://127\.0\.0\.1:(\d+)", self._printed(begin))):
            assert self._process.poll() is None, self._printed(begin)
            time.sleep(0.01)
        self._port = int(ready[1])
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    def _printed(self, begin: int) -> str:
        self._log.seek(begin)
        return self._log.read()

    __enter__ = start

    def __exit__(self, failure: object, *more: object) -> None:
        """Stop it as Ctrl-C does, or at once when the test has failed."""
        if failure:
            self.kill()
            return
        self._process.terminate()
        assert self._process.wait(20) == 0
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def limit_files(self, size: int) -> None:
        """Let it write files of at most so many bytes: to it the disk is full then."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        """End it without any warning."""
        self._process.kill()
        self._process.wait(20)
        self._log.close()
