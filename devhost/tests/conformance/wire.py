"""Raw requests over a socket, and the recorder's rule by which two answers are the same."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from tests.conformance import Case

SILENCE = 3.0
"""Seconds to wait where nothing was recorded to come; the recorder waited for six."""
AT_MOST = 60.0
"""Seconds to wait where something was recorded to come."""
KEY = "k3yOfNoApp"
"""Sent where a recorded request had a key."""
FRAMING = {"date", "server", "transfer-encoding", "content-length", "connection"}
MASKS = {
    "{id}": re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "{hex32}": re.compile(r"\b[0-9a-f]{32}\b"),
    "{hex16}": re.compile(r"\b[0-9a-f]{16}\b"),
    "{key}": re.compile(KEY),
}

Answer = dict[str, Any]
"""Status line, headers, body (or None), and connection (open, closed or refused)."""


def same(real: Answer, other: Answer) -> bool:
    """Whether two answers are the same, by the recorder's rule.

    Date, Server, framing headers, and the order and letter case of headers do not count; JSON
    objects are compared by value.
    """
    return (
        real["status"] == other["status"]
        and real["connection"] == other["connection"]
        and _headers(real) == _headers(other)
        and _same_body(real, other)
    )


def _headers(answer: Answer) -> list[tuple[str, str]]:
    split = (header.partition(":") for header in answer["headers"])
    return sorted(
        (name.lower(), value.strip()) for name, _, value in split if name.lower() not in FRAMING
    )


def _same_body(real: Answer, other: Answer) -> bool:
    body, ours = real["body"], other["body"]
    if body is None or ours is None or body == ours:
        return bool(body == ours)
    if body.endswith("…"):
        return _same_beginning(body[:-1], ours.removesuffix("…"))
    if not body.startswith("{"):
        return False
    try:
        return bool(json.loads(body) == json.loads(ours))
    except ValueError:
        return False


def _same_beginning(begun: str, ours: str) -> bool:
    """Compare JSON that was cut off: every recorded member must be there, in any order."""
    if not begun.startswith("{"):
        return ours.startswith(begun)
    *members, cut = re.split(r'(?:, ?|\{)(?=")', begun)
    return all(each.rstrip("}") in ours for each in [*members, cut])


async def ask(
    port: int,
    request: Mapping[str, Any],
    masks: Mapping[str, str] = {},
    real: Answer | None = None,
) -> Answer:
    """Send a recorded request, and return the answer in the form of the recording.

    `masks` are texts, such as a folder's path, with their placeholders. `real` is the recorded
    answer: what came there is waited for; by default a whole answer.
    """
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, ("127.0.0.1", port))
        except OSError:
            return _answer("refused")
        incoming = Incoming(connection, SILENCE if real and "error" in real else AT_MOST)
        sending = asyncio.ensure_future(_send(connection, request))
        try:
            answer = await _receive(incoming, _is_head(request))
            if not incoming.closed and "error" not in answer:
                is_sent = sending.done() and not sending.exception()
                incoming.seconds = AT_MOST if real and real["connection"] == "closed" else SILENCE
                answer["connection"] = await _state(connection if is_sent else None, incoming)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return _masked(answer, masks)


async def ask_all(
    port: int, cases: Iterable[Case], masks: Mapping[str, str] = {}
) -> dict[str, Answer]:
    """Send the requests of cases side by side, each on a connection of its own."""
    slots = asyncio.Semaphore(16)

    async def one(case: Case) -> tuple[str, Answer]:
        async with slots:
            return case.name, await ask(port, case.request, masks, case.real)

    return dict(await asyncio.gather(*map(one, cases)))


def _pieces(request: Mapping[str, Any]) -> list[Any]:
    """The parts to send: text (of bytes), seconds to wait, or [text, how many times]."""
    pieces: list[Any] = request["sent_as"] if "sent_as" in request else [request["raw"]]
    return pieces


def _is_head(request: Mapping[str, Any]) -> bool:
    first = _pieces(request)[0]
    return isinstance(first, str) and first.startswith("HEAD ")


async def _send(connection: socket.socket, request: Mapping[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    for piece in _pieces(request):
        if isinstance(piece, int | float):
            await asyncio.sleep(piece)
            continue
        text, times = (piece, 1) if isinstance(piece, str) else piece
        await loop.sock_sendall(connection, text.replace("{key}", KEY).encode("latin-1") * times)
    if request.get("half_close"):
        connection.shutdown(socket.SHUT_WR)


async def _state(connection: socket.socket | None, incoming: Incoming) -> str:
    """Whether the connection answers one more request, or at least stays open."""
    try:
        if connection is not None:
            await asyncio.get_running_loop().sock_sendall(
                connection, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
    except OSError:
        return "closed"
    await incoming.more()
    return "closed" if incoming.closed else "open"


class Incoming:
    """The bytes that have come on a connection."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.seconds = seconds
        """How long to wait for more."""
        self.bytes = bytearray()
        self.closed = False

    async def more(self) -> bool:
        """Wait for more; returns False at the end of the connection, or if nothing comes."""
        try:
            async with asyncio.timeout(self.seconds):
                received = await asyncio.get_running_loop().sock_recv(self._connection, 1 << 18)
        except TimeoutError:
            return False
        except OSError:
            received = b""
        self.closed = not received
        self.bytes += received
        return bool(received)

    async def until(self, end: bytes) -> bytes | None:
        """Take bytes up to and including an end; returns them without it, or None."""
        while (at := self.bytes.find(end)) < 0:
            if not await self.more():
                return None
        return self.take(at + len(end))[:at]

    async def exactly(self, count: int) -> bytes | None:
        """Take so many bytes; None if they do not come."""
        while len(self.bytes) < count:
            if not await self.more():
                return None
        return self.take(count)

    async def all(self) -> bytes:
        """Take all bytes until the connection ends."""
        while await self.more():
            pass
        return self.take(len(self.bytes))

    def take(self, count: int) -> bytes:
        taken = bytes(self.bytes[:count])
        del self.bytes[:count]
        return taken


async def _receive(incoming: Incoming, is_head: bool) -> Answer:
    """The final answer, or the first interim one, or nothing."""
    interim: Answer | None = None
    while (head := await incoming.until(b"\r\n\r\n")) is not None:
        status, *headers = head.decode("utf-8", "backslashreplace").split("\r\n")
        answer = _answer("open", status, headers, "")
        code = status.split(" ")[1] if " " in status else ""
        if re.fullmatch("1\\d\\d", code) and code != "101":
            interim = interim or answer
            continue
        if not is_head and code not in ("204", "304"):
            answer["body"] = await _body(incoming, dict(_all_headers(headers)))
        if answer["body"] is None:
            answer |= {"body": "", "error": "incomplete"}
        answer["connection"] = "closed" if incoming.closed else "open"
        return answer
    answer = interim or _answer("open")
    return answer | {"connection": "closed" if incoming.closed else "open", "error": "silent"}


def _all_headers(headers: list[str]) -> Iterable[tuple[str, str]]:
    return (
        (name.lower(), value.strip())
        for name, _, value in (each.partition(":") for each in headers)
    )


async def _body(incoming: Incoming, headers: dict[str, str]) -> str | None:
    """The body as text, however it is framed; None if it is incomplete."""
    body: bytes | None
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(incoming)
    elif "content-length" in headers:
        body = await incoming.exactly(int(headers["content-length"]))
        if body is None:  # what came of it is shown
            body = await incoming.all()
    else:
        body = await incoming.all()
    return None if body is None else body.decode("utf-8", "backslashreplace")


async def _chunks(incoming: Incoming) -> bytes | None:
    body = b""
    while (size := await incoming.until(b"\r\n")) is not None:
        try:
            count = int(size, 16)
        except ValueError:
            return None
        chunk = await incoming.exactly(count + 2)
        if chunk is None or not count:
            return None if chunk is None else body
        body += chunk[:-2]
    return None


def _answer(
    connection: str, status: str | None = None, headers: Iterable[str] = (), body: str | None = None
) -> Answer:
    return {"status": status, "headers": list(headers), "body": body, "connection": connection}


def _masked(answer: Answer, masks: Mapping[str, str]) -> Answer:
    def mask(text: str) -> str:
        for secret, placeholder in masks.items():
            text = text.replace(secret, placeholder)
        for placeholder, pattern in MASKS.items():
            text = pattern.sub(placeholder, text)
        return text

    body = answer["body"]
    return answer | {
        "headers": list(map(mask, answer["headers"])),
        "body": None if body is None else mask(body),
    }
