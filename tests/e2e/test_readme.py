"""The commands in the documents run, and answer as shown."""

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
WEBHOOK = (ROOT / "docs" / "webhook.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def code_blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a document that are in this language."""
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


def commands_and_output(console: str) -> list[tuple[str, str]]:
    """Each command of a console block, and the output shown below it."""
    steps = [step.partition("\n") for step in console.removeprefix("$ ").split("\n$ ")]
    return [(command, output.strip()) for command, _, output in steps]


def without_ids_and_times(output: str) -> str:
    """Ids, keys and times differ in each run, and a delivery may be faster than the answer."""
    output = output.replace('"processing": "delivered"}}', '"processing": "pending"}}')
    output = re.sub(r"[0-9a-f]{32}|[0-9a-f]{6}…", "ID", output)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", output)


@pytest.fixture
def receiver() -> Iterator[tuple[str, subprocess.Popen]]:
    """The receiver of the examples on a free port: its URL, and the process."""
    command = [sys.executable, str(ROOT / "examples" / "receiver.py"), "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    yield process.stdout.readline().split()[-1], process

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


@contextmanager
def make_run(data: Path, **settings: str) -> Iterator[str]:
    """The address of the app, started by `make run` on a free port with an empty task hub."""
    command = ["make", "--no-print-directory", "run", "PORT=0", f"DATA={data}"]
    # Nothing is set up: the environment is the one that runs the tests.
    command += [f"VENV={sys.prefix}", "PYTHON=true"]
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
    """Run the commands of a console block one by one, and compare what they print."""
    expected = commands_and_output(console)
    script = "".join(f"{command}\necho; echo ==\n" for command, _ in expected)

    done = subprocess.run(
        ["bash", "-e"],
        input=script.replace("127.0.0.1:7071", address),
        capture_output=True,
        text=True,
        timeout=60,
    )

    printed = [part.strip() for part in done.stdout.split("==\n")[:-1]]
    shown = [without_ids_and_times(output) for _, output in expected]
    assert list(map(without_ids_and_times, printed)) == shown


def test_the_walk_in_the_readme(tmp_path) -> None:
    """It needs nothing but the app and an empty task hub."""
    (console,) = code_blocks(README, "console")
    with make_run(tmp_path / "data") as address:
        check_walk(console, address)


def test_the_walk_with_a_receiver(tmp_path, receiver) -> None:
    """The receiver prints what docs/webhook.md says, with the settings exported there."""
    (console,) = code_blocks(WEBHOOK, "console")
    exports = re.findall(r"^export (\w+)=(.*)$", "".join(code_blocks(WEBHOOK, "sh")), re.MULTILINE)
    settings = dict(exports)
    assert settings["PROCESSING_WEBHOOK_URL"] == "http://127.0.0.1:8080/"
    settings["PROCESSING_WEBHOOK_URL"] = receiver[0]

    with make_run(tmp_path / "data", **settings) as address:
        check_walk(console, address)
        printed = receiver[1].stdout.readline().strip()

    assert f"The receiver prints `{printed}`." in WEBHOOK


def test_the_command_that_makes_a_secret() -> None:
    """Its output is an allowed secret."""
    (command,) = [block for block in code_blocks(WEBHOOK, "sh") if block.startswith("python3 -c")]
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    secret = done.stdout.strip()
    assert read({"PROCESSING_WEBHOOK_URL": "https://x/", "PROCESSING_WEBHOOK_SECRET": secret})


def test_the_defaults_in_the_table_of_settings() -> None:
    """They are those of the app, and of the example file."""
    rows = re.findall(r"^\| `((?:REGISTRY|PROCESSING)_\w+)` \| (.*?) ?\|", SETTINGS, re.MULTILINE)
    shown = {name: default.strip("`") for name, default in rows}
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]

    assert len(shown) == 11
    assert shown == {name: value for name, value in example.items() if name in shown}
    assert read(shown) == Settings()
