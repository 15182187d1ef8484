"""Errors of apps and their functions, and how the log shows them."""

import logging
import re
import sysconfig
import traceback
from itertools import dropwhile
from pathlib import Path

import azure.durable_functions
import azure.functions

import devhost
from devhost.printable import printable, printable_lines, short_id

log = logging.getLogger("devhost")

FOREIGN = tuple(
    str(Path(str(each)).parent)
    for each in (azure.functions.__file__, azure.durable_functions.__file__, devhost.__file__)
)
"""Folders of the SDK and of devhost."""
LIBRARY = sysconfig.get_path("stdlib")
DETAILS = re.compile(r' \n \{"\$type":.*')
"""The failure details in a message: the log has their traceback already."""
INTERRUPTED = 130
"""The exit code of a Python process that KeyboardInterrupt has ended."""


class AppError(Exception):
    """The app cannot be loaded, or needs what devhost does not support; a line for each mistake."""


class WorkerExit(Exception):
    """A function raised what ends the worker of the real host; the message is that host's."""

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
    """Format an error for the log, with the frames of the app and of whatever that called.

    It is one line where there are no such frames. The failure of an activity, raised at its caller,
    is shown without its details.
    """
    each: traceback.TracebackException | None
    if isinstance(error, WorkerExit) and error.__cause__ and not frames(error.__cause__):
        return printable_lines("".join(traceback.format_exception_only(error)).rstrip())
    shortened = each = traceback.TracebackException.from_exception(error)
    while each is not None:
        _shorten(each)
        each = each.__cause__ or each.__context__
    return printable_lines(DETAILS.sub("", "".join(shortened.format())).rstrip())


def frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of the app, and of whatever that called, at which an error was raised."""
    return _own(traceback.extract_tb(error.__traceback__))


def _shorten(error: traceback.TracebackException) -> None:
    own = traceback.StackSummary.from_list(_own(error.stack))
    error.stack = own or None  # type: ignore[assignment]  # no stack, no heading


def _own(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    app = [frame for frame in stack if not frame.filename.startswith((*FOREIGN, "<frozen"))]
    return list(dropwhile(_is_of_standard_library, app))


def _is_of_standard_library(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(LIBRARY) and "site-packages" not in frame.filename


def log_operation_failure(name: str, key: str, operation: str, error: Exception) -> None:
    """Log why an operation of an entity failed. The others of its batch go on."""
    entity = short_id(f"@{name}@{key}")
    log.error("entity %s failed at operation %s: %s", entity, printable(operation), shown(error))
