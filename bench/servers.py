"""Servers under measurement, each in a process of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
PORTS = {"devhost": 7171, "aiohttp": 7172, "fastapi": 7173}


class Server:
    """A server that runs from `start` to `stop`."""

    def __init__(self, name: str, folder: Path, **settings: object) -> None:
        self.url = f"http://127.0.0.1:{PORTS[name]}"
        self.data = folder / "data"
        self._command = {
            "devhost": ["devhost", "--port", str(PORTS[name]), "--data", str(self.data)],
            "aiohttp": ["bench.baselines", "aiohttp", str(PORTS[name])],
            "fastapi": ["bench.baselines", "fastapi", str(PORTS[name]), str(folder / "fastapi.db")],
        }[name]
        self._log = folder / f"{name}.log"
        self._environment = os.environ | {name: str(value) for name, value in settings.items()}

    def start(self) -> float:
        """Start it; returns after how many seconds it answered its first request."""
        began = time.perf_counter()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command], cwd=ROOT, stdout=log, stderr=log, env=self._environment
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
            return True  # the baselines have no stats
        except OSError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it, and wait until it is gone."""
        self._process.send_signal(number)
        self._process.wait(30)

    def memory(self) -> float:
        """Its resident memory, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024
