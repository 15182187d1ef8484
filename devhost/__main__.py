"""Command line: python -m devhost [--port 7071] [--data DIR] [--app DIR] [--unkind SEED]."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from devhost.app import App
from devhost.config import HostJson, read_host_json, use_local_settings
from devhost.loading import AppError, load
from devhost.running import Running, running
from devhost.store import Store, StoreError
from devhost.unkind import Rates, Unkind

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_SECONDS = 0.5
"""How often it is looked for the data file."""


def main() -> int:
    """Run the host until Ctrl-C or SIGTERM ends the process; returns an exit code where it cannot run."""
    options = _options()
    _log_to_stdout()
    try:
        use_local_settings(options.app)
        app = load(options.app)
        config = read_host_json(options.app)
        store = _open_store(options.data or options.app / ".devhost")
        asyncio.run(_serve(app, store, config, options))
    except (AppError, StoreError, ValueError, OSError) as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m devhost",
        description="Run a Functions app (function_app.py) with its durable functions on this machine, "
        "with nothing but Python. For development and tests: there are no keys, whoever reaches the port may do "
        "everything.",
    )
    parser.add_argument("--port", type=_port, default=7071, help="TCP port; 0 takes a free one (default: 7071)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--app", type=Path, default=Path.cwd(), metavar="DIR", help="the app (default: here)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the task hub (default: .devhost in the app)")
    parser.add_argument(
        "--unkind",
        type=int,
        metavar="SEED",
        help="do what Azure does to an app now and then: deliver late and twice, fire timers early, run things again, "
        "kill workers and the host, fail requests of the Durable client. What happens follows from the number, though "
        "when it happens does not repeat exactly; and clocks are not set wrong, which takes a host in virtual time",
    )
    options = parser.parse_args()
    options.app = options.app.resolve()
    return options


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _log_to_stdout() -> None:
    formatter = logging.Formatter("[%(asctime)s.%(msecs)03dZ] %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _open_store(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder / "taskhub.db")


async def _serve(app: App, store: Store, config: HostJson, options: argparse.Namespace) -> NoReturn:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    watch = loop.create_task(_watch(store))
    unkind = None if options.unkind is None else Unkind(options.unkind, Rates(clock_off=0))
    async with running(app, store, options.port, address=options.host, config=config, unkind=unkind) as served:
        if unkind:
            print(
                f"devhost: unkind, with seed {options.unkind}: expect what goes wrong on Azure now and then", flush=True
            )
        _print_functions(app, served)
        await stop.wait()
        print("devhost: stopping", flush=True)
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once)
    if unkind:
        print(f"devhost: was unkind: {_counted(unkind)}")
    # A function that is stuck in its thread would keep the process; what it does is not committed, and happens again.
    watch.cancel()
    sys.stdout.flush()
    os._exit(0)


async def _watch(store: Store) -> None:
    """End the process at once where the data file has gone: nothing that is written would be found again."""
    while True:
        try:
            store.check_file()
        except StoreError as error:
            print(f"devhost: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        await asyncio.sleep(LOOK_SECONDS)


def _counted(unkind: Unkind) -> str:
    """What went wrong, the most frequent first."""
    names = {name: name.removesuffix("_a_minute").replace("_", " ") for name in unkind.counts}
    return ", ".join(f"{names[name]} {count}" for name, count in unkind.counts.most_common()) or "nothing went wrong"


def _end_at_once(number: int, frame: object) -> None:
    """On a second signal: what is not committed happens again, so that nothing is lost."""
    os._exit(128 + number)


def _print_functions(app: App, served: Running) -> None:
    """Say what `func start` says: each function, and where it is found."""
    print("\nFunctions:\n")
    for route in served.table:
        print(f"\t{route.function.name}: [{','.join(route.methods)}] {served.origin}{route.template}\n")
    for function in app.functions:
        if function not in app.http:
            print(f"\t{function.name}: {function.trigger['type']}\n")
    print(f"devhost: ready on {served.origin}, stop with Ctrl-C", flush=True)


if __name__ == "__main__":
    sys.exit(main())
