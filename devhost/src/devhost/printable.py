"""Texts from outside, as the log and the terminal show them.

Nobody who sends a request, names an instance or raises an error forges a line, or sends a control
character to the terminal. Ids of 32 hex digits are capabilities in many apps, so only their first
eight digits are shown.
"""

import re
import traceback

LONGEST_TEXT = 200
"""Characters of a text on one line."""
LONGEST_LINE = 1000
MOST_LINES = 200
"""Of a text that has lines, such as a traceback."""
DIGIT = "(?:[0-9A-Fa-f]|%(?:25)*(?:3[0-9]|[46][1-6]))"
"""A hex digit, percent-encoded or not."""
ID = re.compile(f"({DIGIT}{{8}}){DIGIT}{{24,}}")
"""Also with more digits: an id with a typo."""


def printable(text: str, max_length: int = LONGEST_TEXT) -> str:
    """A text in printable ASCII on one line, bounded, with ids shortened."""
    shortened = shorten_ids(text)[:max_length]
    escaped = "".join(each if " " <= each <= "~" else _escape(each) for each in shortened)
    return escaped[:max_length]


def printable_lines(text: str) -> str:
    """A text such as a traceback: each line as `printable` has it, and a bounded number of them."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES // 2 : -MOST_LINES // 2] = ["..."]
    return "\n".join(printable(line.replace("\t", "    "), LONGEST_LINE) for line in lines)


def printable_traceback(error: BaseException) -> str:
    """An error with its whole traceback."""
    return printable_lines("".join(traceback.format_exception(error)).rstrip())


def escape_controls(text: str) -> str:
    """A text as it is, but for control characters: only tabs and line breaks stay as they are."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\t\n" else _escape(each) for each in text)


def shorten_ids(text: str) -> str:
    """A text in which ids are cut to their first eight digits."""
    return ID.sub(r"\1", text)


def short_id(id: str) -> str:
    """The id of an instance or entity for the log: the first eight characters of its id or key."""
    name, separator, key = id.rpartition("@")
    return printable(f"{name}{separator}{key[:8]}")


def _escape(character: str) -> str:
    return ascii(character)[1:-1]
