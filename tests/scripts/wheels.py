"""Tiny packages, a lock of them, and an index that serves them when it is told to."""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread


def wheel(folder: Path, name: str, version: str = "1.0") -> str:
    """Make one that has a module of its name. Returns its line in a lock."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in files.items():
            archive.writestr(
                zipfile.ZipInfo(each), text
            )  # without the time: its hash is always the same
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via a test\n"


class Index:
    """Serves a folder of wheels; each of these waits until `go` is set."""

    def __init__(self, folder: Path) -> None:
        self.asked, self.go = Event(), Event()
        index = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.endswith(".whl"):
                    index.asked.set()
                    index.go.wait(60)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    @contextmanager
    def served(self) -> Iterator["Index"]:
        """While it is open."""
        Thread(target=self.server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.go.set()
            self.server.shutdown()
            self.server.server_close()
