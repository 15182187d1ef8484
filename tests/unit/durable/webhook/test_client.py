import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import standardwebhooks

from registry.durable.webhook import client
from registry.durable.webhook.client import AttemptResult, Webhook, result_of
from tests.receiver import SECRET

ID, BODY = "0123456789abcdef", '{"item": "Bike 🚲"}'
HEAD = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A receiver that answers as a test says, and keeps the requests."""

    port: int
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    written: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/gifts"


@asynccontextmanager
async def serving(answer: Callable[["Server"], Answer]) -> AsyncIterator[Server]:
    """A real server on a free port."""
    connections: list[asyncio.Task] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with suppress(ConnectionError):
            line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (each.partition(":") for each in lines)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            server.requests.append((line, headers, body))
            await answer(server)(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Server(listener.sockets[0].getsockname()[1])
    async with listener:
        yield server
        await asyncio.gather(*connections)


def saying(data: bytes) -> Callable[[Server], Answer]:
    """Answers at once."""

    def answer(server: Server) -> Answer:
        async def say(writer: asyncio.StreamWriter) -> None:
            writer.write(data)
            await writer.drain()

        return say

    return answer


def dripping(head: bytes, drop: bytes, pause: float) -> Callable[[Server], Answer]:
    """Answers drop by drop, until nobody listens any more."""

    def answer(server: Server) -> Answer:
        async def drip(writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            while not writer.is_closing():
                writer.write(drop)
                await writer.drain()
                server.written += len(drop)
                await asyncio.sleep(pause)

        return drip

    return answer


def post(
    answer: Callable[[Server], Answer], timeout: float = 5, now: datetime | None = None
) -> tuple[tuple[AttemptResult, str], Server]:
    """Post to a server that answers so. Returns the result with its reason, and the server."""

    async def run() -> tuple[tuple[AttemptResult, str], Server]:
        async with serving(answer) as server:
            return await Webhook(server.url, SECRET, timeout).post(
                ID, BODY, now or datetime.now(UTC)
            ), server

    return asyncio.run(run())


def test_a_delivery_is_signed() -> None:
    """It is JSON in UTF-8 under the registry's id, and standardwebhooks accepts its signature."""
    result, server = post(saying(HEAD % 204))
    assert result == ("delivered", "204")
    ((line, headers, body),) = server.requests
    assert line == "POST /gifts HTTP/1.1"
    assert (headers["content-type"], headers["webhook-id"]) == ("application/json", ID)
    assert body == BODY.encode()
    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == {"item": "Bike 🚲"}


def test_the_timestamp_is_that_of_the_attempt() -> None:
    """A receiver refuses old ones, so each attempt is signed anew."""
    now = datetime(2026, 12, 24, 18, 5, 0, 999_000, tzinfo=UTC)
    _, server = post(saying(HEAD % 204), now=now)
    headers = server.requests[0][1]
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert headers["webhook-signature"] == standardwebhooks.Webhook(SECRET).sign(ID, now, BODY)


@pytest.mark.parametrize(
    ("expected", "statuses"),
    [
        ("delivered", (200, 204, 299)),
        ("failed", (400, 404, 410, 418, 499)),
        ("retry", (408, 409, 425, 429)),
        ("retry", (0, 100, 300, 399, 500, 599, 600)),
    ],
)
def test_a_status_ends_a_delivery_or_is_retried(expected, statuses) -> None:
    """Client errors are final, but for those that pass. All other failures are retried."""
    assert [result_of(status) for status in statuses] == [expected] * len(statuses)


@pytest.mark.parametrize(
    ("status", "expected"), [(200, "delivered"), (410, "failed"), (503, "retry")]
)
def test_the_reason_is_the_status(status, expected) -> None:
    """Nothing else of the answer."""
    assert post(saying(HEAD % status))[0] == (expected, str(status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status) -> None:
    """There is one request: its target may be somebody else's."""
    result, server = post(
        saying(b"HTTP/1.1 %d x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status)
    )
    assert result == ("retry", str(status))
    assert [line for line, _, _ in server.requests] == ["POST /gifts HTTP/1.1"]


def test_a_slow_answer_ends_with_the_time_out() -> None:
    """That is for the attempt as a whole, also where a header never ends."""
    begin = time.monotonic()
    result, server = post(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.02), timeout=0.2)
    assert result == ("retry", "TimeoutError")
    assert 0.2 <= time.monotonic() - begin < 2
    assert server.written > 3


def test_the_body_of_an_answer_is_not_read() -> None:
    """The status decides, however much comes after it."""
    begin = time.monotonic()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    result, server = post(dripping(head, b"x" * 65_536, 0), timeout=5)
    assert result == ("delivered", "200")
    assert time.monotonic() - begin < 3
    # What the buffers of two sockets and of aiohttp take, at most.
    assert server.written < 50_000_000


def test_the_environment_is_not_used(monkeypatch, tmp_path) -> None:
    """Neither its proxies, which would see the items, nor the credentials in its netrc."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login santa password reindeer\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        result, server = post(saying(HEAD % 204))
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert result == ("delivered", "204")
    assert set(server.requests[0][1]) == {
        "host",
        "content-type",
        "content-length",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "accept",
        "accept-encoding",
        "user-agent",
    }


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 20", b"nonsense\r\n\r\n", b"HTTP/1.1 999999 x\r\n\r\n"]
)
def test_an_invalid_answer_is_retried(answer) -> None:
    """Nothing is raised."""
    assert post(saying(answer))[0][0] == "retry"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://no-such-host.invalid/",
        "http://127.0.0.1:9\\@x:y/",
        "https://127.0.0.1:9/",
        "http://" + "a" * 64 + ".invalid/",
        "http://xn--a/",
    ],
)
def test_a_receiver_that_cannot_be_reached_is_retried(url) -> None:
    """The reason does not have the URL, which may hold a token."""
    result, reason = asyncio.run(Webhook(url, SECRET, 1).post(ID, BODY, datetime.now(UTC)))
    assert result == "retry"
    assert reason.isidentifier()


async def post_to(url: str, *ids: str) -> list[str]:
    """Post under each id in turn; returns the reasons."""
    given = Webhook(url, SECRET, 0.05)
    return [(await given.post(id, BODY, datetime.now(UTC)))[1] for id in ids]


def test_a_receiver_that_hangs_is_left_alone() -> None:
    """The circuit breaker has opened: no further request is sent."""

    async def run() -> tuple[list[str], Server]:
        async with serving(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.01)) as server:
            return await post_to(server.url, *"abcdefg"), server

    reasons, server = asyncio.run(run())
    assert reasons == ["TimeoutError"] * 5 + ["circuit open"] * 2
    assert len(server.requests) == 5


def test_nothing_but_time_outs_opens_the_circuit() -> None:
    """A refused connection is quick. It says nothing of whether the receiver answers."""
    assert "circuit open" not in asyncio.run(post_to("http://127.0.0.1:9/", *"abcdefg"))


def test_any_answer_closes_the_circuit(clock) -> None:
    """That of the probe, whatever its status."""

    async def run() -> list[str]:
        async with serving(saying(HEAD % 500)) as server:
            for id in "abcde":
                client.circuit_breaker.record_timeout(id)
            client.circuit_breaker.allows_attempt()
            before = await post_to(server.url, "a")
            clock.advance(seconds=10)
            return before + await post_to(server.url, *"aa")

    assert asyncio.run(run()) == ["circuit open", "500", "500"]
