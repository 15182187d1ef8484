"""The command `devhost`: reads its options, and runs the app of a folder."""

import argparse
import asyncio
import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from devhost import process
from devhost.composition import BuildHost, build_host
from devhost.functions.app import App
from devhost.functions.environment import use_local_settings, worker_environment
from devhost.functions.errors import AppError
from devhost.functions.loading import load
from devhost.ports import taken
from devhost.runner import running
from devhost.settings.files import HostJson, read_host_json
from devhost.storage.sqlite import open_store
from devhost.storage.store import Store, StoreError
from devhost.terminal import complain, log_to_stdout, say, show_functions

if TYPE_CHECKING:
    from devhost.testing import Faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the host until Ctrl-C or SIGTERM ends the process.

    `arguments` are those of the command line by default. Returns the exit code if it cannot run.
    """
    options = _options(arguments)
    log_to_stdout(options.verbose)
    process.prepare()
    try:
        _start(options)
    except OSError as error:
        complain(taken(options.port) if error.errno == errno.EADDRINUSE else error)
    except (AppError, StoreError, ValueError) as error:
        complain(error)
    except KeyboardInterrupt:  # before it serves
        return 128 + signal.SIGINT
    return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    options.app = options.app.resolve()
    options.data = (options.data or options.app / ".devhost").resolve()
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="devhost",
        description="Run a Functions app (function_app.py), with its Durable Functions, on this "
        "machine. It is for development and tests: there are no keys, so whoever reaches the port "
        "may do everything.",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=7071,
        help="the TCP port; 0 takes a free one (default: 7071)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="serve requests to this host name too; by default only localhost and the addresses "
        "of this machine are served",
    )
    parser.add_argument(
        "--app",
        type=_folder,
        default=Path.cwd(),
        metavar="DIR",
        help="the folder of the app (default: the current one)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the folder for the task hub (default: .devhost in the app's folder)",
    )
    parser.add_argument(
        "--page",
        default="",
        metavar="PATH",
        help="the path of the app's page, to print its URL at the start",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="also list functions without a route, and log requests that only read",
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
    return parser


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _start(options: argparse.Namespace) -> None:
    """Load the app, open its task hub, and serve it. Raises an exception where it cannot."""
    use_local_settings(options.app)
    worker_environment(options.app, options.host, options.port)
    os.chdir(options.app)

    config = read_host_json(options.app)
    app = load(options.app, config)
    gc.freeze()  # What is loaded stays, so no garbage collection needs to look at it again.
    store = _open_store(options.data)
    process.run(_serve(app, store, config, options))


def _open_store(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    return open_store(folder / "taskhub.db")


async def _serve(app: App, store: Store, config: HostJson, options: argparse.Namespace) -> NoReturn:
    """Serve the app until a signal comes, then end the process. Raises an OSError or AppError."""
    stop = process.stop_event()
    watch = asyncio.create_task(process.end_without_data_file(store))
    faults, build = _faulty(options.faults) if options.faults is not None else (None, build_host)
    async with running(
        app,
        store,
        options.port,
        address=options.host,
        config=config,
        build=build,
        allowed_hosts=options.allow_host,
    ) as served:
        page = f"{served.origin}/{options.page.lstrip('/')}" if options.page else served.origin
        say(f"serving {page}")
        show_functions(app, served.table, options.verbose)
        if config.ignored:
            say(f"these settings of host.json have no effect here: {', '.join(config.ignored)}")
        if faults:
            say(
                f"injects faults, with seed {options.faults}: "
                "expect what goes wrong on Azure now and then"
            )
        say(f"ready on {page}, stop with Ctrl-C")

        await stop.wait()
        say("stopping")
    if faults:
        say(f"injected faults: {_counted(faults)}")
    watch.cancel()
    process.end()


def _faulty(seed: int) -> "tuple[Faults, BuildHost]":
    """Faults that follow from a seed, and what builds a host that has them."""
    # Imported when asked for: an app is served without what is for tests, and starts sooner.
    from devhost.testing.faults import FaultRates, Faults
    from devhost.testing.faulty.host import build_faulty_host

    faults = Faults(seed, FaultRates(clock_off=0))  # real clocks cannot be set
    return faults, build_faulty_host(faults)


def _counted(faults: "Faults") -> str:
    """How often each fault happened, the most frequent first."""
    counts = [
        f"{name.removesuffix('_a_minute').replace('_', ' ')} {count}"
        for name, count in faults.counts.most_common()
    ]
    return ", ".join(counts) or "none"


if __name__ == "__main__":
    sys.exit(main())
