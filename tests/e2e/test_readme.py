"""What the README shows is what happens."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry.settings import Settings

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def steps() -> list[tuple[str, str]]:
    """Each command of the walk-through, and what it prints."""
    (walk,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    shown = [step.partition("\n") for step in walk.split("$ ", 1)[1].split("\n$ ")]
    return [(command, printed.strip()) for command, _, printed in shown]


def normalised(printed: str) -> str:
    """Without ids, keys and times, which are new each time."""
    printed = re.sub(r"[0-9a-f]{32}|[0-9a-f]{6}…", "ID", printed)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", printed)


@pytest.fixture
def address(tmp_path) -> str:
    """The app, started by `make run` on a free port with an empty task hub."""
    venv = Path(sys.prefix)
    command = ["make", "--no-print-directory", "run", "PORT=0", f"DATA={tmp_path / 'data'}", f"VENV={venv}"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    for line in process.stdout:
        if ready := re.search(r"ready on http://(\S+),", line):
            break
    yield ready[1]
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)


def test_the_walk_through(address) -> None:
    """Command by command, with the output that it shows."""
    expected = steps()
    assert len(expected) == 6
    script = "".join(f"{command}\necho; echo ==\n" for command, _ in expected)
    done = subprocess.run(
        ["bash", "-e"], input=script.replace("127.0.0.1:7071", address), capture_output=True, text=True, timeout=60
    )
    printed = [part.strip() for part in done.stdout.split("==\n")[:-1]]
    assert list(map(normalised, printed)) == [normalised(shown) for _, shown in expected]


def test_the_settings() -> None:
    """Every setting, with its default."""
    rows = dict(re.findall(r"^\| `(REGISTRY_\w+)` \| (\S+) \|", README, re.MULTILINE))
    defaults = Settings()
    assert rows == {
        "REGISTRY_OPEN_SECONDS": str(int(defaults.open_for.total_seconds())),
        "REGISTRY_MAX_ITEMS": str(defaults.max_items),
        "REGISTRY_MAX_ITEM_LENGTH": str(defaults.max_item_length),
        "REGISTRY_AUTH_LEVEL": defaults.auth_level,
    }


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
    modules = {name for name in deployed if re.fullmatch(r"registry/\w+\.py", name)}
    assert modules
    assert deployed - modules == {"function_app.py", "host.json", "requirements.txt"}
