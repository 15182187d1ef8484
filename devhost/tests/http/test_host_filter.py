import pytest

from devhost.http.heads import Head
from devhost.http.host_filter import HostFilter

LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def refusal(
    host: str = "localhost:7071", method: str = "GET", path: str = "/api/x", **headers: str
) -> int | None:
    """The status that refuses a request to 192.0.2.1, where gifts.example is allowed too."""
    given = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return HostFilter({"gifts.example"}).refusal(Head(method, path, path, "", given), "192.0.2.1")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:7071",
        "a.b.localhost",
        "127.0.0.1",
        "127.8.9.1:80",
        "[::1]:7071",
        "192.0.2.1",
        "gifts.example:1",
    ],
)
def test_this_machine_is_served(host) -> None:
    """By its own names, the address of the connection, and allowed names."""
    assert refusal(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "192.0.2.2",
        "[::2]",
        "0.0.0.0",
        "1",
        "",
    ],
)
def test_another_host_is_misdirected(host) -> None:
    """Its owner could point the name at this machine, to read from it in a browser."""
    assert refusal(host) == 421
    assert refusal(host, path="/runtime/webhooks/durabletask/instances") == 421


@pytest.mark.parametrize(
    "origin", ["http://localhost:7071", "HTTP://LocalHost:7071", "https://localhost:7071"]
)
def test_requests_of_the_apps_own_pages_are_served(origin) -> None:
    assert refusal(method="POST", origin=origin, sec_fetch_site="same-origin") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
    ],
)
def test_a_page_of_another_origin_is_refused(headers) -> None:
    """Whether it posts a form, embeds a picture or fetches without reading."""
    assert refusal(**headers) == 403


def test_a_link_may_be_followed_from_anywhere() -> None:
    """But not to post something."""
    headers = {name.replace("-", "_"): value for name, value in LINK.items()}
    assert refusal(**headers) is None
    assert refusal(method="HEAD", **headers) is None
    assert refusal(method="POST", **headers) == 403


@pytest.mark.parametrize("path", ["/runtime/webhooks/durabletask/instances", "/Admin/host/status"])
def test_no_link_may_lead_to_the_management_api_or_the_host(path) -> None:
    assert (
        refusal(path=path, **{name.replace("-", "_"): value for name, value in LINK.items()}) == 403
    )


def test_clients_that_are_no_browsers_are_served() -> None:
    """They send neither Origin nor Sec-Fetch-Site; nor does the address bar."""
    assert refusal(method="DELETE", path="/runtime/webhooks/durabletask/instances") is None
    assert (
        refusal(sec_fetch_site="none", sec_fetch_mode="navigate", sec_fetch_dest="document") is None
    )
