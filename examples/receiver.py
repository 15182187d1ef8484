"""Receives closed registries, and tells what is to be wrapped up: examples/receiver.py [PORT], 8080
by default.
"""

import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook

webhook = Webhook("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
known = set()


class Receiver(BaseHTTPRequestHandler):
    """Takes a delivery, which is a POST."""

    def do_POST(self):
        """Accept what is signed; a repeated delivery is told once."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        registry = webhook.verify(body, dict(self.headers))[
            "registry"
        ]  # raises for what is not signed
        if self.headers["webhook-id"] not in known:  # a delivery may come twice
            print("Wrap up:", ", ".join(registry["items"]), flush=True)
            known.add(self.headers["webhook-id"])
        self.send_response(204)
        self.end_headers()


server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Receiver)
print(f"Send closed registries to http://127.0.0.1:{server.server_port}/", flush=True)
with suppress(KeyboardInterrupt):
    server.serve_forever()
