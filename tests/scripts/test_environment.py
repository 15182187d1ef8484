"""An environment is made once, mended when it is broken, and whole when `make` goes on."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts import environment
from scripts.folder import STAMP, Lines, stamp, turn
from scripts.work import WorkError, why
from tests.scripts.wheels import Index, wheel

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def lock(tmp_path, wheels) -> Path:
    """Of one tiny package."""
    path = tmp_path / "lock.txt"
    path.write_text(f"# made by a test\n{wheel(wheels, 'tiny')}")
    return path


@pytest.fixture
def index(wheels) -> Iterator[Index]:
    with Index(wheels).served() as index:
        yield index


@pytest.fixture
def start(tmp_path, wheels, lock) -> Callable[..., subprocess.Popen]:
    """Start to prepare `.venv` as make does it, from the tiny wheels alone."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}

    def started(stderr: int = subprocess.PIPE, **more: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.environment", tmp_path / ".venv", lock],
            cwd=ROOT,
            env=environment | {"PIP_FIND_LINKS": str(wheels)} | more,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    return started


@pytest.fixture
def prepare(start) -> Callable[..., str]:
    """Prepare it, and return what was said."""

    def prepared(status: int = 0, **more: str) -> str:
        process = start(**more)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == status, said
        return said

    return prepared


@pytest.fixture
def installed(tmp_path) -> Callable[[], str]:
    """The version of the tiny package that a program of the environment sees."""

    def version() -> str:
        command = [tmp_path / ".venv" / "bin" / "python", "-c", "import tiny; print(tiny.version)"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return version


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """An environment with the tiny package, made once, and its lock; see `there`."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture
def there(tmp_path, whole, prepare) -> Path:
    """The environment is there already, up to date."""
    folder, kept = tmp_path / ".venv", whole / ".venv"
    if not kept.exists():
        prepare()
        shutil.copytree(folder, kept, symlinks=True)
        (kept / STAMP).write_text((folder / STAMP).read_text().replace(str(folder), "FOLDER"))
        return folder
    shutil.copytree(kept, folder, symlinks=True)
    (folder / STAMP).write_text((kept / STAMP).read_text().replace("FOLDER", str(folder)))
    return folder


@pytest.fixture
def outdated(there, lock, wheels) -> Path:
    """The environment is there, but its lock asks for a newer package."""
    lock.write_text(wheel(wheels, "tiny", "2.0"))
    return there


def test_it_says_what_it_does_and_then_nothing(tmp_path, prepare, outdated, installed) -> None:
    """Elsewhere than on a terminal: a line before and a line after, and no word where nothing is to
    do.
    """
    said = prepare()
    title = f"setting up {tmp_path}/.venv from {tmp_path}/lock.txt"
    assert re.fullmatch(rf"{re.escape(title)} \.\.\.\n{re.escape(title)}: done in \d+ s\n", said)
    assert installed() == "2.0"
    assert prepare() == ""


def test_on_a_terminal_one_line_changes(start, outdated) -> None:
    """It shows what pip does, and then how long it took."""
    mine, its = pty.openpty()
    process = start(stderr=its, COLUMNS="1000")
    os.close(its)
    said = b""
    while not said.endswith(b" s\r\n"):
        said += os.read(mine, 4096)
    os.close(mine)
    assert process.wait(20) == 0
    assert re.search(rb"\r\x1b\[Ksetting up [^\r\n]+lock.txt: Processing [^\r\n]+/tiny-2.0", said)
    assert said.count(b"\n") == 1


def test_two_at_once_from_nothing(start, index, installed) -> None:
    """One does it; the other says that it waits, and finds it done."""
    first = start(PIP_FIND_LINKS=index.url)
    assert index.asked.wait(60)
    second = start(PIP_FIND_LINKS=index.url)
    assert second.stderr.readline().startswith("waiting for another make that sets up ")
    index.go.set()
    assert second.communicate(timeout=60)[1] == ""
    assert "done in" in first.communicate(timeout=60)[1]
    assert (first.returncode, second.returncode) == (0, 0)
    assert installed() == "1.0"


def test_what_is_there_is_looked_at_in_turn(tmp_path, start, installed) -> None:
    """What another one has begun to make is not taken for a folder that make did not make."""
    folder = tmp_path / ".venv"
    with turn(folder):
        (folder / "bin").mkdir()
        process = start()
        assert process.stderr.readline().startswith("waiting for another make that sets up ")
        stamp(folder, Lines())
    assert "done in" in process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert installed() == "1.0"


def test_killed_with_pip_in_the_middle(outdated, start, prepare, index, installed) -> None:
    """What is half there is made anew the next time, whatever it looks like."""
    first = start(PIP_FIND_LINKS=index.url)
    assert index.asked.wait(60)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    (half,) = outdated.glob("lib/*/site-packages/tiny-1.0.dist-info")
    (half / "METADATA").write_text(
        (half / "METADATA").read_text().replace("1.0", "2.0")
    )  # pip takes it for the new one
    half.rename(half.with_name("tiny-2.0.dist-info"))
    assert "done in" in prepare()
    assert installed() == "2.0"


def test_killed_alone(outdated, start, index, installed) -> None:
    """Then its pip goes on: the next one waits until that has ended."""
    first = start(PIP_FIND_LINKS=index.url)
    assert index.asked.wait(60)
    first.kill()
    first.communicate()
    second = start()
    assert second.stderr.readline().startswith("waiting for another make that sets up ")
    index.go.set()
    assert "done in" in second.communicate(timeout=60)[1]
    assert installed() == "2.0"


@pytest.mark.parametrize(
    ("sign", "line"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended")]
)
def test_ended_in_the_middle(outdated, start, index, sign, line) -> None:
    """It ends at once with a line, and its pip with it; the next one finds that the environment is
    not whole.
    """
    process = start(PIP_FIND_LINKS=index.url)
    assert index.asked.wait(60)
    process.send_signal(sign)
    assert process.communicate(timeout=20)[1].endswith(f"\n{line}: the next make goes on\n")
    assert process.returncode == 1
    assert (outdated / STAMP).read_text() == ""
    with turn(outdated):  # nobody has it
        assert not index.go.is_set()


def test_a_changed_lock_is_followed(there, wheels, lock, prepare) -> None:
    """Whatever its time is; a lock of which all is there needs nothing."""
    small = lock.read_text()
    lock.write_text(small + wheel(wheels, "other"))
    os.utime(lock, (0, 0))
    assert "done in" in prepare()
    lock.write_text(small)
    assert prepare() == ""
    lock.write_text(small.replace("tiny==1.0", "tiny==1.0 ; python_version < '4'"))
    assert "done in" in prepare()


def without_python(folder: Path) -> None:
    """As when the Python that it was made with is gone."""
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python")


def of_another_python(folder: Path) -> None:
    (folder / STAMP).write_text((folder / STAMP).read_text().replace("# Python 3.", "# Python 2."))


def moved(folder: Path) -> None:
    """Its programs name the folder that they were installed in."""
    (folder / STAMP).write_text((folder / STAMP).read_text().replace(str(folder), "/elsewhere"))


def half_made(folder: Path) -> None:
    (folder / STAMP).write_text("")


@pytest.fixture
def commands(monkeypatch) -> list[str]:
    """The modules of Python that were run, or rather would have been."""
    modules: list[str] = []
    monkeypatch.setattr(environment, "run", lambda command, *_: modules.append(command[2]))
    return modules


@pytest.mark.parametrize(
    "broken", [without_python, of_another_python, moved, half_made, shutil.rmtree]
)
def test_a_broken_one_is_made_anew(there, lock, commands, broken) -> None:
    """With nothing of the old one left in it."""
    environment.prepare(there, lock)
    assert commands == []
    broken(there)
    environment.prepare(there, lock)
    assert commands == ["venv", "ensurepip", "pip"]
    assert [each.name for each in there.iterdir()] == [STAMP]


def test_killed_before_the_first_stamp(tmp_path, lock, commands) -> None:
    """It leaves only a file that was to become the stamp: make goes on from there."""
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / f"{STAMP}.new").touch()
    environment.prepare(folder, lock)
    assert commands == ["venv", "ensurepip", "pip"]


def test_one_that_was_made_in_another_way_is_used(there, lock, commands) -> None:
    """As it is: what is in it stays."""
    (there / STAMP).unlink()
    environment.prepare(there, lock)
    assert commands == ["pip"]


@pytest.mark.parametrize(
    "broken", [without_python, lambda folder: shutil.rmtree(folder / "lib"), None]
)
def test_what_make_did_not_make_is_not_deleted(there, lock, commands, broken) -> None:
    """Neither an environment that cannot be used, nor what is none at all."""
    (there / STAMP).unlink()
    if broken:
        broken(there)
    else:
        shutil.rmtree(there / "bin")
    before = sorted(there.rglob("*"))
    with pytest.raises(
        WorkError,
        match=rf"^{re.escape(str(there))} is no environment of Python .*: delete it, or set VENV=",
    ):
        environment.prepare(there, lock)
    assert (commands, sorted(there.rglob("*"))) == ([], before)


def test_a_hash_that_does_not_match(outdated, lock, prepare) -> None:
    """All that pip said, and then a sentence."""
    lock.write_text(re.sub("sha256:....", "sha256:0000", lock.read_text()))
    said = prepare(1)
    assert "Expected sha256 0000" in said
    assert said.endswith("\nWhat was downloaded is not what the lock says: do not use it.\n")
    assert (outdated / STAMP).read_text() == ""


def test_a_lock_without_hashes(outdated, lock, prepare) -> None:
    """Is none: nothing is installed."""
    lock.write_text("tiny==2.0\n")
    assert "Hashes are required" in prepare(1)


def test_without_a_network(outdated, prepare) -> None:
    """A sentence at the end."""
    more = {
        "PIP_NO_INDEX": "",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
        "PIP_FIND_LINKS": "",
    }
    assert prepare(1, **more).endswith(
        "\nWhat is to be installed was not reached: is there a network?\n"
    )


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (
            "OSError: [Errno 28] No space left on device",
            "The disk is full: make room, and try again.",
        ),
        ("?", "It failed"),
    ],
)
def test_what_a_failure_means(printed, meant) -> None:
    """By what was printed; else it is named."""
    assert why(f"{printed}\n", "It failed") == f"{printed}\n{meant}"


def test_where_no_folder_can_be_made(tmp_path, prepare) -> None:
    """A line."""
    (tmp_path / ".venv").write_text("not a folder")
    assert prepare(1) == f"[Errno 17] File exists: '{tmp_path}/.venv'\n"


def test_without_the_module_that_makes_environments(tmp_path, lock, monkeypatch) -> None:
    """As Debian's Python has it: the line names the package."""
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(
        WorkError, match=rf"make environments: apt-get install python3\.{sys.version_info[1]}-venv$"
    ):
        environment.prepare(tmp_path / ".venv", lock)


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("3.13", ""),
        (
            "3.14",
            "Python 3.14 is not tested, but 3.11, 3.12, 3.13 are: set PYTHON=... if this fails\n",
        ),
    ],
)
def test_a_newer_python_is_told_so(
    tmp_path, lock, commands, monkeypatch, capsys, python, line
) -> None:
    """It goes on, and says no more when all is there."""
    monkeypatch.setattr(environment, "PYTHON", python)
    folder = tmp_path / ".venv"
    environment.prepare(folder, lock)
    assert commands == ["venv", "ensurepip", "pip"]
    assert capsys.readouterr().err.startswith(f"{line}setting up ")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").touch()
    environment.prepare(folder, lock)
    assert capsys.readouterr().err == ""


def test_an_older_python_is_told_so() -> None:
    """In one line, as the file that says it can be read by each."""
    text = (ROOT / "scripts" / "__init__.py").read_text()
    program = text.replace(
        "import sys\n", "import sys\nsys.version_info = (3, 10, 13, 'final', 0)\n", 1
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"{sys.executable} is Python 3.10, but 3.11, 3.12 or 3.13 is needed: set PYTHON=... to another\n"
    )
