import asyncio
import logging
import time
from unittest.mock import AsyncMock

import pytest
import requests

from devhost.functions.indexing import index
from devhost.management.api import ManagementApi
from devhost.runner import running
from devhost.settings.files import HostJson
from devhost.storage.sqlite import open_store
from devhost.storage.store import StoreError
from tests.conformance.wire import ask
from tests.sample_app import make_app
from tests.server import serving


@pytest.fixture(scope="module")
def origin():
    """The sample app, served."""
    with serving(index(make_app())) as origin:
        yield origin


def test_a_function_gets_the_request(origin) -> None:
    """Method, URL, route parameters, query and body; routes match in any letter case."""
    response = requests.post(f"{origin}/API/eCHO/Word/?a=1&b=x+y&a=2&empty=", data=b"\x00body")
    assert response.status_code == 201
    assert response.text == (
        f"POST {origin}/API/eCHO/Word/?a=1&b=x+y&a=2&empty= "
        "{'word': 'Word'} {'a': '1,2', 'b': 'x y'} b'\\x00body'"
    )


def test_a_function_gets_decoded_parameters(origin) -> None:
    """Percent-encoded UTF-8 is decoded; other escapes stay."""
    response = requests.get(f"{origin}/api/echo/B%C3%A4r?q=%F0%9F%8E%81&bad=%FF")
    assert "{'word': 'Bär'} {'q': '🎁', 'bad': '%FF'}" in response.text


@pytest.mark.parametrize(
    ("traceparent", "continued"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-01", False),
        ("", False),
    ],
)
def test_a_function_is_in_the_trace_of_its_caller(origin, traceparent, continued) -> None:
    """In a span of its own; an invalid traceparent begins a new trace."""
    response = requests.get(
        f"{origin}/api/trace", headers={"traceparent": traceparent, "tracestate": "a=b"}
    )
    parent, state = response.text.split(" ")
    version, trace, span, flags = parent.split("-")
    assert (version, len(trace), len(span)) == ("00", 32, 16)
    assert span != "00f067aa0ba902b7"
    assert (trace == "4bf92f3577b34da6a3ce929d0e0e4736") is continued
    assert (flags, state) == (("01", "a=b") if continued else ("00", ""))


def test_an_encoded_slash_does_not_separate_segments(origin) -> None:
    assert "{'word': '..%2Fa'}" in requests.get(f"{origin}/api/echo/..%2fa").text


def test_an_optional_parameter(origin) -> None:
    assert "{'word': 'a', 'rest': 'b'}" in requests.get(f"{origin}/api/echo/a/b").text
    assert "{'word': 'a'}" in requests.get(f"{origin}/api/echo/a").text
    assert requests.get(f"{origin}/api/echo/a/b/c").status_code == 404


def test_a_response_has_its_headers_and_cookies(origin) -> None:
    """Each cookie is a Set-Cookie header of its own, as ASP.NET writes it."""
    response = requests.get(f"{origin}/api/echo/a")
    assert response.headers["X-Function"] == "echo"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.raw.headers.getlist("Set-Cookie") == [
        "a=1; domain=; path=/",
        "b=2; domain=; path=; httponly",
    ]


def test_repeated_request_headers_are_joined(origin) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection(origin.removeprefix("http://"))
    connection.putrequest("GET", "/api/headers")
    connection.putheader("X-Twice", "1")
    connection.putheader("x-twice", "2")
    connection.endheaders()
    assert connection.getresponse().read() == b"1,2"
    connection.close()


def test_a_function_may_return_bytes_but_not_none(origin) -> None:
    assert requests.get(f"{origin}/api/nothing").status_code == 500
    response = requests.get(f"{origin}/api/bytes/7")
    assert response.content == bytes(range(256))
    assert response.headers["Content-Type"] == "application/octet-stream"


def test_head_gets_the_headers_only(origin) -> None:
    response = requests.head(f"{origin}/api/echo/a")
    assert (response.status_code, response.content) == (201, b"")


def test_a_value_that_violates_a_route_constraint_is_404(origin) -> None:
    assert requests.get(f"{origin}/api/bytes/seven").status_code == 404


def test_unknown_paths_and_methods_are_404(origin) -> None:
    assert requests.get(f"{origin}/api/other").status_code == 404
    assert requests.get(f"{origin}/").status_code == 404
    assert requests.get(f"{origin}/api/start/fan_out").status_code == 404


def test_a_failure_is_500_and_its_traceback_is_only_logged(origin, caplog) -> None:
    response = requests.get(f"{origin}/api/fail")
    assert (response.status_code, response.content) == (500, b"")
    assert "secret of the stack trace" in caplog.text


def test_a_request_is_logged_without_query_and_parameters(origin, caplog) -> None:
    """They may hold secrets."""
    caplog.set_level(logging.INFO)
    requests.post(f"{origin}/api/echo/capability?item=secret")
    (line,) = caplog.messages
    assert line.startswith("POST /api/Echo/{word}/{rest?} 201 ")
    assert line.endswith(" ms")


def test_a_body_that_is_too_large_is_500(origin, monkeypatch) -> None:
    monkeypatch.setattr("devhost.http.functions.LARGEST_BODY", 1000)
    assert requests.post(f"{origin}/api/echo/a", data=b"x" * 1001).status_code == 500
    assert requests.post(f"{origin}/api/echo/a", data=b"x" * 1000).status_code == 201


@pytest.mark.parametrize(
    "path", ["runtime/webhooks/durabletask/orchestrators/fan_out", "admin/host/status"]
)
def test_the_host_itself_takes_smaller_bodies(origin, path) -> None:
    """Requests to the host have at most 1 MiB; more is refused before it is read."""
    from http.client import HTTPConnection

    connection = HTTPConnection(origin.removeprefix("http://"))
    connection.putrequest("POST", f"/{path}")
    connection.putheader("Content-Length", str(2**20 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 201),
        ("gifts.localhost", 201),
        ("evil.example", 421),
        ("localhost:99999", 500),
    ],
)
def test_the_url_has_the_host_that_the_client_named(origin, host, status) -> None:
    """It must name this machine, and be valid in a URL."""
    response = requests.get(f"{origin}/api/echo/a", headers={"Host": host})
    assert response.status_code == status
    assert status != 201 or f"GET http://{host}/api/echo/a " in response.text


@pytest.mark.parametrize(
    "path", ["api/echo/a", "runtime/webhooks/durabletask/instances", "admin/host/ping"]
)
def test_requests_of_foreign_pages_are_refused_everywhere(origin, path) -> None:
    """By functions, the management API and the host itself."""
    assert (
        requests.post(f"{origin}/{path}", headers={"Origin": "http://evil.example"}).status_code
        == 403
    )
    assert requests.get(f"{origin}/{path}", headers={"Origin": origin}).status_code in (200, 201)


def test_custom_headers_are_on_every_answer() -> None:
    """Whoever answers; the function's own headers win."""

    async def run() -> list[list[str]]:
        config = HostJson(
            custom_headers={"X-Content-Type-Options": "nosniff", "x-function": "none"}
        )
        async with running(
            index(make_app()), open_store(), config=config, grace_period=0.1
        ) as served:
            port = int(served.origin.rpartition(":")[2])
            targets = [
                "/api/bytes/7",
                "/api/fail",
                "/nothing",
                "/admin/host/ping",
                "/runtime/webhooks/durabletask/instances",
            ]
            requests = [
                {"raw": f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"}
                for target in [*targets, "/api/echo/a"]
            ]
            requests.append({"raw": "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"})
            return [(await ask(port, request))["headers"] for request in requests]

    answers = asyncio.run(run())
    assert all("X-Content-Type-Options: nosniff" in headers for headers in answers)
    assert ["x-function: none" in headers for headers in answers] == [True] * 5 + [False, True]


def test_a_task_hub_that_fails_is_500(origin, monkeypatch) -> None:
    """The response has the reason."""
    monkeypatch.setattr(
        ManagementApi, "answer", AsyncMock(side_effect=StoreError("the disk is full"))
    )
    response = requests.get(f"{origin}/runtime/webhooks/durabletask/instances")
    assert (response.status_code, response.json()) == (500, {"Message": "the disk is full"})


def test_an_orchestration_is_started_and_followed_over_http(origin) -> None:
    """By the URLs that create_check_status_response returns."""
    started = requests.post(f"{origin}/api/start/fan_out", json=[2, 3, 4])
    assert started.status_code == 202
    urls = started.json()
    assert started.headers["Location"] == urls["statusQueryGetUri"]
    for _ in range(500):
        status = requests.get(urls["statusQueryGetUri"])
        if status.status_code == 200:
            break
        time.sleep(0.01)
    assert (status.json()["runtimeStatus"], status.json()["output"]) == ("Completed", 29)
    assert requests.delete(urls["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}
    assert requests.get(urls["statusQueryGetUri"]).status_code == 404


@pytest.mark.parametrize("number", [3, 4])
def test_an_async_activity_returns_or_raises_to_its_orchestrator(origin, number) -> None:
    urls = requests.post(f"{origin}/api/start/halves", json=number).json()
    for _ in range(500):
        status = requests.get(urls["statusQueryGetUri"]).json()
        if status["runtimeStatus"] == "Completed":
            break
        time.sleep(0.01)
    assert "ValueError: 3 is odd" in status["output"] if number == 3 else status["output"] == 2.0


def test_the_management_api_checks_content_types_as_the_real_host_does(origin) -> None:
    base = f"{origin}/runtime/webhooks/durabletask"
    id = requests.post(f"{base}/orchestrators/two_events").json()["id"]
    json_type = {"Content-Type": "application/json"}
    assert (
        requests.post(
            f"{base}/orchestrators/two_events", data=b"\xff", headers=json_type
        ).status_code
        == 400
    )
    assert requests.post(f"{base}/instances/{id}/raiseEvent/go", data="1").status_code == 400
    assert requests.post(f"{base}/instances/{id}/raiseEvent/go", json=1).status_code == 202
    assert requests.get(f"{base}/instances/{id}").headers["Retry-After"] == "5"
