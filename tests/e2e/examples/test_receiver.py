"""The example receiver, on its own; tests/e2e/test_readme.py has the app send to it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests
from standardwebhooks import Webhook

from tests.e2e.process import ROOT

SCRIPT = ROOT / "examples" / "receiver.py"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


class Receiver:
    """The receiver in a process of its own."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, str(SCRIPT), *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )
        self.url = self.process.stdout.readline().split()[-1]

    def deliver(self, items: list[str], id: str, secret: str = SECRET) -> int:
        """Send a registry with these items. Returns the status."""
        body = json.dumps({"registry": {"items": items}})
        now = datetime.now(UTC)
        headers = {
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(id, now, body),
        }
        return requests.post(self.url, body, headers=headers, timeout=20).status_code

    def connect(self) -> socket.socket:
        address = urlsplit(self.url)
        return socket.create_connection((address.hostname, address.port), timeout=20)

    def send(self, request: bytes) -> bytes:
        """Send a request as it is. Returns the first line of the response."""
        with self.connect() as connection:
            connection.sendall(request)
            return connection.makefile("rb").readline()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Stop it. Returns its exit code, and what it has printed since its start."""
        self.process.send_signal(number)
        printed, complaints = self.process.communicate(timeout=20)
        return self.process.returncode, printed, complaints


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver("0")
    yield receiver
    if receiver.process.poll() is None:
        receiver.stop()


def test_a_repeated_delivery_is_printed_once(receiver) -> None:
    assert [receiver.deliver(["Bike", "Zoë 🎁"], id) for id in ("a", "a", "b")] == [204] * 3
    assert receiver.stop() == (0, "Wrap up: Bike, Zoë 🎁\n" * 2, "")


def test_silent_connections_block_nobody(receiver) -> None:
    """Before the first byte, in the headers, or in the body."""
    begun = [b"", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"]
    connections = [receiver.connect() for _ in begun]
    for connection, sent in zip(connections, begun, strict=True):
        connection.sendall(sent)
    assert receiver.deliver(["Bike"], "a") == 204
    assert receiver.stop() == (0, "Wrap up: Bike\n", "")
    for connection in connections:
        connection.close()


@pytest.mark.verify
def test_a_silent_connection_is_closed(receiver) -> None:
    """After some seconds."""
    with receiver.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n")
        assert connection.recv(1) == b""
    assert receiver.stop() == (0, "", "")


def test_what_is_printed_has_no_control_characters(receiver) -> None:
    """Items are anybody's."""
    assert receiver.deliver(["\x1b[2J\a\r\nWrap up: all", "\u202e\ud800"], "a") == 204
    printed = receiver.stop()[1]
    assert printed == "Wrap up: \\x1b[2J\\x07\\r\\nWrap up: all, \\u202e\\ud800\n"


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"", 411), (b"-5", 411), ("\u0665".encode(), 411), (b"1048577", 413), (b"9" * 5000, 413)],
)
def test_a_body_has_a_length_within_bounds(receiver, length, status) -> None:
    """It is not read."""
    answer = receiver.send(b"POST / HTTP/1.1\r\nContent-Length: %s\r\n\r\n" % length)
    assert answer.split()[1] == str(status).encode()
    assert receiver.stop() == (0, "", "")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "\x1b", "webhook-timestamp": "nan", "webhook-signature": "v1,x"},
        {"webhook-id": "a", "webhook-timestamp": "NOW", "webhook-signature": "v1"},
        {"webhook-id": "a", "webhook-timestamp": "NOW", "webhook-signature": "v1,="},
        {"webhook-id": "a", "webhook-timestamp": "NOW", "webhook-signature": "v1,é"},
    ],
)
@pytest.mark.parametrize("body", [b'{"registry": {"items": ["\x1b"]}}', b"\xff"])
def test_nothing_is_printed_of_what_is_not_signed(receiver, headers, body) -> None:
    now = str(int(datetime.now(UTC).timestamp()))
    lines = [f"{name}: {value.replace('NOW', now)}" for name, value in headers.items()]
    head = "\r\n".join(["POST /\x1b[2J HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""])
    assert b" 401 " in receiver.send(head.encode() + body)
    refused = "Refused a request that is not signed with this secret\n"
    assert receiver.stop() == (0, refused, "")


def test_another_secret_is_refused(receiver) -> None:
    assert receiver.deliver(["Bike"], "a", "whsec_" + "A" * 32) == 401


def test_junk_leaves_no_traceback(receiver) -> None:
    """Other methods, lines that are no HTTP, and connections that are cut."""
    assert requests.get(receiver.url, timeout=20).status_code == 501
    assert receiver.send(b"\x1b[2J \xff HTTP/x\r\n\r\n")
    for _ in range(20):
        with receiver.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
    assert receiver.deliver(["Bike"], "a") == 204
    assert receiver.stop() == (0, "Wrap up: Bike\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_without_a_word(receiver, number) -> None:
    """Also while somebody is connected."""
    with receiver.connect():
        assert receiver.deliver([], "a") == 204
        assert receiver.stop(number) == (0, "Wrap up: \n", "")


@pytest.mark.parametrize("port", ["taken", "70000", "-1", "x"])
def test_a_port_that_cannot_be_used_is_named_in_one_line(receiver, port) -> None:
    port = port.replace("taken", str(urlsplit(receiver.url).port))
    done = subprocess.run([sys.executable, str(SCRIPT), port], capture_output=True, text=True)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert port in last or port == "-1"
    assert "Traceback" not in done.stderr
