import gzip

import pytest
from azure.functions import HttpRequest, HttpResponse

from registry.web.caching import MIN_GZIP_BYTES, with_etag, with_gzip

LONG = b"gift " * MIN_GZIP_BYTES


def request(**headers: str) -> HttpRequest:
    """A request; header names are given with _ for -."""
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


def tag_of(body: bytes) -> str:
    return with_etag(request(), response(body)).headers["ETag"]


def test_an_answer_has_a_weak_tag_of_its_body() -> None:
    """By which the client may ask whether it still holds; so it may keep it."""
    tagged = with_etag(request(), response())
    assert (tagged.status_code, tagged.get_body()) == (201, LONG)
    assert tagged.headers["ETag"].startswith('W/"')
    assert tagged.headers["Cache-Control"] == "private, no-cache"
    assert tagged.headers["Vary"] == "Accept, Accept-Encoding"
    assert tag_of(LONG) == tag_of(LONG) != tag_of(b"")


@pytest.mark.parametrize("form", ["{}", '"x", {}', '{}, W/"x"', "*"])
@pytest.mark.parametrize("is_weak", [True, False])
def test_what_the_client_has_is_not_sent_again(form, is_weak) -> None:
    """One of a list, weak or not, or whatever there is."""
    tag = tag_of(LONG)
    told = with_etag(
        request(If_None_Match=form.format(tag if is_weak else tag.removeprefix("W/"))), response()
    )
    assert (told.status_code, told.get_body()) == (304, b"")
    assert (told.headers["ETag"], told.headers["Cache-Control"]) == (tag, "private, no-cache")
    assert "Content-Encoding" not in with_gzip(request(Accept_Encoding="gzip"), told).headers


@pytest.mark.parametrize("header", ["", 'W/"x"', "x", '"x", "y"'])
def test_what_the_client_has_not_is_sent(header) -> None:
    """Also where it names something else."""
    assert with_etag(request(If_None_Match=header), response()).get_body() == LONG


@pytest.mark.parametrize("accepted", ["gzip", "GZIP", "br, gzip;q=0.1", "*", "gzip, *;q=0"])
def test_gzip_for_those_who_take_it(accepted) -> None:
    """Whatever else they take; nothing else changes."""
    told = with_gzip(request(Accept_Encoding=accepted), response())
    assert gzip.decompress(told.get_body()) == LONG
    assert told.status_code == 201
    assert dict(told.headers) == {
        "Content-Type": "text/css",
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding",
        "Content-Encoding": "gzip",
    }


@pytest.mark.parametrize(
    "accepted", ["", "identity", "br", "gzip;q=0", "*;q=0", "*, gzip;q=0", "gzip;q=0, *"]
)
def test_no_gzip_for_others(accepted) -> None:
    """But caches are told that there may be."""
    told = with_gzip(request(Accept_Encoding=accepted), response())
    assert told.get_body() == LONG
    assert "Content-Encoding" not in told.headers
    assert told.headers["Vary"] == "Accept-Encoding"


def test_what_is_short_is_sent_as_it_is() -> None:
    """It would not become shorter."""
    short = response(b"x" * (MIN_GZIP_BYTES - 1))
    assert with_gzip(request(Accept_Encoding="gzip"), short) is short
    assert "Vary" not in short.headers


def test_a_tag_is_the_same_with_gzip_and_without() -> None:
    """So a client that has one of them need not fetch the other."""
    asked = request(Accept_Encoding="gzip")
    assert with_gzip(asked, with_etag(asked, response())).headers["ETag"] == tag_of(LONG)
