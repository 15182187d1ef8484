"""Receive closed registries, and print what is to be wrapped up.

Usage: examples/receiver.py [PORT], 8080 by default.
"""

import json
import signal
import sys
from argparse import ArgumentParser
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"  # noqa: S105  # of an example
LARGEST_BODY = 1024 * 1024
"""Bytes. A registry takes some hundred KiB at most."""

webhook = Webhook(SECRET)
delivered = set()
lock = Lock()


class Receiver(BaseHTTPRequestHandler):
    """Takes deliveries, which are POSTs. Each connection has a thread of its own."""

    timeout = 10
    """Seconds for which a connection may be silent."""

    def do_POST(self):
        """Answer a delivery."""
        self.send_response(self.receive())
        self.end_headers()

    def receive(self):
        """Accept what is signed; returns the status. A repeated delivery is printed once."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            return 411
        if len(length) > 10 or int(length) > LARGEST_BODY:
            return 413

        body = self.rfile.read(int(length))
        try:
            webhook.verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            print("Refused a request that is not signed with this secret", flush=True)
            return 401

        items = json.loads(body)["registry"]["items"]
        with lock:
            if self.headers["webhook-id"] not in delivered:
                print("Wrap up:", ", ".join(map(printable, items)), flush=True)
                delivered.add(self.headers["webhook-id"])
        return 204

    def handle(self):
        """Serve a connection. It may end at any time."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *args):
        """Print nothing of a request: it may be anybody's."""


def printable(text):
    """A text without control characters, which a terminal would obey."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def main():
    """Serve until Ctrl-C or SIGTERM."""
    parser = ArgumentParser(description="Receive closed registries.")
    parser.add_argument("port", nargs="?", type=int, default=8080)
    port = parser.parse_args().port

    sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    except (OSError, OverflowError) as error:
        sys.exit(f"Cannot listen on port {port}: {error}. Name another one.")

    with server:
        print(f"Send closed registries to http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
