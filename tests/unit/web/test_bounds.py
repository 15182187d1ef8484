"""What callers send is bounded before it is parsed, whatever it is."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from azure.functions import HttpRequest, HttpResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.problems import PROBLEM_TYPES
from registry.domain.stats import Stats
from registry.telemetry import trace_in
from registry.web.bodies import FORM, JSON, TEXT
from registry.web.caching import MIN_GZIP_BYTES, with_etag, with_gzip
from registry.web.headers import MAX_LENGTH
from registry.web.requests import MAX_BODY_BYTES
from registry.web.responses import Links
from tests.unit.web.conftest import ID, SETTINGS, call, get, ok, problem

CODEPOINTS = "a\u017f\u212a\u0131\u0130é🎁\ud800\ufeff\0\x1b\r\n\t \"'\\,;=*/%+&{}[]()-09"
"""Among them characters whose other case is ASCII, and half of a surrogate pair."""
JUNK = st.text(st.sampled_from(CODEPOINTS), max_size=80)
PIECES = st.lists(
    st.sampled_from(
        [
            *("application/json", "text/plain", FORM, "multipart/form-data; boundary=x"),
            *(
                "charset=",
                "charset*0*=utf-8''",
                "utf-8",
                "utf-16",
                "u\u017f-ascii",
                "us-asci\u0131",
                "utf-32",
            ),
            *("gzip", "*/*", "*", "q=0.5", "q=1e999", 'W/"x"', '"', ",", ";", "=", "\t", " ", "é"),
        ]
    ),
    max_size=12,
).map("".join)
NUMBER = "1" * 5000
BODIES = st.one_of(
    st.binary(max_size=60),
    JUNK.map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]).map(
        '{"item": "x"}'.encode
    ),
    st.sampled_from(
        [
            b"[" * 100_000,
            b'{"item":' * 400,
            b'{"item": %s}' % NUMBER.encode(),
            b'{"itemKey": %s}' % NUMBER[:1000].encode(),
            b'{"item": NaN, "itemKey": Infinity}',
            b'{"item": "a", "item": "b", "itemKey": "a", "itemKey": "b"}',
            b'{"item": "\\ud800", "itemKey": "\\udfff"}',
            b"item=%ED%A0%80&itemKey=%FF",
            b"&" * 50_000,
            b"item=x&" * 20_000,
            b'--x\r\nContent-Disposition: form-data; name="item"\r\n\r\nBike\r\n--x--',
        ]
    ),
)
LENGTHS = (4_000, 16_000)


def seconds(work: Callable[[], object]) -> float:
    """The CPU time that work takes, at best."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times)


def assert_linear(work: Callable[[int], Callable[[], object]]) -> None:
    """Four times the input takes four times as long: sixteen times would be a square.

    What takes no longer than to list the characters some times is not measured.
    """
    short, long = (seconds(work(length)) for length in LENGTHS)
    assert long < 8 * max(short, seconds(lambda: list("x" * LENGTHS[1])))


def request(headers: dict[str, str], body: bytes = b"") -> HttpRequest:
    return HttpRequest("GET", "http://x/", headers=headers, body=body)


def page() -> HttpResponse:
    """An answer that is long enough to be compressed."""
    return HttpResponse(b"gift " * MIN_GZIP_BYTES)


HEADERS: dict[str, Callable[[str], object]] = {
    "Accept": lambda value: call("peek", Accept=value),
    "Content-Type": lambda value: call("add", body=b"Bike", Content_Type=value),
    "Idempotency-Key": lambda value: call("add", params={"item": "x"}, Idempotency_Key=value),
    "If-None-Match": lambda value: with_etag(request({"If-None-Match": value}), page()),
    "Accept-Encoding": lambda value: with_gzip(request({"Accept-Encoding": value}), page()),
    "traceparent": lambda value: call("stats", trace=value),
}
"""A call that parses the header."""


@pytest.fixture(autouse=True)
def answering(service, registry) -> None:
    """Every call of the service succeeds."""
    service.add.return_value = service.remove.return_value = 1
    service.peek.return_value = service.finish.return_value = registry
    service.stats.return_value = Stats()


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(
    "pattern", ["\t", " ", ",", ";", '"', "a;", '"x" ', "a/b;c=d,", "a=", "f", "é"]
)
@pytest.mark.parametrize("begin", ["a/", "text/plain;a"])
def test_a_header_takes_time_in_proportion_to_its_length(header, begin, pattern) -> None:
    """The parsers of libraries are quadratic for some."""
    parse = HEADERS[header]

    def work(length: int) -> Callable[[], object]:
        value = (begin + pattern * length)[:length] + "z"
        return lambda: parse(value)

    assert_linear(work)


@pytest.mark.parametrize(
    ("call_name", "media_type"),
    [(name, each) for name in ("add", "remove") for each in (JSON, FORM, TEXT)],
)
@pytest.mark.parametrize("pattern", ["[", "&", "a=&", "%", "+", '"\\', " ", "1", "{", "é"])
def test_a_body_takes_time_in_proportion_to_its_length(call_name, media_type, pattern) -> None:
    def work(length: int) -> Callable[[], object]:
        body = (pattern * length).encode()[:length]
        return lambda: call(call_name, body=body, Content_Type=media_type)

    assert_linear(work)


def test_an_accept_that_is_too_long_counts_as_absent(service) -> None:
    accept = "text/plain"
    assert call("peek", Accept=accept.ljust(MAX_LENGTH)).headers["Content-Type"].startswith(TEXT)
    ok(call("peek", Accept=accept.ljust(MAX_LENGTH + 1)))


def test_an_accept_encoding_that_is_too_long_counts_as_absent() -> None:
    for length, encoding in ((MAX_LENGTH, "gzip"), (MAX_LENGTH + 1, None)):
        answer = with_gzip(request({"Accept-Encoding": "gzip".ljust(length)}), page())
        assert answer.headers.get("Content-Encoding") == encoding


def test_an_if_none_match_that_is_too_long_counts_as_absent() -> None:
    etag = with_etag(request({}), page()).headers["ETag"]
    for length, status in ((MAX_LENGTH, 304), (MAX_LENGTH + 1, 200)):
        answer = with_etag(request({"If-None-Match": etag.ljust(length)}), page())
        assert answer.status_code == status


@pytest.mark.parametrize(("name", "type"), [("add", "invalid-item"), ("remove", "invalid-key")])
def test_a_content_type_that_is_too_long_is_refused(name, type) -> None:
    """As absent it would be another type than the one that is meant."""
    body = b'{"item": "Bike", "itemKey": "k"}'
    ok(call(name, body=body, Content_Type=JSON.ljust(MAX_LENGTH)))
    refused = problem(call(name, body=body, Content_Type=JSON.ljust(MAX_LENGTH + 1)), 400, type)
    assert "Content-Type" in refused["detail"]
    assert str(MAX_LENGTH) in refused["detail"]


def test_a_body_that_is_too_long_for_a_key_is_refused_before_it_is_decoded() -> None:
    """One that is as long as allowed is read."""
    body = json.dumps({"itemKey": "k" * 128}).encode()
    for media_type in (JSON, FORM, TEXT):
        ok(call("remove", body=body.ljust(MAX_BODY_BYTES), Content_Type=media_type))
        response = call("remove", body=body.ljust(MAX_BODY_BYTES + 1), Content_Type=media_type)
        assert "at most 4096 bytes" in problem(response, 400, "invalid-key")["detail"]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
@pytest.mark.parametrize("media_type", [JSON, FORM])
def test_the_longest_item_and_key_fit_however_they_are_written(charset, media_type) -> None:
    """An emoji takes 24 bytes where it is escaped, and the body is in UTF-16."""
    item, key = "🎁" * SETTINGS.max_item_length, "~" * 128
    for name, member, value in (("add", "item", item), ("remove", "itemKey", key)):
        text = json.dumps({member: value}) if media_type == JSON else f"{member}={quote(value)}"
        content_type = f"{media_type}; charset={charset}"
        assert ok(call(name, body=text.encode(charset), Content_Type=content_type))[member] == value


@pytest.mark.parametrize(
    "charset",
    ["u\u017f-ascii", "us-asci\u0131", "window\u017f-1252", "\u0131so-8859-1", "utf-\uff18"],
)
def test_charsets_are_ascii(charset) -> None:
    """In Unicode the long s is an s in another case, and Python knows no charset of that name."""
    content_type = f'text/plain; charset="{charset}"'
    refused = problem(call("add", body=b"x", Content_Type=content_type), 400, "invalid-item")
    assert "charset" in refused["detail"]


@settings(deadline=None)
@given(
    name=st.sampled_from(["add", "remove"]),
    id=st.just(ID) | JUNK,
    query=st.dictionaries(st.sampled_from(["item", "itemKey", "x"]), JUNK, max_size=2),
    body=BODIES,
    content_type=PIECES | JUNK,
    others=st.tuples(PIECES | JUNK, PIECES | JUNK, PIECES | JUNK),
)
def test_whatever_is_sent_is_a_success_or_a_problem(
    name, id, query, body, content_type, others
) -> None:
    """Nothing else is raised."""
    accept, key, trace = others
    headers = {"Content_Type": content_type, "Accept": accept, "Idempotency_Key": key}
    response = call(name, id=id, params=query, body=body, trace=trace, **headers)
    answer: Any = json.loads(response.get_body())
    if response.status_code != 200:
        assert answer["type"] in {each.uri for each in PROBLEM_TYPES}
        assert response.status_code in (400, 404, 413)


@settings(deadline=None)
@given(accept=PIECES | JUNK, encoding=PIECES | JUNK, etag=PIECES | JUNK)
def test_whatever_a_reader_prefers_is_answered(accept, encoding, etag) -> None:
    headers = {"Accept": accept, "Accept-Encoding": encoding, "If-None-Match": etag}
    assert get("docs", headers).status_code in (200, 304)
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    assert call("peek", **named).status_code in (200, 304)


@pytest.mark.parametrize(
    "url",
    ["http://[::1]:7071/api/open", "http://[bad/api/open", "http://a℀b/api/open", "/api/open", ""],
)
def test_links_are_made_of_any_address(url) -> None:
    """A Host that no parser of URLs takes among them."""
    assert Links.of(url, ID).peek == f"{url.removesuffix('open')}peek/{ID}"


def nested(depth: int) -> Any:
    value: Any = ID
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [nested(10), nested(100_000), {"trace": nested(100_000)}, "x" * 10**6]
)
def test_a_trace_is_looked_for_in_short_texts_only(value) -> None:
    """An event may carry anything."""
    assert trace_in(value) == ""
