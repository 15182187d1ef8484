"""devhost in the environment of an app that has nothing to do with this repository."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "examples" / "hello"


@pytest.mark.parametrize("file", ["function_app.py", "test_function_app.py"])
def test_the_readme_shows_the_example(file) -> None:
    """The app and its test, as they are."""
    code = (EXAMPLE / file).read_text()
    assert f"```python\n{code}```" in (PROJECT / "README.md").read_text()


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The programs of a fresh virtual environment, with what the README says to install."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)

    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input"]
    of_app = ["azure-functions", "azure-functions-durable", "aiohttp", "pytest"]
    subprocess.run([*pip, *of_app, PROJECT], check=True)

    return folder / "bin"


@pytest.fixture
def app(tmp_path) -> Path:
    """The example, in a folder of its own."""
    return shutil.copytree(EXAMPLE, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def address(programs, app) -> Iterator[str]:
    """Where `devhost` serves the app."""
    process = subprocess.Popen(
        [programs / "devhost", "--port", "0"],
        cwd=app,
        env={"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = ""
    while not (ready := re.search(r"ready on (http://127\.0\.0\.1:\d+)", printed)):
        line = process.stdout.readline()
        assert line, printed
        printed += line

    yield ready[1]

    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.verify
@pytest.mark.timeout(300)
def test_an_app_is_served(address) -> None:
    """An orchestration that is started by HTTP waits for its durable timer."""
    started = requests.post(f"{address}/api/greet/Zoe").json()

    for _ in range(100):
        status = requests.get(started["statusQueryGetUri"]).json()
        if status["runtimeStatus"] != "Pending":
            break
        time.sleep(0.05)
    assert (status["name"], status["runtimeStatus"]) == ("hello", "Running")


@pytest.mark.verify
@pytest.mark.timeout(300)
def test_the_tests_of_an_app_run_in_virtual_time(programs, app) -> None:
    """A durable timer of an hour takes no hour."""
    command = [programs / "python", "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=app, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
