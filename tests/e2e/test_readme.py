"""What the README shows is what happens."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.settings import Settings, read

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def code(language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def steps(console: str) -> list[tuple[str, str]]:
    """Each command of a walk through, and what it prints."""
    shown = [step.partition("\n") for step in console.removeprefix("$ ").split("\n$ ")]
    return [(command, printed.strip()) for command, _, printed in shown]


def normalised(printed: str) -> str:
    """Without ids, keys and times, which are new each time, and before a delivery that was faster
    than the answer.
    """
    printed = printed.replace('"processing": "delivered"}}', '"processing": "pending"}}')
    printed = re.sub(r"[0-9a-f]{32}|[0-9a-f]{6}…", "ID", printed)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", printed)


@pytest.fixture
def receiver() -> Iterator[tuple[str, subprocess.Popen]]:
    """The receiver that the README names, on a free port: its URL, and the process."""
    command = [sys.executable, str(ROOT / "examples" / "receiver.py"), "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().split()[-1], process
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


@contextmanager
def run(data: Path, **settings: str) -> Iterator[str]:
    """The app, started by `make run` on a free port with an empty task hub: its address."""
    command = [
        "make",
        "--no-print-directory",
        "run",
        "PORT=0",
        f"DATA={data}",
        f"VENV={sys.prefix}",
    ]
    command.append("PYTHON=true")  # sets nothing up: the environment is the one that runs the tests
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | settings | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    for line in process.stdout:
        if ready := re.search(r"ready on http://([^/,\s]+)", line):
            break
    yield ready[1]
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)


def check_walk(console: str, address: str) -> None:
    """Command by command, with the output that it shows."""
    expected = steps(console)
    script = "".join(f"{command}\necho; echo ==\n" for command, _ in expected)
    done = subprocess.run(
        ["bash", "-e"],
        input=script.replace("127.0.0.1:7071", address),
        capture_output=True,
        text=True,
        timeout=60,
    )
    printed = [part.strip() for part in done.stdout.split("==\n")[:-1]]
    assert list(map(normalised, printed)) == [normalised(shown) for _, shown in expected]


def test_the_first_walk(tmp_path) -> None:
    """It needs nothing but the app, and ends with its own delivery turned off."""
    with run(tmp_path / "data") as address:
        check_walk(code("console")[0], address)


def test_the_walk_with_a_receiver(tmp_path, receiver) -> None:
    """With the settings that the README exports, and with the delivery."""
    settings = dict(re.findall(r"^export (\w+)=(.*)$", "".join(code("sh")), re.MULTILINE))
    assert settings["PROCESSING_WEBHOOK_URL"] == "http://127.0.0.1:8080/"
    settings["PROCESSING_WEBHOOK_URL"] = receiver[0]
    with run(tmp_path / "data", **settings) as address:
        check_walk(code("console")[1], address)
        wrapped = receiver[1].stdout.readline().strip()
    assert f"The receiver prints `{wrapped}`." in README


def test_the_settings() -> None:
    """Every setting, with its default."""
    rows = dict(
        re.findall(r"^\| `((?:REGISTRY|PROCESSING)_\w+)` \| (.*?) ?\|", README, re.MULTILINE)
    )
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    defaults = {name: value for name, value in example.items() if name in rows}
    assert len(rows) == 12
    assert {name: value.strip("`") for name, value in rows.items()} == defaults
    assert read(defaults) == Settings()
