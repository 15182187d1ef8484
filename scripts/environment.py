"""The virtual environment that a lock describes, with this Python: python -m scripts.environment
FOLDER LOCK
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from scripts.folder import STAMP, Lines, ensure
from scripts.work import WorkError, main, run, say, told

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TESTED = ("3.11", "3.12", "3.13")
"""What the locks are for, and CI tests with."""
QUIET = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
PIP = ("-m", "pip", "install", *QUIET, "--require-hashes", "--requirement")


def prepare(folder: Path, lock: Path) -> None:
    """Make it, mend it, or bring it up to date; where all of the lock is there, do nothing. Raises
    WorkError.
    """
    # its programs name their folder, and cannot be moved
    home = f"# Python {PYTHON} in {folder.resolve()}"
    pins = (
        line.strip() for line in lock.read_text().splitlines() if not line.strip().startswith("#")
    )
    python = folder / "bin" / "python"

    def make(there: Lines, turn: int) -> None:
        if PYTHON not in TESTED:
            say(
                f"Python {PYTHON} is not tested, but {', '.join(TESTED)} are: set PYTHON=... if this fails"
            )
        with told(f"setting up {folder} from {lock}") as show:
            if home not in there:
                _need_venv()
                _empty(folder)
                run([sys.executable, "-m", "venv", "--without-pip", folder], show, turn)
                # venv would not show why it fails
                run([python, "-Im", "ensurepip", "--default-pip"], show, turn)
            run([python, *PIP, lock], show, turn)

    ensure(
        folder, Lines([home, *filter(None, pins)]), "bin/python", make, lambda: _adopt(folder, home)
    )


def _adopt(folder: Path, home: str) -> Lines:
    """Use an environment that was made in another way as it is. Raises WorkError: nothing else is
    touched.
    """
    if all(each.name.startswith(STAMP) for each in folder.iterdir()):
        return Lines()
    question = (
        "import pip, sys; print('%d.%d' % sys.version_info[:2], sys.prefix != sys.base_prefix)"
    )
    try:
        found = subprocess.run(
            [folder / "bin" / "python", "-c", question], capture_output=True, text=True
        ).stdout
    except OSError:
        found = ""
    if found != f"{PYTHON} True\n":
        another = "delete it, or set VENV=... to another folder"
        raise WorkError(
            f"{folder} is no environment of Python {PYTHON} with pip, nor made by make: {another}"
        )
    return Lines([home])


def _empty(folder: Path) -> None:
    """Delete all but the stamp, which says whose it is."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != STAMP:
            each.unlink()


def _need_venv() -> None:
    if not find_spec("ensurepip"):
        raise WorkError(
            f"This Python cannot make environments: apt-get install python{PYTHON}-venv"
        )


if __name__ == "__main__":
    main(lambda: prepare(Path(sys.argv[1]), Path(sys.argv[2])))
