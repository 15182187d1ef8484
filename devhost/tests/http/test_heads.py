import time

import pytest

from devhost.http.heads import Head, HeadError, end_of_head, parse_head


def head(*fields: str, line: str = "GET /a?b HTTP/1.1", end: str = "\r\n") -> Head:
    return parse_head(end.join([line, *fields, "", ""]).encode("latin-1"))


def test_a_head_is_parsed() -> None:
    """The method is in upper case, the path decoded; repeated headers are joined."""
    read = head("Host: localhost", "X-Two:1 ", "x-two: \xc3\xa9", line="get /a%20b?c=%20? HTTP/1.1")
    headers = {"host": "localhost", "x-two": "1,é"}
    assert read == Head("GET", "/a%20b", "/a b", "?c=%20?", headers)
    assert head("Host: x", end="\n").host == "x"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://localhost/a?b", "/a"),
        ("HTTP://LOCALHOST", "/"),
        ("*", None),
        ("http://other/a", None),
        ("a", None),
    ],
)
def test_a_target_may_repeat_the_host(target, path) -> None:
    """But it may not name another one."""
    if path is None:
        with pytest.raises(HeadError):
            head("Host: localhost", line=f"GET {target} HTTP/1.1")
    else:
        assert head("Host: localhost", line=f"GET {target} HTTP/1.1").path == path


def test_an_asterisk_asks_for_no_path() -> None:
    """OPTIONS may ask it of the whole server."""
    assert head("Host: x", line="OPTIONS * HTTP/1.1").path == ""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("hello", 400),
        ("GET  /a HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("G(T /a HTTP/1.1", 400),
        ("GET /\xc3\xa9 HTTP/1.1", 400),
        ("GET /a%00 HTTP/1.1", 400),
        ("GET /a", 505),
        ("GET /a HTTP/3.0", 505),
        ("POST /a HTTP/1.0", 400),
    ],
)
def test_an_invalid_request_line_is_refused(line, status) -> None:
    """With the status of Kestrel."""
    with pytest.raises(HeadError) as error:
        head("Host: x", line=line)
    assert error.value.status == status


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Host: a", "Host: b"],
        ["Host: a b"],
        ["Host: u@h"],
        ["Host: h:x"],
        ["Host: [::1"],
        ["Host: x", "X A: 1"],
        ["Host: x", "X-A : 1"],
        ["Host: x", "X-A"],
        ["Host: x", ": 1"],
        ["Host: x", "X-A: 1", " 2"],
        ["Host: x", "X-A: a\0b"],
        ["Host: x", "X-A: a\rb"],
        ["Host: x", "X-A: \xff"],
        ["Host: x", "Content-Length: -1"],
        ["Host: x", "Content-Length: 3, 3"],
        ["Host: x", "Content-Length: 3", "Content-Length: 3"],
        ["Host: x", "Transfer-Encoding: gzip"],
        ["Host: x", "Transfer-Encoding: chunked, gzip"],
    ],
)
def test_invalid_headers_are_refused(fields) -> None:
    """As by Kestrel, so that no two programs can read them differently."""
    with pytest.raises(HeadError) as error:
        head(*fields)
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("line", "fields", "length", "chunked", "stays"),
    [
        ("GET / HTTP/1.1", [], 0, False, True),
        ("GET / HTTP/1.1", ["Connection: Close"], 0, False, False),
        ("GET / HTTP/1.0", ["Connection: keep-alive"], 0, False, False),
        ("PUT / HTTP/1.1", ["Content-Length: 7"], 7, False, True),
        ("PUT / HTTP/1.1", ["Transfer-Encoding: gzip, Chunked"], 0, True, True),
        ("PUT / HTTP/1.1", ["Transfer-Encoding: chunked", "Content-Length: 7"], 0, True, False),
    ],
)
def test_a_head_says_how_long_the_body_is(line, fields, length, chunked, stays) -> None:
    """And whether another request may follow."""
    read = head("Host: x", *fields, line=line)
    assert (read.length, read.chunked, read.stays) == (length, chunked, stays)


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nbody", 27),
        (b"GET / HTTP/1.1\n\nbody", 16),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", None),
        (b"", None),
        (b"x" * 8192, None),
        (b"x" * 8190 + b"\r\n", None),
        (b"GET /\r\n" + b"x" * 32768, None),
    ],
)
def test_a_head_ends_with_an_empty_line(sent, end) -> None:
    """Before that, it may be as large as Kestrel allows."""
    assert end_of_head(sent) == end


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"x" * 8193, 414),
        (b"x" * 8191 + b"\r\n", 414),
        (b"GET /\r\n" + b"x" * 32771, 431),
        (b"GET /\r\n" + b"x" * 32768 + b"\r\n\r\n", 431),
    ],
)
def test_a_head_that_is_too_large(sent, status) -> None:
    """It is refused before it is complete."""
    with pytest.raises(HeadError) as error:
        end_of_head(sent)
    assert error.value.status == status


def test_a_head_has_a_hundred_headers_at_most() -> None:
    """Including the Host."""
    assert len(head("Host: x", *(f"X-{number}: 1" for number in range(99))).headers) == 100
    with pytest.raises(HeadError) as error:
        head("Host: x", *(f"X-{number}: 1" for number in range(100)))
    assert error.value.status == 431


def test_http2_settings_are_removed_from_the_connection_header() -> None:
    """As by Kestrel."""
    read = head("Host: x", "Connection: Upgrade, HTTP2-Settings")
    assert read.headers["connection"] == "Upgrade"


@pytest.mark.parametrize("space", [" ", "\t", ",", ", "])
def test_a_connection_header_takes_time_in_proportion_to_its_length(space) -> None:
    """Four times the header takes four times as long: sixteen times would be a square."""

    def seconds(length: int) -> float:
        field = f"Connection: HTTP2-Settings{(space * length)[:length]}x"
        times = []
        for _ in range(3):
            began = time.thread_time()
            head("Host: x", field)
            times.append(time.thread_time() - began)
        return min(times)

    short, long = seconds(7_000), seconds(28_000)
    assert long < 8 * short
