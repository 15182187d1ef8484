"""The process that devhost runs in: its limits, its signals, and how it ends."""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from devhost.storage.store import Store, StoreError
from devhost.terminal import complain

log = logging.getLogger("devhost")

SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter from the event loop; Python's default is five times
as long.
"""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CHECK_SECONDS = 0.5
"""The interval at which the data file is checked."""


def prepare() -> None:
    """Set the limits of this process for a host with many connections and threads."""
    raise_file_limit()
    sys.setswitchinterval(SWITCH_SECONDS)


def raise_file_limit() -> None:
    """Raise the soft limit on open files to the hard limit: each connection needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems have a lower limit besides, as macOS does
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(work: Coroutine[Any, Any, NoReturn]) -> None:
    """Run the host until it ends, whatever the app's tasks raise.

    SystemExit in any task would end the event loop, and everything else with it.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                log.error(
                    "a task of the app raised %s, which ends the worker of the real host",
                    type(error).__name__,
                )


def stop_event() -> asyncio.Event:
    """An event that is set by Ctrl-C or SIGTERM. A second signal ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask_to_stop(number: int, frame: object) -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, _end_at_once)
        loop.call_soon_threadsafe(stop.set)

    for number in STOP_SIGNALS:
        signal.signal(
            number, ask_to_stop
        )  # the loop's own handlers wait while a function blocks it
    return stop


def _end_at_once(number: int, frame: object) -> None:
    os._exit(128 + number)  # nothing is lost: what is not committed is done again


async def end_without_data_file(store: Store) -> NoReturn:
    """End the process once the data file is gone: whatever is written would be lost."""
    while True:
        try:
            store.check_file()
        except StoreError as error:
            complain(error)
            os._exit(1)
        await asyncio.sleep(CHECK_SECONDS)


def end() -> NoReturn:
    """End the process, even if a function is stuck in its thread.

    Whatever that function does is not committed, and is done again.
    """
    sys.stdout.flush()
    os._exit(0)
