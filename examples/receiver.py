"""Receive closed registries, and print what is to be wrapped up.

Usage: examples/receiver.py [PORT], 8080 by default.
"""

import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook

webhook = Webhook("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
delivered = set()


class Receiver(BaseHTTPRequestHandler):
    """Takes deliveries, which are POSTs."""

    def do_POST(self):
        """Accept what is signed. A repeated delivery is printed once."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # Raises for what is not signed.
        registry = webhook.verify(body, dict(self.headers))["registry"]

        if self.headers["webhook-id"] not in delivered:
            print("Wrap up:", ", ".join(registry["items"]), flush=True)
            delivered.add(self.headers["webhook-id"])

        self.send_response(204)
        self.end_headers()


server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Receiver)
print(f"Send closed registries to http://127.0.0.1:{server.server_port}/", flush=True)
with suppress(KeyboardInterrupt):
    server.serve_forever()
