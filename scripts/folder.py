"""A folder that is made from what describes it: once, however many want it at the same time."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.work import say

Lines = frozenset[str]
Make = Callable[[Lines, int], None]
STAMP = ".made-from"
"""The file in it that has the lines it was made from: none while it is made, so that what is half
made is known.
"""


def ensure(
    folder: Path, wanted: Lines, sign: str, make: Make, adopt: Callable[[], Lines] = Lines
) -> None:
    """Have the folder made from the wanted lines, unless it was made from them and more.

    `make` is given the lines that the folder was made from (none where it is half made, or lacks
    the file that is its sign), and a descriptor: as long as that is open, nobody else makes it.
    `adopt` says what a folder without a stamp was made from.
    """
    if wanted <= made_from(folder, sign):
        return
    with turn(folder) as descriptor:
        there = made_from(folder, sign) if (folder / STAMP).exists() else adopt()
        if not wanted <= there:
            stamp(folder, Lines())
            make(there, descriptor)
            stamp(folder, wanted)


def made_from(folder: Path, sign: str) -> Lines:
    """The lines that the folder was made from: none where it is not there, or not whole."""
    try:
        return Lines((folder / STAMP).read_text().splitlines() if (folder / sign).exists() else ())
    except FileNotFoundError:
        return Lines()


def stamp(folder: Path, lines: Lines) -> None:
    """Note what the folder was made from."""
    new = folder / f"{STAMP}.new"
    new.write_text("\n".join(sorted(lines)))
    new.replace(folder / STAMP)


@contextmanager
def turn(folder: Path) -> Iterator[int]:
    """Wait until nobody else makes the folder. The folder itself is locked: who empties it must not
    delete it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor, folder)
            if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
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
