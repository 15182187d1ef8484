"""Wrapping: a faulty part has all methods of what it wraps, and changes some of them."""

from typing import Any


class Wrapper:
    """Forwards what it does not change to what it wraps."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)
