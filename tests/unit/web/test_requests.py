import codecs
import json
import sys
from unittest.mock import Mock

import pytest
from azure.functions import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.problems import INVALID_ITEM, INVALID_KEY, TOO_LONG, UNKNOWN, Kind, Refusal
from registry.domain.registry import Item
from registry.web.requests import (
    FORM,
    NOT_BLANK,
    registry_id,
    requested_item,
    requested_key,
    wants_plain_text,
)

ID = "0123456789abcdef0123456789abcdef"
MOST = 20


def request(
    *, id: str = ID, body: bytes = b"", params: dict[str, str] | None = None, **headers: str
) -> HttpRequest:
    """A request; header names are given with _ for -."""
    return HttpRequest(
        "POST",
        f"https://gifts.example/api/add/{id}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        params=params or {},
        route_params={"id": id},
        body=body,
    )


def refused(kind: Kind, read, *arguments) -> str:
    """The detail of the refusal that reading a request comes to."""
    with pytest.raises(Refusal) as error:
        read(*arguments)
    assert error.value.kind is kind
    return error.value.detail


def test_an_id_is_32_lower_case_hex_digits() -> None:
    """As it is in the path."""
    assert registry_id(request()) == ID


@pytest.mark.parametrize(
    "id",
    [
        "",
        "x",
        ID.upper(),
        ID[:-1],
        ID + "0",
        ID[:-1] + "g",
        ID[:-1] + "\n",
        ID + "\n",
        ID[:-1] + "\N{ARABIC-INDIC DIGIT ONE}",
        f"../instances/{ID}",
        f"{ID}?op=close",
    ],
)
def test_what_is_no_id_is_unknown(id) -> None:
    """The SDK puts ids into URLs of the management API as they are, so nothing else gets there."""
    assert "32 lower-case hex digits" in refused(UNKNOWN, registry_id, request(id=id))


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"item": "Zork 🎁"}},
        {"body": '{"item": "Zork 🎁"}'.encode(), "Content_Type": "application/json"},
        {
            "body": b'{"item": "Zork \\ud83c\\udf81"}',
            "Content_Type": "Application/JSON; charset=UTF-8",
        },
        {
            "body": '{"item": "Zork 🎁"}'.encode("utf-16"),
            "Content_Type": 'application/json; charset="utf-16"',
        },
        {"body": "Zork 🎁".encode(), "Content_Type": "text/plain"},
        {"body": "Zork 🎁".encode("utf-16"), "Content_Type": "text/plain; charset=utf-16"},
        {"body": b"x=1&item=Zork+%F0%9F%8E%81", "Content_Type": FORM},
        {"body": "item=Zork 🎁".encode(), "Content_Type": f"{FORM}; charset=UTF-8"},
        {"body": '{"item": "Zork 🎁"}'.encode(), "Content_Type": FORM},  # as curl -d sends it
        {
            "params": {"item": "Zork 🎁"},
            "body": b'{"item": "other"}',
            "Content_Type": "application/json",
        },
    ],
)
def test_the_item_comes_from_query_json_form_or_text(asked) -> None:
    """The query wins over the body; the charset of the body counts."""
    assert requested_item(request(**asked, Idempotency_Key="key-1"), MOST) == Item(
        "key-1", "Zork 🎁"
    )


def test_a_key_is_made_where_there_is_none() -> None:
    """Each at random."""
    keys = {requested_item(request(params={"item": "x"}), MOST).key for _ in range(10)}
    assert len(keys) == 10
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        (
            {},
            "The item is missing: there is neither ?item= nor a body with a Content-Length; one in chunks is lost.",
        ),
        ({"params": {"item": " \t\n"}}, "The item is blank."),
        ({"params": {"item": ""}}, "The item is blank."),
        ({"params": {"item": "\ud800"}}, "surrogate"),
        ({"body": b'{"item": "\\ud800"}', "Content_Type": "application/json"}, "surrogate"),
        ({"body": b'{"item": 1}', "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b'{"item": null}', "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b"[]", "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b"{}", "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b'{"item": "x"', "Content_Type": "application/json"}, "not valid JSON"),
        ({"body": b"[" * 1200, "Content_Type": "application/json"}, "not valid JSON"),
        ({"body": b"1" * 1200, "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b"\xff", "Content_Type": "text/plain"}, "UTF-8"),
        ({"body": b"\xff", "Content_Type": "application/json"}, "UTF-8"),
        ({"body": b"\xe4", "Content_Type": "text/plain; charset=us-ascii"}, "not in the charset"),
        (
            {"body": b"x", "Content_Type": "text/plain; charset=klingon"},
            "charset of the body must be utf-8",
        ),
        ({"body": b"item=x", "Content_Type": "application/xml"}, "must be application/json"),
        ({"body": b"x"}, "must be application/json"),
        ({"body": b"gift=x", "Content_Type": FORM}, "The form must have item= once."),
        ({"body": b"item=x&item=y", "Content_Type": FORM}, "The form must have item= once."),
        ({"body": b"item=", "Content_Type": FORM}, "The item is blank."),
        ({"body": b"item=%FF", "Content_Type": FORM}, "The form is not in UTF-8."),
        ({"body": b"{}", "Content_Type": FORM}, '"item" is a string'),
        ({"body": b"x", "Content_Type": "json"}, "must be application/json"),
    ],
)
def test_what_is_no_item_is_refused(asked, detail) -> None:
    """The detail says what is wrong, also that a body without a length reaches no function."""
    assert detail in refused(INVALID_ITEM, requested_item, request(**asked), MOST)


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"item": "x" * (MOST + 1)}},
        {"body": b"x" * (MOST + 1), "Content_Type": "text/plain"},
        {"body": b"{" * (12 * MOST + 1025), "Content_Type": "application/json"},
    ],
)
def test_what_is_too_long_is_refused(asked) -> None:
    """The limit is named; a huge body is not even parsed."""
    detail = refused(TOO_LONG, requested_item, request(**asked), MOST)
    assert detail == "The item is too long: an item has at most 20 characters."


@given(st.text(min_size=MOST, max_size=MOST), st.booleans())
def test_the_limit_counts_characters(text, escaped) -> None:
    """Whatever they are, and however many bytes they take in the body."""
    body = json.dumps({"item": text + "🎁"[: not text.strip()]}, ensure_ascii=escaped)
    asked = request(body=body.encode(errors="surrogatepass"), Content_Type="application/json")
    if text.strip() and not any("\ud800" <= each <= "\udfff" for each in text):
        assert requested_item(asked, MOST).text == text
    else:
        with pytest.raises(Refusal):
            requested_item(asked, MOST)


@pytest.mark.parametrize("key", ["!", "~" * 128, "c04d1a93-e5b2"])
def test_a_key_is_visible_ascii(key) -> None:
    """Of 1 to 128 characters."""
    assert requested_item(request(params={"item": "x"}, Idempotency_Key=key), MOST).key == key
    assert requested_key(request(params={"itemKey": key})) == key


@pytest.mark.parametrize("key", ["", "a b", " a", "ä", "a\n", "a\x7f", "k" * 129])
def test_any_other_key_is_refused(key) -> None:
    """The detail names where it was."""
    for name, read, asked in (
        (
            "Idempotency-Key",
            lambda asked: requested_item(asked, MOST),
            {"params": {"item": "x"}, "Idempotency_Key": key},
        ),
        ("itemKey", requested_key, {"params": {"itemKey": key}}),
        (
            "itemKey",
            requested_key,
            {"body": json.dumps({"itemKey": key}).encode(), "Content_Type": "application/json"},
        ),
    ):
        detail = refused(INVALID_KEY, read, request(**asked))
        assert detail == f"The {name} must be 1 to 128 visible ASCII characters."


def test_the_key_to_remove_comes_from_query_json_or_form() -> None:
    """The query wins over the body."""
    body = b'{"itemKey": "b"}'
    assert requested_key(request(body=body, Content_Type="application/json")) == "b"
    assert requested_key(request(params={"itemKey": "a"}, body=body)) == "a"
    assert requested_key(request(body=body, Content_Type=FORM)) == "b"
    assert requested_key(request(body=b"itemKey=%62", Content_Type=FORM)) == "b"


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({}, "1 to 128 visible ASCII"),
        ({"body": b"k"}, "not valid JSON"),
        ({"body": b"{}"}, '"itemKey" is a string'),
        ({"body": b"item=x", "Content_Type": FORM}, "The form must have itemKey= once."),
        ({"body": b'{"itemKey": 1}'}, '"itemKey" is a string'),
        ({"body": b"\xff"}, "not in the charset"),
        ({"body": b"{}", "Content_Type": "application/json; charset=hex"}, "charset"),
    ],
)
def test_what_is_no_key_to_remove(asked, detail) -> None:
    """It is told as a key that is none."""
    assert detail in refused(INVALID_KEY, requested_key, request(**asked))


@pytest.mark.parametrize(
    "charset",
    [
        "utf-8",
        "utf8",
        "utf-16",
        "us-ascii",
        "iso-8859-1",
        *(f"windows-{page}" for page in range(1250, 1259)),
    ],
)
def test_charsets_that_are_read(charset) -> None:
    """In any letter case, as Python reads them."""
    asked = request(
        body="Bike".encode(charset), Content_Type=f"text/plain; charset={charset.upper()}"
    )
    assert requested_item(asked, MOST).text == "Bike"


def test_charsets_of_other_names_never_reach_the_codecs(monkeypatch) -> None:
    """Python keeps every name that it was asked for, so callers could fill the memory with names."""
    lookup = Mock(side_effect=codecs.lookup)
    names: list[str] = []
    codecs.register(search := names.append)
    monkeypatch.setattr("codecs.lookup", lookup)
    try:
        for number in range(1000):
            content_type = f"text/plain; charset=made-up-{number}"
            refused(
                INVALID_ITEM, requested_item, request(body=b"x", Content_Type=content_type), MOST
            )
            refused(INVALID_KEY, requested_key, request(body=b"{}", Content_Type=content_type))
    finally:
        codecs.unregister(search)
    assert names == []
    lookup.assert_not_called()


@pytest.mark.parametrize(
    "charset", ["hex", "rot13", "unicode_escape", "idna", "zip", "utf-7", "utf-32"]
)
def test_other_codecs_of_python_are_not_charsets(charset) -> None:
    """Those that unpack or evaluate a body among them."""
    asked = request(body=b"\\x41", Content_Type=f"text/plain; charset={charset}")
    assert "charset" in refused(INVALID_ITEM, requested_item, asked, MOST)


@pytest.mark.parametrize(
    "accept", ["text/plain", "text/plain, application/json;q=0.5", "text/plain;q=0.9, */*;q=0.1"]
)
def test_a_preference_for_plain_text(accept) -> None:
    """For scripts."""
    assert wants_plain_text(request(Accept=accept))


@pytest.mark.parametrize(
    "headers", [{}, *({"Accept": each} for each in ("*/*", "application/json", "nonsense", ""))]
)
def test_json_is_the_default(headers) -> None:
    """Only a preference for plain text gets it."""
    assert not wants_plain_text(request(**headers))
    assert not wants_plain_text(request(Accept="text/html,*/*;q=0.8"))


def test_blank_is_what_python_takes_for_white_space() -> None:
    """Character by character."""
    for character in map(chr, range(sys.maxunicode + 1)):
        assert bool(NOT_BLANK.search(character)) is bool(character.strip())
