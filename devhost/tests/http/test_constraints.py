import re

import pytest

from devhost.http.routing.constraints import make_check


@pytest.mark.parametrize(
    ("constraint", "arguments", "good", "bad"),
    [
        (
            "int",
            None,
            ["+5", " 5", "-5", "007", "-2147483648"],
            ["2147483648", "9" * 8000, "1,000", "1.0", "\u0663", "", "x"],
        ),
        ("long", None, ["9223372036854775807", "0" * 8000], ["9223372036854775808"]),
        ("bool", None, ["TRUE", "false"], ["1", "yes"]),
        ("alpha", None, ["abC"], ["ab1", "é"]),
        (
            "guid",
            None,
            [
                "12345678-1234-1234-1234-1234567890AB",
                "1" * 32,
                "{12345678-1234-1234-1234-1234567890ab}",
                "(12345678-1234-1234-1234-1234567890ab)",
            ],
            ["12345678", "(12345678-1234-1234-1234-1234567890ab}"],
        ),
        ("float", None, ["1", "-1.5", ".5", "1e3", "1,000.5"], ["x", "", "1e"]),
        ("double", None, ["1.5E-3"], ["1.5.2"]),
        ("decimal", None, ["1.5", "+1,000"], ["1e3", "x"]),
        (
            "datetime",
            None,
            ["2026-11-26", "2026-11-26T10:00:00Z", "12/24/2026", "10:00"],
            ["24/12/2026", "x"],
        ),
        ("required", None, ["a"], [""]),
        ("file", None, ["a.txt", "b/a.txt", ".x"], ["a", "a.b/c", "a."]),
        ("nonfile", None, ["a", "a.b/c"], ["a.txt"]),
        ("min", "5", ["5"], ["4", "x"]),
        ("max", "5", ["5", "-7"], ["6"]),
        ("range", "1,3", ["1", "3"], ["0", "4"]),
        ("length", "2", ["ab"], ["a", "abc"]),
        ("length", "2,3", ["ab", "abc"], ["a", "abcd"]),
        ("minlength", "2", ["ab"], ["a"]),
        ("maxlength", "2", ["ab", ""], ["abc"]),
        ("regex", "^a,b+$", ["A,BB"], ["a"]),
    ],
)
def test_a_constraint_takes_what_it_takes_in_azure(constraint, arguments, good, bad) -> None:
    """By the rules of .NET, in the invariant culture."""
    check = make_check(constraint, arguments)
    assert [value for value in good if not check(value)] == []
    assert [value for value in bad if check(value)] == []


@pytest.mark.parametrize(
    ("constraint", "arguments", "reason"),
    [
        ("nosuch", None, "there is no constraint 'nosuch'"),
        ("int", "5", "there is no constraint 'int' with arguments"),
        ("min", None, "there is no constraint 'min'"),
        ("range", "1", "the constraint 'range' does not take (1)"),
        ("min", "x", "invalid literal for int() with base 10: 'x'"),
        (
            "regex",
            "(",
            "'(' is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
    ],
)
def test_an_unknown_constraint_is_refused_with_the_reason(constraint, arguments, reason) -> None:
    """The real host would not start with it."""
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        make_check(constraint, arguments)
