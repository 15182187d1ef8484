"""Command line: python -m devhost [--port 7071] [--data DIR] [--app DIR] [--page PATH] [--verbose]
[--faults SEED].
"""

import argparse
import asyncio
import errno
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from devhost.composition import build_host
from devhost.functions.app import App
from devhost.functions.environment import use_local_settings, worker_environment
from devhost.functions.loading import AppError, load
from devhost.ports import taken
from devhost.runner import Running, running
from devhost.settings.files import HostJson, read_host_json
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store, StoreError
from devhost.testing.faults import FaultRates, Faults
from devhost.testing.faulty_host import build_faulty_host

log = logging.getLogger("devhost")

SWITCH_SECONDS = 0.001
"""How long a function in a thread may keep the interpreter from the event loop; by default it is
five times that.
"""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_SECONDS = 0.5
"""How often it is looked for the data file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the host until Ctrl-C or SIGTERM ends the process; returns an exit code where it cannot
    run.
    """
    options = _options(arguments)
    _log_to_stdout(options.verbose)
    open_as_many_files_as_allowed()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        use_local_settings(options.app)
        worker_environment(options.app, options.host, options.port)
        os.chdir(options.app)
        config = read_host_json(options.app)
        app = load(options.app, config)
        store = _open_store(options.data)
        _run(_serve(app, store, config, options))
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        print(f"devhost: {taken(options.port) if is_taken else error}", file=sys.stderr)
    except (AppError, StoreError, ValueError) as error:
        print(f"devhost: {error}", file=sys.stderr)
    except KeyboardInterrupt:  # before it serves
        return 128 + signal.SIGINT
    return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m devhost",
        description="Run a Functions app (function_app.py) with its durable functions on this machine, "
        "with nothing but Python. For development and tests: there are no keys, whoever reaches the port may do "
        "everything.",
    )
    parser.add_argument(
        "--port", type=_port, default=7071, help="TCP port; 0 takes a free one (default: 7071)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="serve requests that name this machine so; without it, only those to localhost and its addresses",
    )
    parser.add_argument(
        "--app", type=_folder, default=Path.cwd(), metavar="DIR", help="the app (default: here)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the task hub (default: .devhost in the app)"
    )
    parser.add_argument(
        "--page", default="", metavar="PATH", help="where the page of the app is, to be shown"
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="name functions without a route too, and log each request that succeeds",
    )
    parser.add_argument(
        "--faults",
        type=int,
        metavar="SEED",
        help="inject the faults that an app meets on Azure now and then: late and repeated "
        "messages, early timers, functions that run again, killed workers and hosts, failed "
        "requests of the Durable client. The seed decides which faults happen; their moments "
        "differ from run to run",
    )
    options = parser.parse_args(arguments)
    options.app = options.app.resolve()
    options.data = (options.data or options.app / ".devhost").resolve()
    return options


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def open_as_many_files_as_allowed() -> None:
    """Raise the soft limit of file descriptors to the hard one: each connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where the system counts otherwise, as macOS does
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def log_handler(stream: TextIO) -> logging.Handler:
    """Writes log lines as the command does, with their time in UTC."""
    formatter = logging.Formatter(
        "[%(asctime)s.%(msecs)03dZ] %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    return handler


def _log_to_stdout(is_verbose: bool) -> None:
    logging.basicConfig(level=logging.INFO, handlers=[log_handler(sys.stdout)])
    logging.getLogger("devhost.requests").setLevel(logging.DEBUG if is_verbose else logging.INFO)


def _open_store(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    return open_store(folder / "taskhub.db")


def _run(work: Coroutine[Any, Any, NoReturn]) -> None:
    """Run to the end, whatever a task of the app raises: SystemExit in a task would end the loop,
    and all with it.
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


async def _serve(app: App, store: Store, config: HostJson, options: argparse.Namespace) -> NoReturn:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask_to_stop(number: int, frame: object) -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, _end_at_once)
        loop.call_soon_threadsafe(stop.set)

    for number in STOP_SIGNALS:
        signal.signal(number, ask_to_stop)  # not by the loop: a function may block that
    watch = loop.create_task(_watch(store))
    faults = None
    if options.faults is not None:
        faults = Faults(options.faults, FaultRates(clock_off=0))  # real clocks cannot be set
    async with running(
        app,
        store,
        options.port,
        address=options.host,
        config=config,
        build=build_faulty_host(faults) if faults else build_host,
        allowed_hosts=options.allow_host,
    ) as served:
        _print_what_is_served(app, served, config, options)
        await stop.wait()
        print("devhost: stopping", flush=True)
    if faults:
        print(f"devhost: injected faults: {_counted(faults)}")
    # A function that is stuck in its thread would keep the process; what it does is not committed,
    # and happens again.
    watch.cancel()
    sys.stdout.flush()
    os._exit(0)


async def _watch(store: Store) -> None:
    """End the process at once where the data file has gone: nothing that is written would be found
    again.
    """
    while True:
        try:
            store.check_file()
        except StoreError as error:
            print(f"devhost: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        await asyncio.sleep(LOOK_SECONDS)


def _counted(faults: Faults) -> str:
    """How often each fault happened, the most frequent first."""
    counts = [
        f"{name.removesuffix('_a_minute').replace('_', ' ')} {count}"
        for name, count in faults.counts.most_common()
    ]
    return ", ".join(counts) or "none"


def _end_at_once(number: int, frame: object) -> None:
    """On a second signal: what is not committed happens again, so that nothing is lost."""
    os._exit(128 + number)


def _print_what_is_served(
    app: App, served: Running, config: HostJson, options: argparse.Namespace
) -> None:
    """The page first and last, and between them the functions and what is not as it may be
    expected.
    """
    page = f"{served.origin}/{options.page.lstrip('/')}" if options.page else served.origin
    print(f"devhost: serving {page}\n")
    for line in _function_table(app, served, options.verbose):
        print(f"  {line}")
    print()
    if config.ignored:
        print(
            f"devhost: these have no effect here: {', '.join(config.ignored)} (host.json and its settings)"
        )
    if options.faults is not None:
        print(
            f"devhost: injects faults, with seed {options.faults}: "
            "expect what goes wrong on Azure now and then"
        )
    print(f"devhost: ready on {page}, stop with Ctrl-C", flush=True)


def _function_table(app: App, served: Running, is_verbose: bool) -> list[str]:
    """A line for each function; those without a route are only counted unless that is wanted."""
    rows = [
        (each.function.name, ",".join(each.methods or ["*"]), each.template)
        for each in served.table
    ]
    internal = [each for each in app.functions if each not in app.http]
    if is_verbose:
        rows += [(each.name, each.trigger["type"], "") for each in internal]
    names, methods = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    lines = [
        f"{name:<{names}}  {method:<{methods}}  {route}".rstrip() for name, method, route in rows
    ]
    if internal and not is_verbose:
        lines.append(f"and {len(internal)} without a route (--verbose names them)")
    return lines


if __name__ == "__main__":
    sys.exit(main())
