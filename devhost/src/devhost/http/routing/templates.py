"""Route templates of ASP.NET: literals, and parameters with defaults and constraints."""

import re
from dataclasses import dataclass
from itertools import pairwise

from devhost.http.routing.constraints import Check, make_check

TOKEN = re.compile(
    r"(?P<slash>/)"
    r"|\{(?!\{)(?P<parameter>(?:[^{}]|\{\{|\}\})+)\}(?!\})"
    r"|(?P<literal>(?:[^{}/?]|\{\{|\}\})+)"
)
NAME = re.compile(r"(?P<stars>\*{0,2})(?P<name>[^*{}/?:=]+)")
CONSTRAINT = re.compile(r":(?P<name>[^:=?(]+)(?:\((?P<arguments>.*?)\)(?=[:=?]|$))?", re.DOTALL)

MISPLACED_OPTIONAL = "in a segment with others, an optional parameter comes last and after a period"


class TemplateError(ValueError):
    """A template is malformed; the real host does not start with it."""


@dataclass(frozen=True)
class Parameter:
    """A named part of the path."""

    name: str
    checks: tuple[Check, ...]
    is_catch_all: bool
    is_optional: bool
    default: str | None

    @property
    def may_be_absent(self) -> bool:
        return self.is_optional or self.is_catch_all or self.default is not None


Segment = list[Parameter | str]
"""The parts between two slashes; text is literal."""


class Template:
    """A template that paths are matched with."""

    def __init__(self, text: str) -> None:
        """Raises TemplateError."""
        if text.startswith(("/", "~/")):
            text = text.partition("/")[2]
        self._parameters: dict[str, Parameter] = {}
        self._pattern = self._compile(_segments(text.removesuffix("/")))

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the parameters in a path; None if the path does not match."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for group, parameter in self._parameters.items():
            value = found[group] or parameter.default
            if value is not None:
                if not all(check(value) for check in parameter.checks):
                    return None
                values[parameter.name] = value
        return values

    def _compile(self, segments: list[Segment]) -> re.Pattern[str]:
        pattern, end = "", "/?"
        required = len(segments)
        while required and _may_be_absent(segments[required - 1]):
            required -= 1
        for number, segment in enumerate(segments):
            if any(isinstance(part, Parameter) and part.is_catch_all for part in segment):
                if len(segment) > 1 or number < len(segments) - 1:
                    raise TemplateError("a catch-all parameter can only be the last segment")
                pattern, end = f"{pattern}(?:/({self._group(segment[0])}[^/].*)?)?", ""
            elif len(segment) == 1:
                (part,) = segment
                one = f"/{self._part(part, '[^/]+')}"
                pattern += one if number < required else f"(?:{one})?"
            else:
                pattern += "/" + self._mixed(segment)
        return re.compile(pattern + end, re.DOTALL)

    def _mixed(self, segment: Segment) -> str:
        """A segment of several parts: each parameter takes as much as it can."""
        *begin, last = segment
        for left, right in pairwise(segment):
            if isinstance(left, Parameter) and isinstance(right, Parameter):
                raise TemplateError("two parameters need a literal between them")
        if any(isinstance(part, Parameter) and part.is_optional for part in begin):
            raise TemplateError(MISPLACED_OPTIONAL)
        if not isinstance(last, Parameter) or not last.is_optional:
            return "".join(self._part(part, "[^/]+") for part in segment)
        if begin[-1] != ".":
            raise TemplateError(MISPLACED_OPTIONAL)
        required = "".join(self._part(part, "[^/]+?") for part in begin[:-1])
        return rf"{required}(?:\.{self._part(last, '[^/.]+')})?"

    def _part(self, part: Parameter | str, value: str) -> str:
        if isinstance(part, str):
            return f"(?i:{re.escape(part)})"
        return f"({self._group(part)}{value})"

    def _group(self, part: Parameter | str) -> str:
        assert isinstance(part, Parameter)
        if part.name.lower() in (each.name.lower() for each in self._parameters.values()):
            raise TemplateError(f"the parameter '{part.name}' comes twice")
        group = f"p{len(self._parameters)}"
        self._parameters[group] = part
        return f"?P<{group}>"


def _may_be_absent(segment: Segment) -> bool:
    return len(segment) == 1 and isinstance(segment[0], Parameter) and segment[0].may_be_absent


def _segments(text: str) -> list[Segment]:
    segments: list[Segment] = [[]]
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise TemplateError(f"it cannot be read from '{text[at:]}' on")
        at = token.end()
        if token["slash"]:
            segments.append([])
        else:
            literal = token["literal"]
            segments[-1].append(
                _parameter(token["parameter"]) if literal is None else _unescaped(literal)
            )
    if [] in segments and text:
        raise TemplateError("two slashes follow each other")
    return [each for each in segments if each]


def _parameter(text: str) -> Parameter:
    text = _unescaped(text)
    found = NAME.match(text)
    if found is None:
        raise TemplateError(f"the parameter '{text}' has no name")
    rest, checks = text[found.end() :], []
    while constraint := CONSTRAINT.match(rest):
        rest = rest[constraint.end() :]
        try:
            checks.append(make_check(constraint["name"], constraint["arguments"]))
        except ValueError as error:
            raise TemplateError(str(error)) from error
    default = rest[1:] if rest.startswith("=") else None
    is_optional = rest == "?"
    if (rest and default is None and not is_optional) or (default or "").endswith("?"):
        raise TemplateError(f"the parameter '{text}' cannot be read from '{rest}' on")
    if is_optional and found["stars"]:
        raise TemplateError(f"the catch-all parameter '{text}' cannot be optional")
    return Parameter(found["name"], tuple(checks), bool(found["stars"]), is_optional, default)


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
