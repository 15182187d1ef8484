import codecs
import json
import sys
from unittest.mock import Mock

import pytest
from azure.functions import HttpRequest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from registry.domain.problems import (
    INVALID_ITEM,
    INVALID_KEY,
    ITEM_TOO_LONG,
    UNKNOWN_REGISTRY,
    ProblemError,
    ProblemType,
)
from registry.settings import Settings
from registry.web.bodies import FORM
from registry.web.fields import ItemText
from registry.web.requests import (
    AddRequest,
    RegistryRequest,
    RemoveRequest,
    Request,
    read,
    wants_plain_text,
)

ID = "0123456789abcdef0123456789abcdef"
MAX_LENGTH = 20
SETTINGS = Settings(max_item_length=MAX_LENGTH)
JSON = "application/json"


def request(
    *, id: str = ID, body: bytes = b"", params: dict[str, str] | None = None, **headers: str
) -> HttpRequest:
    """A request. Header names are given with _ for -."""
    return HttpRequest(
        "POST",
        f"https://gifts.example/api/add/{id}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        params=params or {},
        route_params={"id": id},
        body=body,
    )


def refused(type: ProblemType, model: type[Request], asked: HttpRequest) -> str:
    """The detail of the problem that a request is."""
    with pytest.raises(ProblemError) as error:
        read(asked, model, SETTINGS)
    assert error.value.type is type
    return error.value.detail


def added(asked: HttpRequest) -> AddRequest:
    return read(asked, AddRequest, SETTINGS)


def removed(asked: HttpRequest) -> str:
    return read(asked, RemoveRequest, SETTINGS).item_key


def test_an_id_is_32_lower_case_hex_digits() -> None:
    assert read(request(), RegistryRequest, SETTINGS).id == ID


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
def test_any_other_id_is_unknown(id) -> None:
    """The SDK puts ids into URLs of the management API as they are."""
    asked = request(id=id, params={"item": "x", "itemKey": "k"})
    for model in (RegistryRequest, AddRequest, RemoveRequest):
        assert "32 lower-case hex digits" in refused(UNKNOWN_REGISTRY, model, asked)


@pytest.mark.parametrize("body", [b"\xff", b"[" * 5000, b"x" * 100_000])
def test_without_its_registry_a_body_does_not_matter(body) -> None:
    """It is not even decoded."""
    with pytest.raises(ProblemError) as refused:
        read(request(id="no-id", body=body, Content_Type="application/json"), AddRequest, SETTINGS)
    assert refused.value.type is UNKNOWN_REGISTRY


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"item": "Zork 🎁"}},
        {"body": '{"item": "Zork 🎁"}'.encode(), "Content_Type": JSON},
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
        {"params": {"item": "Zork 🎁"}, "body": b'{"item": "other"}', "Content_Type": JSON},
        {"body": '{"item": "Zork 🎁", "id": "x", "new": 1}'.encode(), "Content_Type": JSON},
    ],
)
def test_the_item_comes_from_query_json_form_or_text(asked) -> None:
    """The query wins over the body, and a body says nothing but its own members."""
    read = added(request(**asked, Idempotency_Key="key-1"))
    assert (read.id, read.item, read.idempotency_key) == (ID, "Zork 🎁", "key-1")


def test_a_key_is_made_at_random_where_there_is_none() -> None:
    body = b'{"item": "x", "Idempotency-Key": "k", "idempotency_key": "k"}'
    keys = {added(request(body=body, Content_Type=JSON)).idempotency_key for _ in range(10)}
    assert len(keys) == 10
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        (
            {},
            "The item is missing: there is neither ?item= nor a body with a Content-Length; "
            "one in chunks is lost.",
        ),
        ({"params": {"item": " \t\n"}}, "The item is blank."),
        ({"params": {"item": ""}}, "The item is blank."),
        ({"params": {"item": "\ud800"}}, "surrogate"),
        ({"body": b'{"item": "\\ud800"}', "Content_Type": JSON}, "surrogate"),
        ({"body": b'{"item": 1}', "Content_Type": JSON}, '"item" is a string'),
        ({"body": b'{"item": null}', "Content_Type": JSON}, '"item" is a string'),
        ({"body": b"[]", "Content_Type": JSON}, '"item" is a string'),
        ({"body": b"{}", "Content_Type": JSON}, '"item" is a string'),
        ({"body": b'{"item": "x"', "Content_Type": JSON}, "not valid JSON"),
        ({"body": b"[" * 1200, "Content_Type": JSON}, "not valid JSON"),
        ({"body": b"1" * 1200, "Content_Type": JSON}, '"item" is a string'),
        ({"body": b"\xff", "Content_Type": "text/plain"}, "UTF-8"),
        ({"body": b"\xff", "Content_Type": JSON}, "UTF-8"),
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
def test_what_is_no_item_is_refused_with_what_is_wrong(asked, detail) -> None:
    assert detail in refused(INVALID_ITEM, AddRequest, request(**asked))


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"item": "x" * (MAX_LENGTH + 1)}},
        {"body": b"x" * (MAX_LENGTH + 1), "Content_Type": "text/plain"},
        {"body": b"{" * (24 * MAX_LENGTH + 1025), "Content_Type": JSON},
    ],
)
def test_an_item_that_is_too_long_is_refused_with_the_limit(asked) -> None:
    """A huge body is not even decoded."""
    detail = refused(ITEM_TOO_LONG, AddRequest, request(**asked))
    assert detail == "The item is too long: an item has at most 20 characters."


@given(
    st.text(st.sampled_from('a \n"\\\0é\u2028\ud800🎁'), min_size=MAX_LENGTH, max_size=MAX_LENGTH),
    st.booleans(),
)
def test_the_limit_counts_characters(text, escaped) -> None:
    """Whatever they are, and however many bytes they take in the body."""
    body = json.dumps({"item": text + "🎁"[: not text.strip()]}, ensure_ascii=escaped)
    asked = request(body=body.encode(errors="surrogatepass"), Content_Type=JSON)
    if text.strip() and not any("\ud800" <= each <= "\udfff" for each in text):
        assert added(asked).item == text
    else:
        with pytest.raises(ProblemError):
            added(asked)


@pytest.mark.parametrize("key", ["!", "~" * 128, "c04d1a93-e5b2"])
def test_a_key_is_1_to_128_visible_ascii_characters(key) -> None:
    asked = request(params={"item": "x"}, Idempotency_Key=key)
    assert added(asked).idempotency_key == key
    assert removed(request(params={"itemKey": key})) == key


@pytest.mark.parametrize("key", ["", "a b", " a", "ä", "a\n", "a\x7f", "k" * 129])
def test_any_other_key_is_refused_with_the_name_of_its_member(key) -> None:
    in_json = json.dumps({"itemKey": key}).encode()
    for name, model, asked in (
        ("Idempotency-Key", AddRequest, {"params": {"item": "x"}, "Idempotency_Key": key}),
        ("itemKey", RemoveRequest, {"params": {"itemKey": key}}),
        ("itemKey", RemoveRequest, {"body": in_json, "Content_Type": JSON}),
    ):
        detail = refused(INVALID_KEY, model, request(**asked))
        assert detail == f"The {name} must be 1 to 128 visible ASCII characters."


def test_the_key_to_remove_comes_from_query_json_or_form() -> None:
    """The query wins over the body."""
    body = b'{"itemKey": "b"}'
    assert removed(request(body=body, Content_Type=JSON)) == "b"
    assert removed(request(params={"itemKey": "a"}, body=body)) == "a"
    assert removed(request(body=body, Content_Type=FORM)) == "b"
    assert removed(request(body=body)) == "b"
    assert removed(request(body=b"itemKey=%62", Content_Type=FORM)) == "b"


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
def test_what_is_no_key_is_refused_with_what_is_wrong(asked, detail) -> None:
    assert detail in refused(INVALID_KEY, RemoveRequest, request(**asked))


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
def test_charsets_are_read_in_any_letter_case(charset) -> None:
    content_type = f"text/plain; charset={charset.upper()}"
    asked = request(body="Bike".encode(charset), Content_Type=content_type)
    assert added(asked).item == "Bike"


def test_other_charsets_never_reach_the_codecs(monkeypatch) -> None:
    """Python keeps every name that it was asked for: callers could fill the memory."""
    lookup = Mock(side_effect=codecs.lookup)
    names: list[str] = []
    codecs.register(search := names.append)
    monkeypatch.setattr("codecs.lookup", lookup)
    try:
        for number in range(1000):
            content_type = f"text/plain; charset=made-up-{number}"
            asked = request(body=b"{}", Content_Type=content_type)
            refused(INVALID_ITEM, AddRequest, asked)
            refused(INVALID_KEY, RemoveRequest, asked)
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
    assert "charset" in refused(INVALID_ITEM, AddRequest, asked)


@pytest.mark.parametrize(
    "accept", ["text/plain", "text/plain, application/json;q=0.5", "text/plain;q=0.9, */*;q=0.1"]
)
def test_plain_text_for_those_who_prefer_it(accept) -> None:
    assert wants_plain_text(request(Accept=accept))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *(
            {"Accept": each}
            for each in ("*/*", "application/json", "nonsense", "", "text/html,*/*;q=0.8")
        ),
    ],
)
def test_json_for_everybody_else(headers) -> None:
    assert not wants_plain_text(request(**headers))


def test_blank_is_what_python_takes_for_white_space() -> None:
    """Character by character."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    items = TypeAdapter(list[ItemText])
    items.validate_python([each for each in characters if each.strip()], context=SETTINGS)

    blank = [each for each in characters if not each.strip()]
    with pytest.raises(ValidationError) as error:
        items.validate_python(blank, context=SETTINGS)
    assert error.value.error_count() == len(blank)
