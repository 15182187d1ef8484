from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.telemetry import record, trace_in, trace_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


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
def test_a_trace_is_found_wherever_it_is(value, trace) -> None:
    """Nothing but 32 hex digits gets into a line."""
    assert trace_in(value) == trace


@given(st.text())
def test_a_trace_from_outside_is_hex_digits_or_nothing(text) -> None:
    """A caller writes neither a line nor a word of its own into the log."""
    found = trace_of(SimpleNamespace(trace_context=SimpleNamespace(trace_parent=text)))
    assert not found or (len(found) == 32 and set(found) <= set("0123456789abcdef"))


def test_a_host_without_traces() -> None:
    """Then there is none."""
    assert trace_of(SimpleNamespace(trace_context=None)) == ""


def test_a_line_has_names_and_values(caplog) -> None:
    """And 8 digits of the id."""
    caplog.set_level("INFO")
    record("added", "0123456789abcdef" * 2, items=3)
    record("closed", "0123456789abcdef" * 2, TRACE, by="user")
    assert caplog.messages == [
        "event=added registry=01234567 items=3 trace=-",
        f"event=closed registry=01234567 by=user trace={TRACE}",
    ]
