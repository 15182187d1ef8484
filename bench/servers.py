"""Servers under measurement, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
COMMANDS = {
    "devhost": ["devhost", "--port", "{port}", "--data", "{folder}/data"],
    "fan_out": [
        "devhost",
        "--port",
        "{port}",
        "--data",
        "{folder}/data",
        "--app",
        "bench/fan_out_app",
    ],
    "aiohttp": ["bench.baselines", "aiohttp", "{port}"],
    "fastapi": ["bench.baselines", "fastapi", "{port}", "{folder}/fastapi.db"],
}
"""Python modules and their arguments. `fan_out` is devhost with another app than this one."""


class Server:
    """A server that runs from `start` to `stop`, on a free port."""

    def __init__(self, name: str, folder: Path, **settings: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.data = folder / "data"
        self._command = [part.format(port=port, folder=folder) for part in COMMANDS[name]]
        self._log = folder / f"{name}.log"
        self._environment = os.environ | {name: str(value) for name, value in settings.items()}

    def start(self) -> float:
        """Start it; returns after how many seconds it answered its first request."""
        began = time.perf_counter()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended: {self._log.read_text()[-2000:]}")
            time.sleep(0.005)
        return time.perf_counter() - began

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/api/stats").close()
        except urllib.error.HTTPError:
            return True  # only the registry has stats
        except OSError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it, and wait until it is gone."""
        self._process.send_signal(number)
        self._process.wait(30)

    def cpu_seconds(self) -> float:
        """Return the processor time used so far. On a busy machine it varies less than time."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def lines(self) -> int:
        """How many lines it has logged so far."""
        return self._log.read_bytes().count(b"\n")

    def memory(self) -> float:
        """Its resident memory, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


@contextmanager
def started(*names: str, **settings: object) -> Iterator[dict[str, Server]]:
    """Servers that run for the length of the block, by name."""
    with ExitStack() as stack:
        servers = {}
        for name in names:
            folder = stack.enter_context(TemporaryDirectory())
            servers[name] = Server(name, Path(folder), **settings)
            servers[name].start()
            stack.callback(servers[name].stop)
        yield servers


def progress(what: str) -> None:
    """Print what is being measured to stderr. The figures go to stdout."""
    print(f"... {what}", file=sys.stderr, flush=True)
