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

    def __init__(
        self, data: Path, port: int = 0, *, is_verbose: bool = False, **settings: object
    ) -> None:
        self._data = data
        self._is_verbose = is_verbose
        self._port = port
        self._environment = _usual_environment() | _default_settings()
        self._environment |= {name: str(value) for name, value in settings.items()}
        self._log = data.parent / "devhost.log"
        self.url = ""

    def start(self) -> "Devhost":
        """Start, the first time or after a kill, and wait until it is ready.

        Raises RuntimeError with what it printed where it ends instead.
        """
        options = ["--data", str(self._data), "--port", str(self._port)]
        if self._is_verbose:
            options.append("--verbose")

        with self._log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "devhost", *options],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

        self._port = self._wait_until_ready(begin)
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    def _wait_until_ready(self, begin: int) -> int:
        """Return the port that it listens on."""
        while True:
            has_ended = self._process.poll() is not None
            printed = self._log.read_bytes()[begin:].decode()

            if ready := re.search(r"ready on http://127\.0\.0\.1:(\d+)", printed):
                return int(ready[1])
            if has_ended:
                raise RuntimeError(f"devhost did not start:\n{printed}")
            time.sleep(0.01)

    __enter__ = start

    def __exit__(self, failure: object, *more: object) -> None:
        """Stop it, or end it at once when the test has failed."""
        if failure:
            self.kill()
            return

        self.stop()

    def stop(self) -> None:
        """Stop it by SIGTERM, as Ctrl-C does."""
        self._process.terminate()
        assert self._process.wait(20) == 0

    @property
    def printed(self) -> str:
        """Everything that it has printed, since the first start."""
        return self._log.read_bytes().decode()

    @property
    def pid(self) -> int:
        return self._process.pid

    def limit_files(self, size: int) -> None:
        """Let it write files of at most so many bytes: as if the disk were full."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        """End it without any warning."""
        self._process.kill()
        self._process.wait(20)


def _usual_environment() -> dict[str, str]:
    """That of the tests, without coverage, which would make it slow."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def _default_settings() -> dict[str, str]:
    return json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
