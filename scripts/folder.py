"""A folder that is made from what describes it: once, however many want it at the same time."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.work import say

Lines = frozenset[str]


def ensure(folder: Path, wanted: Lines, sign: str, make: Callable[[Lines, int], None]) -> None:
    """Have the folder made from the wanted lines, unless it was made from them and more.

    `make` is given the lines that the folder was made from (none where it is half made, or lacks the file that is its
    sign), and a descriptor: as long as that is open, nobody else makes it.
    """
    if wanted <= made_from(folder, sign):
        return
    with turn(folder) as descriptor:
        there = made_from(folder, sign)
        if wanted <= there:
            return
        _stamp(folder).unlink(missing_ok=True)
        make(there, descriptor)
        new = _stamp(folder).with_suffix(".new")
        new.write_text("\n".join(sorted(wanted)))
        new.replace(_stamp(folder))


def made_from(folder: Path, sign: str) -> Lines:
    """The lines that the folder was made from: none where it is not there, or not whole."""
    try:
        return frozenset(_stamp(folder).read_text().splitlines() if (folder / sign).exists() else ())
    except FileNotFoundError:
        return frozenset()


def _stamp(folder: Path) -> Path:
    return folder / ".made-from"


@contextmanager
def turn(folder: Path) -> Iterator[int]:
    """Wait until nobody else makes the folder. The folder itself is what is locked: it stays when it is emptied."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor, folder)
            if os.path.exists(folder) and os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another make that sets up {folder}")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
