"""JSON as the real host leaves it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.replay.json_text import parse, rewritten, whole, written


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


@pytest.mark.parametrize("text", [r'["\ud83c\udf81\ud83c\udf81"]', '["\U0001f381"]', r'"\u00e9"'])
def test_whole_pairs_do_not_change(text) -> None:
    """Nor does what is beside them."""
    assert rewritten(text) is text


PIECES = [
    r"\ud83c",
    r"\udf81",
    r"\uD800",
    r"\uDFFF",
    r"\\",
    "u",
    "ud83c",
    "\ud83c",
    "\udf81",
    "x",
    '","',
]


@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_halves_are_found_wherever_they_stand(pieces) -> None:
    """Beside whole pairs, and beside what only looks like a half."""
    text = '["' + "".join(pieces) + '"]'
    left = whole(json.loads(text))
    assert parse(text) == left
    assert json.loads(rewritten(text)) == left


def test_json_is_written_without_blanks() -> None:
    """Characters as they are, but no halves."""
    assert written({"a": ["é", "\ud800"]}) == '{"a":["é","\ufffd"]}'
