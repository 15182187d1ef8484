"""`make run` from nothing, in a copy of the repository."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.e2e.process import ROOT

pytestmark = [pytest.mark.verify, pytest.mark.timeout(400)]


@pytest.fixture
def copy(tmp_path) -> Path:
    """What git would take of the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "copy" / name)
    return tmp_path / "copy"


@contextmanager
def make_run(folder: Path, data: str) -> Iterator[subprocess.Popen[str]]:
    """`make run` in a session of its own, which Ctrl-C ends."""
    usual = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        ["make", "run", "PORT=0", f"DATA={data}", f"PYTHON={sys.executable}"],
        cwd=folder,
        env=usual | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


def read_until_ready(process: subprocess.Popen[str]) -> tuple[str, str]:
    """All that it prints until it is ready, and its address."""
    printed = ""
    for line in process.stdout:
        printed += line
        if ready := re.search(r"ready on (http://127\.0\.0\.1:\d+)", line):
            return printed, ready[1]
    pytest.fail(printed)


def test_two_at_once_set_up_once_and_both_serve(copy) -> None:
    """The second one waits for the first, and each says in a line what takes so long."""
    with make_run(copy, ".one") as one, make_run(copy, ".two") as two:
        runs = [read_until_ready(one), read_until_ready(two)]
        for _, address in runs:
            assert requests.get(f"{address}/api/health").json()["status"] == "Healthy"

    said = "".join(printed for printed, _ in runs)
    assert said.count("Setting up .venv") == 1
    assert not (copy / ".venv" / "bin" / "pytest").exists()
