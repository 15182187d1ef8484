"""The tools of Node.js that package-lock.json pins, in node_modules: python -m scripts.node"""

import hashlib
import shutil
from pathlib import Path

from scripts.folder import Lines, ensure
from scripts.work import WorkError, main, run, say, told


def prepare() -> None:
    """Install them where npm is. It is no failure if they are not there then: what needs one says
    so.
    """
    npm = shutil.which("npm")
    if not npm:
        return
    lock = hashlib.sha256(Path("package-lock.json").read_bytes()).hexdigest()

    def make(there: Lines, turn: int) -> None:
        with told("setting up node_modules from package-lock.json") as show:
            run([npm, "ci", "--no-audit", "--no-fund"], show, turn)

    try:
        ensure(Path("node_modules"), Lines([lock]), ".package-lock.json", make)
    except WorkError as error:
        say(str(error))


if __name__ == "__main__":
    main(prepare)
