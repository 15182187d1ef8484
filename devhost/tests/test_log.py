"""Whatever is sent to a host, its log has no whole id and no control character."""

import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import pytest

from devhost.functions.indexing import index
from devhost.management.urls import PREFIX
from devhost.terminal import log_handler
from tests.sample_app import make_app
from tests.server import serving

ID = "8e3b2f1c5d7a4b069f21c3d4e5f60718"
CONTROLS = "\x1b[2J\x07\b\n[2026-01-01T00:00:00.000Z] forged"
NAMES = [
    ID,
    f"{ID}-delivery",
    f"@counter@{ID}",
    f"x{ID}abc",
    quote(CONTROLS) + ID,
    quote(f"Zoë\u202e{ID}"),
    "".join(f"%{ord(digit):x}" for digit in ID),
    f"%ff{ID}%zz",
    ID * 100,
]
PLACES = [
    "/{}",
    "/api/fail/{}",
    "/api//echo/{}",
    "/api/trace?code={}",
    "/api/start/{}",
    "/admin/{}",
    "/admin/host/status/{}?code=x",
    "/admin/functions/{}?code=x",
    f"{PREFIX}{{}}",
    f"{PREFIX}instances/{{}}",
    f"{PREFIX}instances/{{}}/terminate?reason={{}}",
    f"{PREFIX}instances/{{}}/raiseEvent/{{}}",
    f"{PREFIX}entities/counter/{{}}?op=burst",
    f"{PREFIX}entities/counter/{{}}?op={{}}",
    f"{PREFIX}entities/{{}}/{{}}?op=add",
    f"{PREFIX}orchestrators/broken/{{}}",
    f"{PREFIX}orchestrators/{{}}/{{}}",
]
BODIES = ["", json.dumps({"trace": CONTROLS, "id": ID}), "[" * 5000, json.dumps(ID)]


@contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """What the command would print of the log in the block."""
    printed = io.StringIO()
    handler, root = log_handler(printed), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield printed
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def send(origin: str, *requests: bytes) -> None:
    """Send requests, each on a connection of its own, and read what is answered."""
    address = urlsplit(origin)
    for request in requests:
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass


def request(method: str, target: str, body: str = "", host: str = "localhost") -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"traceparent: 00-{ID}\x1b[2J-1-1",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@pytest.mark.parametrize("place", PLACES)
def test_junk_in_a_request_is_escaped_and_shortened(place, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with captured_log() as printed, serving(index(make_app())) as origin:
        for name in NAMES:
            target = place.format(name, name)
            send(origin, *(request("POST", target, body) for body in BODIES))
            send(origin, request("GET", target), request("DELETE", target))

    assert_harmless(printed.getvalue())
    assert_harmless("\n".join(caplog.messages))


def test_junk_in_the_first_lines_of_a_request_is_escaped_and_shortened(caplog) -> None:
    """Method, raw control characters and the Host."""
    caplog.set_level(logging.DEBUG)
    with captured_log() as printed, serving(index(make_app())) as origin:
        send(
            origin,
            request("GET", f"/\x1b[2J{ID}"),
            request("GET", f"/\x07\b\t{ID}"),
            request("GET", f"/{ID}\r\n\x1b"),
            request("GET", f"/\u202e{ID}"),
            request(ID, f"/api/{ID}"),
            request("X" * 4000, "/"),
            request("GET", "/", host=f"\x1b[2J{ID}"),
            request("GET", f"http://{ID}.localhost/{ID}", host=f"{ID}.localhost"),
            request("GET", "/", host=f"{ID}.example"),
            f"{ID}\r\n\r\n".encode(),
        )
    assert "404" in printed.getvalue()
    assert_harmless(printed.getvalue())
    assert_harmless("\n".join(caplog.messages))


def test_what_the_app_logs_keeps_its_text() -> None:
    """But for control characters; and no further line looks like one of the log."""
    with captured_log() as printed:
        logging.getLogger("gifts").info("Zoë 🎁 %s\n\tat home\n[2026] forged \x1b[2J", ID)
    _, _, text = printed.getvalue().partition("] ")
    assert text == f"Zoë 🎁 {ID}\n    \tat home\n    [2026] forged \\x1b[2J\n"


@pytest.mark.parametrize("name", ["azure.durable_functions", "asyncio", "aiohttp.client"])
def test_ids_in_lines_of_libraries_are_shortened(name) -> None:
    with captured_log() as printed:
        logging.getLogger(name).warning("instance %s-delivery failed", ID)
    assert printed.getvalue().endswith("] instance 8e3b2f1c-delivery failed\n")


def assert_harmless(text: str) -> None:
    """No whole id, nothing but printable ASCII and line breaks, and no forged line."""
    assert ID not in text.lower()
    assert re.sub("[ -~\n]", "", text) == ""
    assert not re.search(r"^\[2026-01-01", text, re.MULTILINE)
    assert "--- Logging error ---" not in text
    assert max(map(len, text.splitlines()), default=0) < 1100
