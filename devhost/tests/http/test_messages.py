import azure.functions as func
import pytest

from devhost.http.heads import Head
from devhost.http.messages import from_function, to_function
from devhost.http.responses import Response


def test_a_function_gets_the_whole_request() -> None:
    """Method, URL, headers, query, route parameters and body."""
    head = Head("PUT", "/a%2Fb", "/a%2Fb", "?x=1&X=2", {"host": "localhost", "x-a": "1"})
    request = to_function(head, b"body", {"id": "7"})
    assert (request.method, request.url) == ("PUT", "http://localhost/a%2Fb?x=1&X=2")
    assert (dict(request.headers), dict(request.params)) == (
        {"host": "localhost", "x-a": "1"},
        {"X": "1,2"},
    )
    assert (dict(request.route_params), request.get_body()) == ({"id": "7"}, b"body")


@pytest.mark.parametrize("result", [None, b"raw", {"a": 1}, [1], 5, True, ("a", 201)])
def test_a_result_that_is_not_a_response_fails(result) -> None:
    """The real host answers 500, whatever the annotation of the function."""
    with pytest.raises(NotImplementedError):
        from_function(result)


def test_a_text_may_describe_a_whole_response() -> None:
    """test_texts has the details."""
    result = '{"status": 202, "headers": {"X-A": "1"}, "body": "b"}'
    assert from_function(result) == Response(
        202, [("X-A", "1"), ("Content-Type", "text/plain; charset=utf-8")], b"b"
    )


@pytest.mark.parametrize(
    ("status", "sent"),
    [("201", 201), ("abc", 200), (201.0, 200), (None, 200), (-1, -1), (99999, 99999)],
)
def test_a_status_that_is_no_number_is_200(status, sent) -> None:
    """Every number is sent."""
    assert from_function(func.HttpResponse("x", status_code=status)).status == sent


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-A", "é"), ("X-A", "a\x01"), ("X A", "1"), ("X:", "1"), ("é", "1"), ("", "1")],
)
def test_a_header_that_cannot_be_sent_fails(name, value) -> None:
    """The real host answers 500."""
    with pytest.raises(ValueError, match="a header has a name or a value that cannot be sent"):
        from_function(func.HttpResponse("x", headers={name: value}))


def test_an_empty_content_type_is_left_out() -> None:
    """Other headers may be empty, and may contain tabs."""
    response = from_function(
        func.HttpResponse("x", headers={"Content-Type": "", "X-A": "", "X-B": "a\tb"})
    )
    assert response.headers == [("X-A", ""), ("X-B", "a\tb")]


def test_a_wrong_content_length() -> None:
    """One that is too small is 500 and ends the connection; one that is too large is sent."""
    assert from_function(func.HttpResponse("12345", headers={"Content-Length": "3"})) == Response(
        500, closes=True
    )
    assert (
        from_function(func.HttpResponse("12345", headers={"Content-Length": "9"})).body == b"12345"
    )
    with pytest.raises(ValueError, match="the header Content-Length is not a number"):
        from_function(func.HttpResponse("12345", headers={"Content-Length": "-1"}))


@pytest.mark.parametrize(
    ("cookie", "sent"),
    [
        ("a=1", "a=1; domain=; path="),
        ('a="q v"; Max-Age=0', "a=q%20v; max-age=0; domain=; path="),
        (
            "b=2; HttpOnly; Secure; SameSite=Lax; Max-Age=5; Domain=a.example; "
            "Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            "b=2; expires=Wed, 21 Oct 2026 07:28:00 GMT; max-age=5; domain=a.example; path=; "
            "secure; samesite=lax; "
            "httponly",
        ),
        ("a=%20x%2Fy=z; Path=/", "a=%2520x%252Fy%3Dz; domain=; path=/"),
        ("justtext", None),
    ],
)
def test_a_cookie_is_sent_as_asp_net_writes_it(cookie, sent) -> None:
    """From what the worker has parsed, if it could."""
    response = from_function(func.HttpResponse("x", headers={"Set-Cookie": cookie}))
    assert dict(response.headers).get("Set-Cookie") == sent
