"""What the README shows is what happens."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.settings import Settings, read

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def steps() -> list[tuple[str, str]]:
    """Each command of the walk-through, and what it prints."""
    (walk,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    shown = [step.partition("\n") for step in walk.split("$ ", 1)[1].split("\n$ ")]
    return [(command, printed.strip()) for command, _, printed in shown]


def normalised(printed: str) -> str:
    """Without ids, keys and times, which are new each time, and before a delivery that was faster than the answer."""
    printed = printed.replace('"processing": "delivered"}}', '"processing": "pending"}}')
    printed = re.sub(r"[0-9a-f]{32}|[0-9a-f]{6}…", "ID", printed)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", printed)


def code(language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def receiver(tmp_path) -> Iterator[tuple[str, subprocess.Popen]]:
    """The receiver that the README names, on a free port: its URL, and the process."""
    program = (ROOT / "examples" / "receiver.py").read_text()
    program = program.replace('HTTPServer(("127.0.0.1", 8080)', 'server = HTTPServer(("127.0.0.1", 0)')
    program = program.replace("Receiver).serve_forever()", "Receiver)\nprint(server.server_port, flush=True)")
    (tmp_path / "receiver.py").write_text(program + "server.serve_forever()\n")
    command = [sys.executable, str(tmp_path / "receiver.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}/", process
    process.kill()
    process.communicate()


@pytest.fixture
def address(tmp_path, receiver) -> Iterator[str]:
    """The app, started by `make run` on a free port with an empty task hub, and with the README's settings."""
    venv = Path(sys.prefix)
    command = ["make", "--no-print-directory", "run", "PORT=0", f"DATA={tmp_path / 'data'}", f"VENV={venv}"]
    command.append("PYTHON=true")  # sets nothing up: the environment is the one that runs the tests
    settings = dict(re.findall(r"^export (\w+)=(.*)$", "".join(code("sh")), re.MULTILINE))
    assert settings["PROCESSING_WEBHOOK_URL"] == "http://127.0.0.1:8080/"
    settings["PROCESSING_WEBHOOK_URL"] = receiver[0]
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


def test_the_walk_through(address, receiver) -> None:
    """Command by command, with the output that it shows, and with the delivery."""
    expected = steps()
    assert len(expected) == 7
    script = "".join(f"{command}\necho; echo ==\n" for command, _ in expected)
    done = subprocess.run(
        ["bash", "-e"], input=script.replace("127.0.0.1:7071", address), capture_output=True, text=True, timeout=60
    )
    printed = [part.strip() for part in done.stdout.split("==\n")[:-1]]
    assert list(map(normalised, printed)) == [normalised(shown) for _, shown in expected]
    wrapped = receiver[1].stdout.readline().strip()
    assert f"The receiver prints `{wrapped}`." in README


def test_the_settings() -> None:
    """Every setting, with its default."""
    rows = dict(re.findall(r"^\| `((?:REGISTRY|PROCESSING)_\w+)` \| (.*?) ?\|", README, re.MULTILINE))
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    defaults = {name: value for name, value in example.items() if name in rows}
    assert len(rows) == 12
    assert {name: value.strip("`") for name, value in rows.items()} == defaults
    assert read(defaults) == Settings()


def test_only_the_app_is_deployed() -> None:
    """What .funcignore leaves of the files under version control."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ignored = subprocess.run(
        ["git", "-c", f"core.excludesFile={ROOT / '.funcignore'}", "check-ignore", "--no-index", "--stdin"],
        cwd=ROOT,
        input=tracked,
        capture_output=True,
        text=True,
    ).stdout
    deployed = set(tracked.split()) - set(ignored.split())
    parts = {
        name
        for name in deployed
        if re.fullmatch(r"registry/((\w+/)?\w+\.py|web/(docs\.css|home/\w+\.(html|css|js)))", name)
    }
    assert len([name for name in parts if name.startswith("registry/web/home/")]) == 8
    assert deployed - parts == {"function_app.py", "host.json", "requirements.txt"}
