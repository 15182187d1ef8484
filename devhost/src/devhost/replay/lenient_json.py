"""JSON of clients and functions, read as leniently as Newtonsoft.Json reads it.

That takes comments, single quotes, names without quotes, and trailing commas. Errors have the texts
of Newtonsoft.Json.
"""

import json
import re
from typing import Any

from devhost.replay.json_text import parse

BLANK = re.compile(r"(?:\s|/\*.*?\*/|//[^\n\r]*)*", re.DOTALL)
NAME = re.compile(r"[\w$]*")
NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
WORDS = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": None,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
}
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
DEEPEST = 64


class InvalidJson(Exception):
    """A text is not JSON, even for Newtonsoft.Json. The message says why and where."""


def read(text: str) -> str:
    """Read a text, and write it as strict JSON. Raises InvalidJson."""
    try:
        parse(text)
    except (ValueError, RecursionError):
        return json.dumps(_Reader(text).read())
    return text


class _Reader:
    """A cursor in a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Any:
        self._skip()
        if not self._next:
            raise self._error("Error reading JToken from JsonReader.")
        value = self._value("", 0)
        self._skip()
        if self._next:
            raise self._error(
                f"Additional text encountered after finished reading JSON content: {self._next}."
            )
        return value

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self) -> None:
        self._take(BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _value(self, path: str, depth: int) -> Any:
        if depth > DEEPEST:
            raise self._error(f"The reader's MaxDepth of {DEEPEST} has been exceeded.", path)
        match self._next:
            case "{":
                return self._object(path, depth)
            case "[":
                return self._array(path, depth)
            case "'" | '"':
                return self._string(path)
            case "":
                raise self._error("Unexpected end when reading JSON.", path)
        return self._literal(path)

    def _literal(self, path: str) -> Any:
        for word, value in WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        if number := self._take(NUMBER):
            return _number(number)
        raise self._error(
            f"Unexpected character encountered while parsing value: {self._next}.", path
        )

    def _string(self, path: str) -> str:
        quote, found = self._next, []
        self._at += 1
        while (character := self._next) != quote:
            self._at += 1
            if not character:
                self._at -= 1
                raise self._error(f"Unterminated string. Expected delimiter: {quote}.", path)
            found.append(self._escape(path) if character == "\\" else character)
        self._at += 1
        # The halves of a surrogate pair were escaped one by one.
        return "".join(found).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _escape(self, path: str) -> str:
        character = self._next
        self._at += 1
        if character == "u":
            digits = self._text[self._at : self._at + 4]
            if not re.fullmatch("[0-9a-fA-F]{4}", digits):
                raise self._error(f"Invalid Unicode escape sequence: \\u{digits}.", path)
            self._at += 4
            return chr(int(digits, 16))
        if character not in {*ESCAPES, *"\\/'\""}:
            raise self._error(f"Bad JSON escape sequence: \\{character}.", path)
        return ESCAPES.get(character, character)

    def _array(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        self._at += 1
        self._skip()
        while self._next != "]":
            at = f"{path}[{len(found)}]"
            found.append(None if self._next == "," else self._value(at, depth + 1))
            self._separate("]", at)
        self._at += 1
        return found

    def _object(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._at += 1
        self._skip()
        while self._next != "}":
            name = self._name(path)
            at = f"{path}.{name}" if path else name
            self._skip()
            if self._next != ":":
                got = f"Expected ':' but got: {self._next}."
                raise self._error(f"Invalid character after parsing property name. {got}", path)
            self._at += 1
            self._skip()
            found[name] = self._value(at, depth + 1)
            self._separate("}", at)
        self._at += 1
        return found

    def _name(self, path: str) -> str:
        if self._next and self._next in "'\"":
            return self._string(path)
        name = self._take(NAME)
        if not self._next:
            raise self._error("Unexpected end while parsing unquoted property name.", path)
        if not name:
            raise self._error(f"Invalid property identifier character: {self._next}.", path)
        return name

    def _separate(self, end: str, path: str) -> None:
        """Skip a comma, or stop before the end."""
        self._skip()
        if self._next == ",":
            self._at += 1
            self._skip()
        elif not self._next:
            raise self._error("Unexpected end when reading JSON.", path)
        elif self._next != end:
            raise self._error(
                f"After parsing a value an unexpected character was encountered: {self._next}.",
                path,
            )

    def _error(self, why: str, path: str = "") -> InvalidJson:
        before = self._text[: self._at]
        line = before.count("\n") + 1 if before else 0
        position = len(before) - before.rfind("\n") - 1
        return InvalidJson(f"{why} Path '{path}', line {line}, position {position}.")


def _number(text: str) -> Any:
    """The value of a number, also of one that JSON does not have: hexadecimal, `+1`, `.5`, `1.`"""
    if "x" in text.lower():
        return int(text, 16)
    try:
        return json.loads(text.lstrip("+"))
    except ValueError:
        return float(text)
