"""The body of a request: JSON, a form or plain text, in one of a few charsets."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from azure.functions import HttpRequest
from werkzeug.http import parse_options_header

from registry.domain.problems import ProblemError, ProblemType
from registry.web.headers import MAX_LENGTH, is_too_long

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain"

CHARSETS = re.compile(
    "utf-?8|utf-16|us-ascii|iso-8859-1|windows-125[0-8]", re.IGNORECASE | re.ASCII
)
"""What a Content-Type may name.

Python remembers every unknown name that it is asked for, for ever.
"""


class Members(NamedTuple):
    """What a body says, by name."""

    values: Mapping[str, Any]
    missing: str
    """What is wrong where a member is missing or no string, with a placeholder for its name."""


def read(request: HttpRequest, problem: ProblemType, text_member: str | None) -> Members:
    """Read the body. Raises a ProblemError of this type.

    Plain text is the value of `text_member`. Where there is none, any type but a form is JSON.
    """
    if is_too_long(request, "Content-Type"):
        raise ProblemError(problem, f"The Content-Type has more than {MAX_LENGTH} characters.")

    media_type, options = parse_options_header(request.headers.get("Content-Type"))
    media_type = media_type.lower()
    if text_member is not None and media_type not in (JSON, FORM, TEXT):
        raise ProblemError(
            problem, f"The Content-Type of the body must be {JSON}, {TEXT} or {FORM}."
        )

    text = _decode(request.get_body(), options.get("charset", "utf-8"), problem)
    if text_member is not None and media_type == TEXT:
        return Members({text_member: text}, "")

    # `curl -d` calls JSON a form too.
    if media_type == FORM and not text.lstrip().startswith("{"):
        return _read_form(text, problem)
    return _read_json(text, problem)


def _decode(body: bytes, charset: str, problem: ProblemType) -> str:
    if not CHARSETS.fullmatch(charset):
        raise ProblemError(
            problem,
            "The charset of the body must be utf-8, utf-16, us-ascii, iso-8859-1 or windows-125x.",
        )

    try:
        return str(body, charset)
    except UnicodeDecodeError as error:
        raise ProblemError(
            problem, "The body is not in the charset of its Content-Type (UTF-8 if it names none)."
        ) from error


def _read_form(text: str, problem: ProblemType) -> Members:
    """The members that are in a form once."""
    try:
        values = parse_qs(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise ProblemError(problem, "The form is not in UTF-8.") from error

    once = {name: each[0] for name, each in values.items() if len(each) == 1}
    return Members(once, "The form must have {name}= once.")


def _read_json(text: str, problem: ProblemType) -> Members:
    """The members of an object; none where it is no object."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(problem, "The body is not valid JSON.") from error

    values = document if isinstance(document, dict) else {}
    return Members(values, 'The body must be a JSON object whose "{name}" is a string.')
