"""What the command prints: log lines, what is served, and why it could not start."""

import logging
import sys
import time
from typing import TextIO

from devhost.functions.app import App
from devhost.http.routing import Route
from devhost.printable import escape_controls, shorten_ids

LIBRARIES = ("asyncio", "aiohttp", "azure", "devhost")
"""Loggers whose lines may have ids of instances. What the app logs is its own affair."""


class LineFormatter(logging.Formatter):
    """Formats log lines, with their time in UTC and control characters escaped.

    Further lines of a message are indented, so that none looks like a line of its own.
    """

    def __init__(self) -> None:
        super().__init__("[%(asctime)s.%(msecs)03dZ] %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.name.partition(".")[0] in LIBRARIES:
            text = shorten_ids(text)
        return escape_controls(text).replace("\n", "\n    ")


def log_handler(stream: TextIO) -> logging.Handler:
    """Make a handler that writes log lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    return handler


def log_to_stdout(is_verbose: bool) -> None:
    """Write the log to the terminal; requests that only read are in it if it is verbose."""
    logging.basicConfig(level=logging.INFO, handlers=[log_handler(sys.stdout)])
    logging.getLogger("devhost.requests").setLevel(logging.DEBUG if is_verbose else logging.INFO)


def say(message: str) -> None:
    """Print a line as devhost's own."""
    sys.stdout.write(f"devhost: {escape_controls(message)}\n")
    sys.stdout.flush()


def complain(message: object) -> None:
    """Print why devhost cannot start or go on."""
    sys.stderr.write(f"devhost: {escape_controls(str(message))}\n")
    sys.stderr.flush()


def show_functions(app: App, routes: list[Route], is_verbose: bool) -> None:
    """Print a line for each function; those without a route are only counted, unless verbose."""
    rows = [(each.function.name, ",".join(each.methods or ["*"]), each.template) for each in routes]
    without_route = [each for each in app.functions if each not in app.http]
    if is_verbose:
        rows += [(each.name, each.trigger["type"], "") for each in without_route]

    lines = _columns(rows)
    if without_route and not is_verbose:
        lines.append(f"and {len(without_route)} without a route (--verbose names them)")
    for line in ["", *(f"  {line}" for line in lines), ""]:
        sys.stdout.write(f"{escape_controls(line)}\n")


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    names = max((len(name) for name, _, _ in rows), default=0)
    methods = max((len(method) for _, method, _ in rows), default=0)
    return [
        f"{name:<{names}}  {method:<{methods}}  {route}".rstrip() for name, method, route in rows
    ]
