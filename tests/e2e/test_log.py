"""Whatever is sent to the app, the log of its host has no whole id and no control character."""

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from registry.settings import Settings
from registry.web.pages import describe
from tests.e2e.process import Devhost
from tests.receiver import SECRET

HUB = "/runtime/webhooks/durabletask"
CONTROLS = "\x1b[2J\x07\b\n[2026-01-01T00:00:00.000Z] event=forged"
CALLS = [f"/api{path.replace('{id}', '')}" for path in describe(Settings())["paths"]]
PLACES = [
    *(f"{call.rstrip('/')}/{{}}" for call in CALLS),
    *(f"{call.rstrip('/')}//{{}}/" for call in CALLS),
    *(f"{call}?item={{}}&itemKey={{}}&code={{}}" for call in CALLS),
    *("/{}", "/api/{}", "/admin/{}", "/admin/functions/{}?code=x", "/admin/host/status?{}"),
    *(f"{HUB}/{{}}", f"{HUB}/instances/{{}}", f"{HUB}/instances/{{}}/terminate?reason={{}}"),
    *(f"{HUB}/instances/{{}}/raiseEvent/{each}" for each in ("finish", "{}")),
    *(f"{HUB}/orchestrators/{each}/{{}}" for each in ("{}", "nothing")),
    *(
        f"{HUB}/entities/{name}/{{}}?op={operation}"
        for name in ("RegistryList", "RegistryStats", "{}")
        for operation in ("add", "open", "observe", "{}")
    ),
]
"""Where an id, or something like it, is put."""
ANSI_HEADERS = {"traceparent": CONTROLS, "Accept": CONTROLS, "Idempotency-Key": CONTROLS}


class Client:
    """Sends requests as they are, over plain sockets; `requests` would correct them."""

    def __init__(self, url: str) -> None:
        self._address = (urlsplit(url).hostname, urlsplit(url).port)

    def send(self, method: str, target: str, body: str = "", **headers: str) -> bytes:
        """Send a request. Returns the whole response."""
        head = {
            "Host": "localhost",
            "Connection": "close",
            "Content-Type": "application/json",
            "Content-Length": str(len(body.encode())),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {head[name]}" for name in head)]
        with socket.create_connection(self._address, timeout=20) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def call(self, method: str, target: str) -> dict:
        """Send a request that succeeds. Returns the JSON of its response."""
        return json.loads(self.send(method, target).partition(b"\r\n\r\n")[2])


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[Devhost]:
    """A host that logs every request, and whose deliveries fail."""
    settings = {"PROCESSING_WEBHOOK_URL": "http://127.0.0.1:9", "PROCESSING_WEBHOOK_SECRET": SECRET}
    data = tmp_path_factory.mktemp("log") / "data"
    with Devhost(data, is_verbose=True, **settings) as host:
        yield host


def spellings(id: str) -> list[str]:
    """An id, and what somebody may send in its place."""
    return [
        id,
        id.upper(),
        f"{id}-delivery",
        f"@registrylist@{id}",
        f"{id}abc",
        f"x{id}",
        "".join(f"%{ord(digit):x}" for digit in id),
        quote(CONTROLS) + id,
        quote(f"\u202eZoë🎁{id}"),
        f"{id}%ff%zz",
        id * 50,
    ]


def test_no_request_shows_a_whole_id_or_a_control_character(host) -> None:
    """By any method, at any route, with an id and junk anywhere in it."""
    client, began = Client(host.url), len(host.printed)
    opened, closed = (client.call("POST", "/api/open")["id"] for _ in range(2))
    client.call("POST", f"/api/finish/{closed}")
    snapshot = {"v": 1, "id": f"{opened}\n{CONTROLS}", "sent_at": CONTROLS, "standing": {opened: 1}}
    bodies = ["", "[" * 3000, json.dumps(snapshot), json.dumps({"item": CONTROLS})]

    for place in PLACES:
        for id in (opened, closed):
            for spelling in spellings(id):
                target = place.replace("{}", spelling)
                body = bodies[len(target) % len(bodies)]
                answers = [
                    client.send("GET", target),
                    client.send("POST", target, body),
                    client.send("PUT", target, body),
                ]
                if target.startswith("/api"):
                    assert not any(answer.startswith(b"HTTP/1.1 500") for answer in answers)
        for method in ("POST", "GET", opened, "X" * 500, "OPTIONS"):
            client.send(method, place.replace("{}", opened), bodies[2])

    for call in CALLS:
        client.send("POST", f"{call}{opened}", "[" * 3000)
        client.send("GET", f"{call}{opened}\x1b[2J\x07")
        client.send("POST", f"{call}{opened}", bodies[3], traceparent=f"00-{opened}\x1b[2J-1")
        client.send("POST", f"{call}{opened}", bodies[3], Idempotency_Key=f"{opened} \x1b[2J")
    client.call("POST", f"/api/finish/{opened}")

    printed = host.printed[began:]
    assert "event=opened" in printed
    assert "processing webhook: ClientConnectorError" in printed
    assert_harmless(printed, opened, closed)
    assert not re.search(r"Traceback|Logging error", printed)


def test_no_input_of_an_orchestration_shows_an_id_or_a_control_character(host) -> None:
    """However it ends."""
    client, began = Client(host.url), len(host.printed)
    id = client.call("POST", "/api/open")["id"]
    values = [id, f"{CONTROLS}{id}", {"v": 1, "trace": f"{id}{CONTROLS}", "sent_at": id}, {id: id}]

    for name in ("RegistryOrchestration", "DeliveryOrchestration"):
        for value in values:
            for spelling in spellings("0" + id[1:]):
                target = f"{HUB}/orchestrators/{name}/{spelling}"
                client.send("POST", target, json.dumps(json.dumps(value)))
                client.send("POST", target, json.dumps(value))
    client.call("POST", f"/api/finish/{id}")

    printed = host.printed[began:]
    assert "RegistryOrchestration" in printed
    assert_harmless(printed, id, "0" + id[1:])


def assert_harmless(printed: str, *ids: str) -> None:
    """No whole id, no control character, and no forged line."""
    without_traces = re.sub(" trace=[0-9a-f]{32}", "", printed.lower())
    assert not any(id in without_traces for id in ids)
    assert re.sub("[ -~\n]", "", printed) == ""
    assert not re.search(r"^\[2026-01-01", printed, re.MULTILINE)
