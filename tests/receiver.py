"""A receiver of deliveries: a real HTTP server, which only accepts what is signed."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

import standardwebhooks

from registry.durable.webhook.client import Webhook

SECRET = "whsec_" + base64.b64encode(b"a key for tests, 32 bytes long..").decode()
Clock = Callable[[], datetime]


@dataclass
class Delivery:
    """A delivery that was received. Its signature was verified."""

    id: str
    path: str
    body: Any


class Receiver:
    """Listens from `start` to `stop`. When it is started again, it is on the same port."""

    def __init__(self, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.deliveries: list[Delivery] = []
        self.statuses: list[int] = []
        """The next responses; then comes 204."""
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self._answer
        self._clock = clock
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/gifts"

    @property
    def webhook(self) -> Webhook:
        """The setting for deliveries to it."""
        return Webhook(self.url, SECRET, 1)

    @property
    def ids(self) -> list[str]:
        return [delivery.id for delivery in self.deliveries]

    def start(self) -> "Receiver":
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._receive(self)
                receiver.answer(self)

            def log_message(self, *args: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    __enter__ = start

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _receive(self, request: BaseHTTPRequestHandler) -> None:
        clock = self._clock

        class Datetime(datetime):
            @classmethod
            def now(cls, tz=None) -> datetime:
                return clock()

        body = request.rfile.read(int(request.headers["Content-Length"]))
        assert request.headers["Content-Type"] == "application/json"
        with patch("standardwebhooks.webhooks.datetime", Datetime):
            standardwebhooks.Webhook(SECRET).verify(body, dict(request.headers))
        self.deliveries.append(
            Delivery(request.headers["webhook-id"], request.path, json.loads(body))
        )

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        status = self.statuses.pop(0) if self.statuses else 204
        request.send_response(status)
        if 300 <= status < 400:
            request.send_header("Location", "/elsewhere")
        request.end_headers()
