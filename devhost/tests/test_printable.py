import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.printable import (
    LONGEST_TEXT,
    escape_controls,
    printable,
    printable_lines,
    short_id,
)

ID = "8e3b2f1c5d7a4b069f21c3d4e5f60718"
ENCODED = "".join(f"%{ord(digit):02x}" for digit in ID)


def test_a_text_is_printable_ascii() -> None:
    assert printable("Zoë\r\n\t\x1b[2J \u202e\ud800\x85\x7f") == (
        r"Zo\xeb\r\n\t\x1b[2J \u202e\ud800\x85\x7f"
    )


@given(st.text())
def test_any_text_is_one_line_of_ascii(text) -> None:
    assert printable(text).isascii()
    assert printable(text).isprintable()


@pytest.mark.parametrize("text", ["x" * 10**6, "\U0001f381" * 10**6])
def test_a_text_is_bounded(text) -> None:
    assert len(printable(text)) == LONGEST_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "/api/add//{}",
        "/api/open/{}/",
        "{}-delivery",
        "@registrylist@{}",
        "/runtime/webhooks/durabletask/instances/{}?code=x",
        "x{}",
    ],
)
@pytest.mark.parametrize("id", [ID, ID.upper(), f"{ID}0", f"{ID}e3b2"])
def test_an_id_is_shortened_wherever_it_stands(text, id) -> None:
    """Also one with a typo after it."""
    assert printable(text.format(id)) == text.format(id[:8])


@pytest.mark.parametrize(
    "encoded",
    [ENCODED, ENCODED.upper(), ENCODED.replace("%", "%25"), ID[:9] + ENCODED[27:], quote(ID)],
)
def test_an_id_is_shortened_where_it_is_percent_encoded(encoded) -> None:
    """In part, or twice."""
    shown = printable(f"/api/peek/{encoded}/x")
    assert len(shown) < len("/api/peek//x") + 8 * len("%2538") + 1
    assert shown.endswith("/x")


@pytest.mark.parametrize("text", ["/api/add/8e3b2f1c", "x" * 40, "8e3b2f1c-5d7a-4b06-9f21"])
def test_what_is_no_id_stays(text) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("piece", ["a", "%2", "%25", "%61", "%252561", "ag", f"{ID}g", "\x1b"])
def test_it_takes_time_in_proportion_to_the_length(piece) -> None:
    """Four times the text takes four times as long: sixteen times would be a square."""
    short, long = (_seconds((piece * length)[:length]) for length in (8_000, 32_000))
    assert long < 8 * short


def _seconds(text: str) -> float:
    times = []
    for _ in range(5):
        began = time.thread_time()
        printable(text)
        times.append(time.thread_time() - began)
    return min(times)


def test_lines_stay_lines() -> None:
    """Each is bounded, and so is their number."""
    assert printable_lines(f"Traceback:\n\tFile {ID}\nValueError: \x1b[2J") == (
        "Traceback:\n    File 8e3b2f1c\nValueError: \\x1b[2J"
    )
    lines = printable_lines("\n".join(map(str, range(10**5)))).split("\n")
    assert lines[98:103] == ["98", "99", "...", "99900", "99901"]
    assert len(printable_lines("x" * 10**6)) == 1000


def test_control_characters_are_escaped_in_what_the_app_says() -> None:
    """All else stays as it is, line breaks and tabs too."""
    text = f"Zoë 🎁 {ID}\n\tat home"
    assert escape_controls(text) == text
    assert escape_controls(f"{text}\r\x1b[2J\x07\ud800\u202e") == (
        f"{text}\\r\\x1b[2J\\x07\\ud800\\u202e"
    )


def test_a_short_id_has_eight_characters_of_the_id_or_key() -> None:
    assert short_id(f"{ID}-delivery") == "8e3b2f1c"
    assert short_id(f"@registrylist@{ID}") == "@registrylist@8e3b2f1c"
    assert short_id("a\nb") == r"a\nb"
