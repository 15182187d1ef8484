"""Connections over sockets, with handlers of the tests."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest

from devhost.http.connection import Connection
from devhost.http.listener import Listener
from devhost.http.requests import Limits, Request
from devhost.http.responses import Response

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
OK = b"HTTP/1.1 200 OK"


async def echo(request: Request) -> Response:
    """Return the body."""
    return Response(200, [], await request.read())


async def unread(request: Request) -> Response:
    """Return the path, without reading the body."""
    return Response(200, [], request.head.path.encode())


async def large(request: Request) -> Response:
    """Return more than a client reads at once."""
    return Response(200, [], b"x" * 50_000_000)


async def failing(request: Request) -> Response:
    raise RuntimeError("out of answers")


async def dying(request: Request) -> Response:
    raise asyncio.CancelledError


@asynccontextmanager
async def connected(
    handler=echo, **limits
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Listener]]:
    """Connect to a server with some limits."""
    server = Listener(Limits(**limits))
    port = await server.bind("127.0.0.1", 0)
    await server.serve(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer, server
    finally:
        writer.close()
        await server.stop(1)


async def answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    """Read responses; returns their bodies, or the status lines of those without."""
    found = []
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        found.append(await reader.readexactly(length) if length else head.partition(b"\r\n")[0])
    return found


def exchange(*parts: bytes, handler=echo, half_close: bool = False, **limits) -> bytes:
    """Send parts one after the other; returns all that comes until the connection ends."""

    async def run() -> bytes:
        async with connected(handler, **limits) as (reader, writer, _):
            for part in parts:
                writer.write(part)
                await writer.drain()
            if half_close:
                writer.write_eof()
            return await reader.read()

    return asyncio.run(asyncio.wait_for(run(), 20))


CLOSING = HEAD + b"Connection: close\r\n"


def test_requests_are_answered_one_after_the_other() -> None:
    """Even those that arrive together, or after empty lines."""
    one = HEAD + b"Content-Length: 1\r\n\r\n"
    received = exchange(
        b"\r\n\r\n" + one + b"a" + one + b"b\r\n" + CLOSING + b"Content-Length: 1\r\n\r\nc"
    )
    assert [part[-1:] for part in received.split(OK)[1:]] == [b"a", b"b", b"c"]


def test_a_request_may_arrive_in_parts() -> None:
    """Both its head, and a body that exceeds the buffer."""

    async def run() -> None:
        async with connected() as (reader, writer, _):
            body = b"x" * 1_000_000
            message = HEAD + b"Content-Length: 1000000\r\n\r\n" + body
            writer.write(message[:20])
            await writer.drain()
            writer.write(message[20:])
            assert await answers(reader, 1) == [body]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "goes_on"),
    [
        (b"2\r\nhi\r\n0\r\n\r\n", True),
        (b"2;x=1\nhi\r\n0\nX-T: 1\r\n\r\n", True),
        (b"zz\r\nhi\r\n0\r\n\r\n", False),
        (b"-2\r\nhi\r\n0\r\n\r\n", False),
        (b"x" * 2000, False),
    ],
)
def test_a_chunked_body_never_arrives(body, goes_on) -> None:
    """The next request is found after it, if the chunks are valid."""
    received = exchange(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body, CLOSING + b"\r\n", farewell_seconds=0.1
    )
    assert received.count(OK) == 1 + goes_on


def test_a_body_that_nobody_reads_is_skipped() -> None:
    """Unless too much of it would have to be read to find the next request."""

    async def run() -> None:
        async with connected(unread) as (reader, writer, _):
            writer.write(
                b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n" + b"x" * 100_000
            )
            assert await answers(reader, 1) == [b"/a"]
            writer.write(b"x" * 300_000 + b"POST /b HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await answers(reader, 1) == [b"/b"]

    asyncio.run(run())
    assert exchange(
        HEAD + b"Content-Length: 999999999\r\n\r\n", handler=unread, farewell_seconds=0.1
    ).startswith(OK)
    expecting = HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    assert exchange(expecting, handler=unread, farewell_seconds=0.1).startswith(OK)


def test_100_continue_is_sent_once_the_body_is_wanted() -> None:
    """Not if the body is not read, or has come already."""

    async def run() -> None:
        async with connected() as (reader, writer, _):
            expecting = HEAD + b"Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
            writer.write(expecting)
            assert await answers(reader, 1) == [b"HTTP/1.1 100 Continue"]
            writer.write(b"abc")
            assert await answers(reader, 1) == [b"abc"]
            writer.write(expecting + b"abc")
            assert await answers(reader, 1) == [b"abc"]

    asyncio.run(run())


def test_an_invalid_request_is_refused_and_logged(caplog) -> None:
    """In one line, without the request's content."""
    caplog.set_level("INFO")
    received = exchange(b"secret\r\n\r\n", farewell_seconds=0.1)
    assert received.startswith(
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n"
    )
    assert caplog.messages == ["refused a request: 400 Bad Request"]


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"", b""),
        (b"GET / HT", b"HTTP/1.1 408 Request Timeout"),
        (HEAD + b"Content-Length: 5\r\n\r\nabc", b""),
    ],
)
def test_a_silent_client_is_disconnected(sent, received) -> None:
    """It gets 408 for a head that is not complete, and nothing for a body."""
    answer = exchange(sent, head_seconds=0.05, idle_seconds=0.05, farewell_seconds=0.1)
    assert answer.partition(b"\r\n")[0] == received


def test_a_client_that_does_not_read_is_disconnected() -> None:
    """In the middle of the response."""

    async def run() -> None:
        async with connected(large, idle_seconds=0.05, farewell_seconds=0.05) as (
            _,
            writer,
            server,
        ):
            writer.transport.pause_reading()
            writer.write(HEAD + b"\r\n")
            while not server.connections:  # noqa: ASYNC110  # no event says so
                await asyncio.sleep(0)
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize(
    ("sent", "received"),
    [(HEAD + b"\r\n", OK), (HEAD + b"Content-Length: 5\r\n\r\nabc", b""), (b"GET", b"")],
)
def test_a_half_closed_connection_is_still_answered(sent, received) -> None:
    """If the request is complete."""
    assert exchange(sent, half_close=True).partition(b"\r\n")[0] == received


def test_one_connection_too_many_gets_503() -> None:
    """The others stay."""

    async def run() -> None:
        async with connected(connections=1, farewell_seconds=0.1) as (reader, writer, _):
            writer.write(HEAD + b"\r\n")
            assert await answers(reader, 1) == [OK]
            other, talking = await asyncio.open_connection(*writer.get_extra_info("peername"))
            assert await answers(other, 1) == [b"HTTP/1.1 503 Service Unavailable"]
            talking.close()
            writer.write(HEAD + b"\r\n")
            assert await answers(reader, 1) == [OK]

    asyncio.run(run())


def test_a_client_that_still_sends_can_read_the_last_response() -> None:
    many = CLOSING + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000 + b"y" * 1_000_000
    assert exchange(many, handler=unread, farewell_seconds=0.2).startswith(OK)


def test_an_exception_in_the_handler_ends_the_connection(caplog) -> None:
    """Its traceback is logged."""
    assert exchange(HEAD + b"\r\n", handler=failing, farewell_seconds=0.1) == b""
    assert "RuntimeError: out of answers" in caplog.text


def test_a_cancelled_request_is_not_answered() -> None:
    """The connection is cut."""
    assert exchange(HEAD + b"\r\n", handler=dying) == b""


def test_stopping_the_server_closes_its_connections() -> None:
    """Also while requests are pending."""

    async def run() -> bytes:
        asked = asyncio.Event()

        async def forever(request: Request) -> Response:
            asked.set()
            return await asyncio.Event().wait()

        async with connected(forever) as (reader, writer, server):
            writer.write(HEAD + b"\r\n")
            await asked.wait()
            await server.stop(1)
            return await reader.read()

    assert asyncio.run(run()) == b""


def test_clients_can_read_what_was_sent_before_the_stop() -> None:
    """They have some time to do so, but not forever."""

    async def run() -> int:
        async with connected(large) as (reader, writer, server):
            writer.write(HEAD + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
            stopping = asyncio.create_task(server.stop(20))
            received = await reader.read(-1)
            await stopping
            return len(received)

    assert asyncio.run(run()) == 50_000_000

    async def run_without_reading() -> None:
        async with connected(large) as (reader, writer, server):
            writer.write(HEAD + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            await server.stop(0.05)

    asyncio.run(asyncio.wait_for(run_without_reading(), 20))


def fed(*parts: bytes | None, handler=unread) -> tuple[bytes, Mock]:
    """Feed a connection part by part (None ends it); returns what it wrote, and the transport."""

    async def run() -> tuple[bytes, Mock]:
        transport = Mock(spec=asyncio.Transport)
        transport.is_closing.return_value = False
        transport.get_extra_info.return_value = ("127.0.0.1", 7071)
        connection = Connection(handler, set(), Limits())
        connection.connection_made(transport)
        for part in parts:
            connection.eof_received() if part is None else connection.data_received(part)
            for _ in range(5):
                await asyncio.sleep(0)
        connection.connection_lost(None)
        await asyncio.sleep(0)
        return b"".join(call.args[0] for call in transport.write.call_args_list), transport

    return asyncio.run(run())


def test_a_request_may_arrive_byte_by_byte() -> None:
    """Heads, chunks and trailers alike."""
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
    written, _ = fed(*(bytes([byte]) for byte in chunked + HEAD + b"\r\n"))
    assert written.count(OK) == 2


def test_a_chunk_line_that_is_too_long_ends_the_connection() -> None:
    _, transport = fed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 2000)
    transport.write_eof.assert_called_once()


def test_a_client_that_sends_too_fast_is_paused() -> None:
    """Until its bytes are read."""
    _, transport = fed(HEAD + b"Content-Length: 300001\r\n\r\n" + b"x" * 300_000, b"x")
    transport.pause_reading.assert_called_once()
    assert transport.resume_reading.called


def test_bytes_after_the_last_response_are_ignored() -> None:
    written, transport = fed(CLOSING + b"\r\n", HEAD + b"\r\n")
    assert written.count(OK) == 1
    transport.write_eof.assert_called_once()


def test_a_body_that_ends_too_early_is_not_answered() -> None:
    """Its client has gone."""
    written, transport = fed(HEAD + b"Content-Length: 5\r\n\r\n", b"abc", None, handler=echo)
    assert written == b""
    transport.close.assert_called_once()
    written, transport = fed(b"", None, handler=echo)
    assert written == b""
    transport.close.assert_called_once()


def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    """Its request is handled all the same."""
    transport = Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = True
    transport.get_extra_info.return_value = None

    async def run() -> None:
        connection = Connection(unread, set(), Limits())
        connection.connection_made(transport)
        connection.data_received(HEAD + b"\r\n")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        connection.connection_lost(None)
        await asyncio.sleep(0)

    asyncio.run(run())
    transport.write.assert_not_called()


def test_a_connection_that_the_client_has_cut_is_aborted() -> None:
    """That is not logged as a failure."""
    transport = Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = None
    transport.write_eof.side_effect = OSError(errno.ENOTCONN, "not connected")

    async def run() -> None:
        connection = Connection(unread, set(), Limits())
        connection.connection_made(transport)
        connection.data_received(CLOSING + b"\r\n")
        await connection._task

    asyncio.run(run())
    transport.abort.assert_called_once()
