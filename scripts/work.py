"""A command that takes long: it says what it does, and is silent otherwise, unless it fails."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Show = Callable[[str], None]
"""Shows what is being done just now, on a terminal."""

REASONS = {
    "No space left on device": "The disk is full: make room, and try again.",
    "DO NOT MATCH THE HASHES": "What was downloaded is not what the lock says: do not use it.",
    "connection broken by": "What is to be installed was not reached: is there a network?",
    "npm error network": "What is to be installed was not reached: is there a network?",
}
"""What a failure means, by what pip and npm print."""


class WorkError(Exception):
    """A command failed: all that it printed, and a sentence that says why."""


def say(line: str) -> None:
    """Tell the user a line."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def told(title: str) -> Iterator[Show]:
    """Say what is done, and then how long it took: on a terminal in one line that changes,
    elsewhere in two.
    """
    is_terminal, began = sys.stderr.isatty(), time.monotonic()
    clear = "\r\033[K" if is_terminal else ""

    def show(step: str) -> None:
        if is_terminal:
            line = f"{title}: {step}"[: shutil.get_terminal_size().columns - 1]
            print(clear + line, end="", file=sys.stderr, flush=True)

    print(f"{title} ...", end="" if is_terminal else "\n", file=sys.stderr, flush=True)
    try:
        yield show
    finally:
        print(clear, end="", file=sys.stderr)
    say(f"{title}: done in {time.monotonic() - began:.0f} s")


def run(command: list[str | Path], show: Show, *turn: int) -> None:
    """Run it to its end. It keeps the descriptor of a turn, also when this process is killed.
    Raises WorkError.
    """
    lines = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=turn,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                show(line.strip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise WorkError(why("".join(lines), f"This failed: {' '.join(map(str, command))}"))


def why(printed: str, otherwise: str) -> str:
    """What a command printed, and what it means."""
    return printed + next(
        (reason for sign, reason in REASONS.items() if sign in printed), otherwise
    )


def main(work: Callable[[], None]) -> None:
    """Do it. A failure, Ctrl-C and SIGTERM end it with a line; the next time it goes on from there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended: the next make goes on"))
    try:
        work()
    except KeyboardInterrupt:
        sys.exit("interrupted: the next make goes on")
    except (WorkError, OSError) as error:
        sys.exit(str(error))
