"""Headers of requests, bounded before they are parsed: some parsers take quadratic time."""

from azure.functions import HttpRequest

MAX_LENGTH = 1024
"""Characters of a header that the app parses."""


def is_too_long(request: HttpRequest, name: str) -> bool:
    """Whether a header is too long to be parsed."""
    return len(request.headers.get(name, "")) > MAX_LENGTH


def preference(request: HttpRequest, name: str) -> str:
    """A header that the server may ignore; empty where it is absent or too long."""
    return "" if is_too_long(request, name) else request.headers.get(name, "")
