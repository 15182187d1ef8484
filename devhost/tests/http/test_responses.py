import pytest

from devhost.http.responses import Response, encode


def sent(
    response: Response, method: str = "GET", stays: bool = True
) -> tuple[list[str], bytes, bool]:
    """The head without Date and Server, the body, and whether the connection stays open."""
    octets, open = encode(response, method, stays)
    head, _, body = octets.partition(b"\r\n\r\n")
    lines = [
        line for line in head.decode().split("\r\n") if not line.startswith(("Date:", "Server:"))
    ]
    return lines, body, open


def test_a_response_has_its_length() -> None:
    """Except for HEAD."""
    response = Response(200, [("X-A", "1")], b"body")
    assert sent(response) == (["HTTP/1.1 200 OK", "X-A: 1", "Content-Length: 4"], b"body", True)
    assert sent(response, "HEAD") == (["HTTP/1.1 200 OK", "X-A: 1"], b"", True)
    assert sent(response, stays=False)[0][-1] == "Connection: close"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body(status) -> None:
    """It has no length. If there is a body all the same, the connection ends instead."""
    assert sent(Response(status))[1:] == (b"", True)
    assert sent(Response(status, [], b"x"))[1:] == (b"", False)
    assert not any(line.startswith("Content-Length") for line in sent(Response(status))[0])


@pytest.mark.parametrize(
    ("status", "line"), [(999, "HTTP/1.1 999 "), (-1, "HTTP/1.1 -1 "), (103, "HTTP/1.1 103 ")]
)
def test_a_status_without_a_reason_phrase(status, line) -> None:
    assert sent(Response(status))[0][0] == line


@pytest.mark.parametrize(
    ("headers", "stays"),
    [
        ({"Content-Length": "4"}, True),
        ({"Content-Length": "9"}, False),
        ({"Transfer-Encoding": "chunked"}, True),
        ({"Transfer-Encoding": "gzip"}, False),
        ({"Connection": "close"}, False),
        ({"Connection": "keep-alive"}, True),
        ({"Connection": "Upgrade"}, False),
    ],
)
def test_framing_that_a_function_sets_is_sent_unchanged(headers, stays) -> None:
    """Even if no client could read that."""
    lines, body, open = sent(Response(200, list(headers.items()), b"body"))
    ((name, value),) = headers.items()
    assert f"{name}: {value}" in lines
    assert (body, open) == (b"body", stays)


def test_headers_of_a_function_win() -> None:
    """Over those of host.json, and those of the server."""
    response = Response(200, [("x-mine", "2"), ("Date", "now"), ("Server", "mine")]).with_headers(
        {"X-Mine": "1", "X-B": "3"}
    )
    octets, _ = encode(response, "GET", True)
    assert (
        octets == b"HTTP/1.1 200 OK\r\nx-mine: 2\r\nDate: now\r\nServer: mine\r\n"
        b"X-B: 3\r\nContent-Length: 0\r\n\r\n"
    )
