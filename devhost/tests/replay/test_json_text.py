"""JSON as the real host leaves it."""

import json

import pytest

from devhost.replay.json_text import parse, rewritten, written


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[NaN, Infinity, -Infinity]", ["NaN", "Infinity", "-Infinity"]),
        (r'"a\ud800b"', "a\ufffdb"),
        (r'["\udc00", {"\ud800": 1}]', ["\ufffd", {"\ufffd": 1}]),
        (r'"\ud83c\udf81"', "\U0001f381"),
        (r'"\\ud800"', r"\ud800"),
        ('"\\u0000\\uffff"', "\u0000\uffff"),
        ("1180591620717411303424", 1180591620717411303424),
        ("1.0", 1.0),
        ('"NaN"', "NaN"),
    ],
)
def test_what_is_left_of_json(text, left) -> None:
    """NaN becomes text, half of a surrogate pair U+FFFD, and the rest stays what it was."""
    assert parse(text) == left
    assert json.loads(rewritten(text)) == left


def test_json_that_does_not_change_is_the_same_text() -> None:
    """So that it costs nothing."""
    text = '{"a":  [1]}'
    assert rewritten(text) is text


def test_json_is_written_without_blanks() -> None:
    """Characters as they are, but no halves."""
    assert written({"a": ["é", "\ud800"]}) == '{"a":["é","\ufffd"]}'
