"""JSON as Newtonsoft.Json reads it; the conformance cases have more of it."""

import json

import pytest

from devhost.replay.lenient_json import InvalidJson, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a':1}", {"a": 1}),
        ("{a: 'b', $c: [1,],}", {"a": "b", "$c": [1]}),
        ("1/*x*/", 1),
        ("// line\n[1, /* more */ 2]", [1, 2]),
        ("[,1]", [None, 1]),
        ("[NaN, -Infinity, undefined, true, null]", ["NaN", "-Infinity", None, True, None]),
        ("[0x1F, .5, 1., +2, -3e2]", [31, 0.5, 1.0, 2, -300.0]),
        (r"'it\'s \u00e9 \ud83d\ude00 \n'", "it's é 😀 \n"),
        (r"'\ud800'", "\ufffd"),
        ("{'': {}}", {"": {}}),
    ],
)
def test_what_newtonsoft_takes_is_read(text, value) -> None:
    assert json.loads(read(text)) == value


@pytest.mark.parametrize(
    "text", ['{"a": 1.0}', "NaN", '"\\ud800"', "18446744073709551616", '{"a":1,"a":2}']
)
def test_strict_json_is_returned_unchanged(text) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Error reading JToken from JsonReader. Path '', line 0, position 0."),
        (
            "{bad",
            "Unexpected end while parsing unquoted property name. Path '', line 1, position 4.",
        ),
        (
            "1 2",
            "Additional text encountered after finished reading JSON content: 2. "
            "Path '', line 1, position 2.",
        ),
        (
            "hello",
            "Unexpected character encountered while parsing value: h. Path '', line 0, position 0.",
        ),
        ('{"a":', "Unexpected end when reading JSON. Path 'a', line 1, position 5."),
        (
            '{"a" 1}',
            "Invalid character after parsing property name. Expected ':' but got: 1."
            + " Path '', line 1, position 5.",
        ),
        (
            '{"a":\n[1 2]}',
            "After parsing a value an unexpected character was encountered: 2. "
            "Path 'a[0]', line 2, position 3.",
        ),
        (
            "{'a':{'b':?}}",
            "Unexpected character encountered while parsing value: ?. "
            "Path 'a.b', line 1, position 10.",
        ),
        ("{-", "Invalid property identifier character: -. Path '', line 1, position 1."),
        ('"abc', "Unterminated string. Expected delimiter: \". Path '', line 1, position 4."),
        (r"'\x'", r"Bad JSON escape sequence: \x. Path '', line 1, position 3."),
        (r"'\u12'", r"Invalid Unicode escape sequence: \u12'. Path '', line 1, position 3."),
        ("[1", "Unexpected end when reading JSON. Path '[0]', line 1, position 2."),
    ],
)
def test_what_newtonsoft_refuses_is_refused_in_its_words(text, why) -> None:
    """With the path, the line and the position."""
    with pytest.raises(InvalidJson) as refused:
        read(text)
    assert str(refused.value) == why


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    """Also if Python's own reader gives up."""
    with pytest.raises(InvalidJson, match="MaxDepth of 64 has been exceeded"):
        read("[" * 100_000)
