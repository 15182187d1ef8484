import gzip

import pytest
from azure.functions import HttpRequest, HttpResponse

from registry.web.caching import MIN_GZIP_BYTES, with_etag, with_gzip

LONG = b"gift " * MIN_GZIP_BYTES


def request(**headers: str) -> HttpRequest:
    """A request. Header names are given with _ for -."""
    return HttpRequest(
        "GET",
        "http://x/",
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        body=b"",
    )


def response(body: bytes = LONG) -> HttpResponse:
    return HttpResponse(
        body, status_code=201, headers={"Content-Type": "text/css", "Cache-Control": "no-store"}
    )


def etag_of(body: bytes) -> str:
    return with_etag(request(), response(body)).headers["ETag"]


def test_a_response_gets_a_weak_etag_of_its_body() -> None:
    """With it the client may keep the answer, and ask whether it still holds."""
    answer = with_etag(request(), response())
    assert (answer.status_code, answer.get_body()) == (201, LONG)
    assert answer.headers["ETag"].startswith('W/"')
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert etag_of(LONG) == etag_of(LONG) != etag_of(b"")


@pytest.mark.parametrize("form", ["{}", '"x", {}', '{}, W/"x"', "*"])
@pytest.mark.parametrize("is_weak", [True, False])
def test_what_the_client_has_is_not_sent_again(form, is_weak) -> None:
    """One of a list, weak or not, or whatever there is."""
    etag = etag_of(LONG)
    named = form.format(etag if is_weak else etag.removeprefix("W/"))
    answer = with_etag(request(If_None_Match=named), response())
    assert (answer.status_code, answer.get_body()) == (304, b"")
    assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (etag, "private, no-cache")
    assert "Content-Encoding" not in with_gzip(request(Accept_Encoding="gzip"), answer).headers


@pytest.mark.parametrize("header", ["", 'W/"x"', "x", '"x", "y"'])
def test_what_the_client_has_not_is_sent(header) -> None:
    assert with_etag(request(If_None_Match=header), response()).get_body() == LONG


@pytest.mark.parametrize("accepted", ["gzip", "GZIP", "br, gzip;q=0.1", "*", "gzip, *;q=0"])
def test_gzip_for_those_who_accept_it(accepted) -> None:
    answer = with_gzip(request(Accept_Encoding=accepted), response())
    assert gzip.decompress(answer.get_body()) == LONG
    assert answer.status_code == 201
    assert dict(answer.headers) == {
        "Content-Type": "text/css",
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding",
        "Content-Encoding": "gzip",
    }


@pytest.mark.parametrize(
    "accepted", ["", "identity", "br", "gzip;q=0", "*;q=0", "*, gzip;q=0", "gzip;q=0, *"]
)
def test_no_gzip_for_others(accepted) -> None:
    """But caches hear that there may be."""
    answer = with_gzip(request(Accept_Encoding=accepted), response())
    assert answer.get_body() == LONG
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_short_bodies_are_sent_as_they_are() -> None:
    short = response(b"x" * (MIN_GZIP_BYTES - 1))
    assert with_gzip(request(Accept_Encoding="gzip"), short) is short
    assert "Vary" not in short.headers


def test_an_etag_is_the_same_with_gzip_and_without() -> None:
    """So a client that has one of them need not fetch the other."""
    asked = request(Accept_Encoding="gzip")
    assert with_gzip(asked, with_etag(asked, response())).headers["ETag"] == etag_of(LONG)
