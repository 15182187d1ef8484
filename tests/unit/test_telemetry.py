from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from registry.telemetry import (
    log_at_start,
    log_invalid,
    printable,
    record,
    short_id,
    summarize,
    trace_in,
    trace_of,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class TestTrace:
    @pytest.mark.parametrize(
        ("value", "trace"),
        [
            (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
            (TRACE, TRACE),
            (f'"{TRACE}"', TRACE),
            ({"trace": TRACE}, TRACE),
            (None, ""),
            ({"any": "thing"}, ""),
            ("f" * 33, ""),
            (TRACE.upper(), ""),
            ("event=opened\n", ""),
        ],
    )
    def test_a_trace_is_found_wherever_it_is(self, value, trace) -> None:
        """It is 32 hex digits; nothing else gets into a line."""
        assert trace_in(value) == trace

    @given(st.text(st.sampled_from("0123456789abcdefF- \n=é🎁"), max_size=60))
    def test_a_trace_from_outside_is_hex_digits_or_nothing(self, text) -> None:
        """A caller writes neither a line nor a word of its own into the log."""
        found = trace_of(SimpleNamespace(trace_context=SimpleNamespace(trace_parent=text)))
        assert not found or (len(found) == 32 and set(found) <= set("0123456789abcdef"))

    def test_a_host_may_have_no_traces(self) -> None:
        """Then there is none."""
        assert trace_of(SimpleNamespace(trace_context=None)) == ""


class TestRecord:
    def test_a_line_has_names_and_values(self, caplog) -> None:
        """And 8 digits of the id."""
        caplog.set_level("INFO")
        record("added", "0123456789abcdef" * 2, items=3)
        record("closed", "0123456789abcdef" * 2, TRACE, by="user")
        assert caplog.messages == [
            "event=added registry=01234567 items=3 trace=-",
            f"event=closed registry=01234567 by=user trace={TRACE}",
        ]


class Part(BaseModel):
    number: int
    counts: dict[str, int] = {}


class Whole(BaseModel):
    part: Part
    texts: list[str] = []


class TestLogInvalid:
    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            ("Bike", "value: model_type"),
            ({}, "part: missing"),
            ({"part": {"number": "Bike"}}, "part.number: int_parsing"),
            ({"part": {"number": 1}, "texts": ["a", 5]}, "texts.1: string_type"),
            ({"part": {"counts": 5}}, "part.number: missing; part.counts: dict_type"),
        ],
    )
    def test_the_reason_says_where_and_why(self, document, reason, caplog) -> None:
        """But has no value."""
        with pytest.raises(ValidationError) as error:
            Whole.model_validate(document)
        log_invalid("The letter", error.value)
        assert caplog.messages == [f"The letter is invalid: {reason}"]
        assert "Bike" not in caplog.text

    def test_a_key_that_is_wrong_itself_is_not_shown(self, caplog) -> None:
        """It may be any text."""

        class Counts(BaseModel):
            counts: dict[int, int]

        with pytest.raises(ValidationError) as error:
            Counts.model_validate({"counts": {"Bike": 1}})
        log_invalid("The letter", error.value)
        assert caplog.messages == ["The letter is invalid: counts: int_parsing"]

    def test_other_errors_are_named(self, caplog) -> None:
        """Their message may have a value."""
        log_invalid("The letter", ValueError("Bike"))
        assert caplog.messages == ["The letter is invalid: ValueError"]


@pytest.mark.parametrize(("id", "shown"), [("a" * 32, "a" * 8), ("x\ny", r"x\ny"), ("", "")])
def test_an_id_is_shown_in_part(id, shown) -> None:
    """Junk in its place forges no line."""
    assert short_id(id) == shown


def test_a_run_of_maintenance_is_one_line_or_none(caplog) -> None:
    """None where it did nothing that counts."""
    caplog.set_level("INFO")
    summarize("purged", {"kept": 3}, ("registries", "skipped"))
    assert caplog.messages == []
    summarize("purged", {"kept": 3, "skipped": 1}, ("registries", "skipped"))
    assert caplog.messages == ["event=purged registries=0 skipped=1"]


def test_lines_at_the_start_go_to_stderr_with_their_level(capsys) -> None:
    """The host takes them from there."""
    log_at_start("warning", "one\ntwo")
    log_at_start("error", "")
    assert capsys.readouterr().err == "warning: one\nwarning: two\n"


class TestTextsFromOutside:
    @given(id=st.text(), value=st.text(), trace=st.text())
    def test_a_record_is_one_line_with_the_values_it_was_given(self, id, value, trace) -> None:
        """Nobody adds a line, or another value."""
        with capture() as messages:
            record("added", id, trace, outcome=value)
        (line,) = messages
        assert line.isascii()
        assert line.isprintable()
        names = [word.partition("=")[0] for word in line.split(" ")]
        assert names == ["event", "registry", "outcome", "trace"]

    def test_a_text_is_shown_in_printable_ascii(self) -> None:
        assert printable("Zoë\r\n\x1b[2J \u202e🎁\ud800\x85") == (
            r"Zo\xeb\r\n\x1b[2J \u202e\U0001f381\ud800\x85"
        )

    @pytest.mark.parametrize("text", ["x" * 10**6, "\U0001f381" * 10**6])
    def test_a_text_is_bounded(self, text) -> None:
        assert len(printable(text)) == 200

    @pytest.mark.parametrize("text", ["{}", "{}-delivery", "@registrylist@{}", "a.{}.due"])
    @pytest.mark.parametrize("id", [TRACE, TRACE.upper(), f"{TRACE}0"])
    def test_an_id_is_shortened_wherever_it_is(self, text, id) -> None:
        """So is one with a typo."""
        assert printable(text.format(id)) == text.format(id[:8])

    def test_what_is_invalid_is_one_line(self, caplog) -> None:
        """Its name and its members may come from outside."""

        class Counts(BaseModel):
            counts: dict[str, int]

        with pytest.raises(ValidationError) as error:
            Counts.model_validate({"counts": {f"{TRACE}\n[2026]": "x"}})
        log_invalid(f"registry {TRACE}\n\x1b", error.value)
        assert caplog.messages == [
            r"registry 4bf92f35\n\x1b is invalid: counts.4bf92f35\n[2026]: int_parsing"
        ]

    def test_names_of_settings_are_one_line_each(self, capsys) -> None:
        log_at_start("warning", "REGISTRY_\x1b[2J")
        assert capsys.readouterr().err == "warning: REGISTRY_\\x1b[2J\n"


@contextmanager
def capture() -> Iterator[list[str]]:
    """The messages that are logged in the block; caplog is no help within hypothesis."""
    with patch("registry.telemetry.log") as log:
        messages: list[str] = []
        log.info = lambda text, *values: messages.append(text % values if values else text)
        yield messages
