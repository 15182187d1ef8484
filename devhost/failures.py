"""Failures of functions: what ends a worker on the real host, and what the log shows of an error."""

import sysconfig
import traceback
from itertools import dropwhile
from pathlib import Path

import azure.durable_functions
import azure.functions

FOREIGN = tuple(
    str(Path(str(each)).parent) for each in (azure.functions.__file__, azure.durable_functions.__file__, __file__)
)
"""Folders of the SDK and of devhost."""
LIBRARY = sysconfig.get_path("stdlib")
INTERRUPTED = 130
"""The exit code of a Python that KeyboardInterrupt has ended."""


class WorkerExit(Exception):
    """A function raised what ends a worker of the real host; the message is what that says of it."""

    def __init__(self, error: BaseException) -> None:
        code = _exit_code(error)
        super().__init__(f"python exited with code {code} ({code:#x})")
        self.__cause__ = error


def _exit_code(error: BaseException) -> int:
    match error:
        case SystemExit(code=int(code)):
            return code & 0xFF
        case SystemExit(code=None):
            return 0
        case KeyboardInterrupt():
            return INTERRUPTED
    return 1


def shown(error: BaseException) -> str:
    """An error for the log, with the frames of the app and of what that calls; in one line where there are none."""
    each: traceback.TracebackException | None
    shortened = each = traceback.TracebackException.from_exception(error)
    while each is not None:
        _shorten(each)
        each = each.__cause__ or each.__context__
    return "".join(shortened.format()).rstrip()


def _shorten(error: traceback.TracebackException) -> None:
    frames = [frame for frame in error.stack if not frame.filename.startswith((*FOREIGN, "<frozen"))]
    own = dropwhile(lambda frame: frame.filename.startswith(LIBRARY) and "site-packages" not in frame.filename, frames)
    error.stack = traceback.StackSummary.from_list(list(own)) or None  # type: ignore[assignment]  # no stack, no heading
