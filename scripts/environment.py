"""The virtual environment that a lock describes, with this Python: python -m scripts.environment FOLDER LOCK"""

import sys
from importlib.util import find_spec
from pathlib import Path

from scripts.folder import Lines, ensure
from scripts.work import WorkError, main, run, told

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
QUIET = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
PIP = ("-m", "pip", "install", *QUIET, "--require-hashes", "--requirement")


def prepare(folder: Path, lock: Path) -> None:
    """Make it, mend it, or bring it up to date; where all of the lock is there, do nothing. Raises WorkError."""
    home = f"# Python {PYTHON} in {folder.resolve()}"  # its programs name their folder, and cannot be moved
    pins = (line.strip() for line in lock.read_text().splitlines() if not line.strip().startswith("#"))
    wanted = Lines([home, *filter(None, pins)])

    def make(there: Lines, turn: int) -> None:
        with told(f"setting up {folder} from {lock}") as show:
            if home not in there:
                _need_venv()
                run([sys.executable, "-m", "venv", "--clear", folder], show, turn)
            run([folder / "bin" / "python", *PIP, lock], show, turn)

    ensure(folder, wanted, "bin/python", make)


def _need_venv() -> None:
    if not find_spec("ensurepip"):
        raise WorkError(f"This Python cannot make environments: apt-get install python{PYTHON}-venv")


if __name__ == "__main__":
    main(lambda: prepare(Path(sys.argv[1]), Path(sys.argv[2])))
