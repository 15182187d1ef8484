import pytest

from devhost.http.heads import Head
from devhost.http.host_filter import HostFilter

LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def refusal(
    host: str = "localhost:7071", method: str = "GET", path: str = "/api/x", **headers: str
) -> int | None:
    """With what status a request is refused that came to 192.0.2.1, by a host that is also called
    gifts.example.
    """
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
    """Under its own names, the address that was connected to, and the names that were allowed."""
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
    """Its owner could let the name point to this machine, to read what is here from a page of the
    same name.
    """
    assert refusal(host) == 421
    assert refusal(host, path="/runtime/webhooks/durabletask/instances") == 421


@pytest.mark.parametrize(
    "origin", ["http://localhost:7071", "HTTP://LocalHost:7071", "https://localhost:7071"]
)
def test_the_own_page_is_served(origin) -> None:
    """Whatever it sends."""
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
    """Whether it sends a form, embeds a picture or fetches without reading."""
    assert refusal(**headers) == 403


def test_a_link_is_followed() -> None:
    """From wherever it is, since links are there to be shared; but nothing is posted by one."""
    headers = {name.replace("-", "_"): value for name, value in LINK.items()}
    assert refusal(**headers) is None
    assert refusal(method="HEAD", **headers) is None
    assert refusal(method="POST", **headers) == 403


@pytest.mark.parametrize("path", ["/runtime/webhooks/durabletask/instances", "/Admin/host/status"])
def test_no_link_leads_to_what_is_privileged(path) -> None:
    """Neither to the management API nor to the host itself."""
    assert (
        refusal(path=path, **{name.replace("-", "_"): value for name, value in LINK.items()}) == 403
    )


def test_who_is_no_browser_is_served() -> None:
    """Neither curl nor the SDK's client says where it comes from; a browser's own address bar says
    none.
    """
    assert refusal(method="DELETE", path="/runtime/webhooks/durabletask/instances") is None
    assert (
        refusal(sec_fetch_site="none", sec_fetch_mode="navigate", sec_fetch_dest="document") is None
    )
