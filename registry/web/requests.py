"""What each call is asked with: a model for each, and how it is read from a request.

A model says where its members are, what is valid, and which problem anything else is. OpenAPI has
its parameters and bodies from the same models.
"""

import uuid
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from azure.functions import HttpRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from registry.domain.problems import (
    INVALID_ITEM,
    INVALID_KEY,
    ITEM_TOO_LONG,
    UNKNOWN_REGISTRY,
    ProblemError,
    ProblemType,
)
from registry.domain.views import RegistryId
from registry.settings import Settings
from registry.web import bodies
from registry.web.bodies import JSON, TEXT, Members
from registry.web.fields import ItemKey, ItemText
from registry.web.headers import preference

LONGEST_CHARACTER = 24
"""Bytes that a character takes at most, as \\ud83c\\udf81 or %F0%9F%8E%81 in UTF-16."""
MAX_BODY_BYTES = 4096
"""Of bodies that hold no item: room for a key, however it is written."""

Place = Literal["path", "header", "query"]
"""What is looked for in the query may be in the body instead."""
R = TypeVar("R", bound="Request")


class In:
    """Where a member of a request is, and which problem it is if it is not valid.

    `instead` has other problems, or other details, by the type of the validation error:
    https://docs.pydantic.dev/latest/errors/validation_errors/
    """

    def __init__(self, place: Place, problem: ProblemType, **instead: ProblemType | str) -> None:
        self.place = place
        self.problem = problem
        self.instead = instead

    @property
    def problems(self) -> set[ProblemType]:
        """All types of problems that it may be."""
        others = {each for each in self.instead.values() if isinstance(each, ProblemType)}
        return {self.problem, *others}

    def explain(self, error: str, **values: Any) -> ProblemError:
        """The problem that a validation error of this type is."""
        problem = self.instead.get(error, self.problem)
        if isinstance(problem, str):
            return ProblemError(self.problem, problem)
        return ProblemError(problem, **values)


class Request(BaseModel):
    """What a call is asked with. This one has no parameters."""

    # Built when it is first read, so that the app starts sooner.
    model_config = ConfigDict(alias_generator=to_camel, defer_build=True, validate_by_name=True)

    text_member: ClassVar[str | None] = None
    """The member whose value a body in plain text is."""

    url: str = ""
    """The address that was called."""

    @classmethod
    def check_size(cls, body: bytes, settings: Settings, problem: ProblemType) -> None:
        """Refuse a body that is too long to be decoded. Raises a ProblemError of this type."""
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(problem, f"The body may have at most {MAX_BODY_BYTES} bytes.")


class RegistryRequest(Request):
    """A call for one registry."""

    id: Annotated[
        RegistryId,
        In(
            "path",
            UNKNOWN_REGISTRY,
            string_pattern_mismatch="There is no registry with this id: "
            "an id is 32 lower-case hex digits.",
        ),
    ] = Field(description="The id of the registry. Who knows it may use it.")


class OpenRequest(Request):
    """What a registry is opened with."""


class AddRequest(RegistryRequest):
    """The item to add."""

    text_member = "item"

    item: Annotated[
        ItemText,
        In(
            "query",
            INVALID_ITEM,
            missing="The item is missing: there is neither ?item= nor a body with a "
            "Content-Length; one in chunks is lost.",
            string_unicode="The item is not text: it has half of a surrogate pair.",
            string_too_long=ITEM_TOO_LONG,
        ),
    ] = Field(description="The item; it wins over the body.")
    idempotency_key: Annotated[ItemKey, In("header", INVALID_KEY)] = Field(
        alias="Idempotency-Key",
        default_factory=lambda: uuid.uuid4().hex,
        description="Adds with the same key and item are one item. "
        "Made at random where it is missing.",
    )

    @classmethod
    def check_size(cls, body: bytes, settings: Settings, problem: ProblemType) -> None:
        """Refuse a body that cannot hold an item that is short enough."""
        max_length = settings.max_item_length
        if len(body) > LONGEST_CHARACTER * max_length + 1024:
            raise ProblemError(ITEM_TOO_LONG, max_length=max_length)


class RemoveRequest(RegistryRequest):
    """The key of the item to remove."""

    item_key: Annotated[ItemKey, In("query", INVALID_KEY)] = Field(
        description="The itemKey of the add; it wins over the body."
    )


@cache
def places(model: type[Request]) -> dict[str, In]:
    """Where the members of a request are, by their names in it."""
    return {
        field.alias or name: place
        for name, field in model.model_fields.items()
        for place in field.metadata
        if isinstance(place, In)
    }


def problems_of(model: type[Request]) -> set[ProblemType]:
    """The problems of requests that are not valid."""
    return {problem for place in places(model).values() for problem in place.problems}


def read(request: HttpRequest, model: type[R], settings: Settings) -> R:
    """Read a request and validate it. Raises ProblemError."""
    given = {"path": request.route_params, "header": request.headers, "query": request.params}
    values = {
        name: given[each.place][name]
        for name, each in places(model).items()
        if name in given[each.place]
    }
    if request.get_body() and issubclass(model, RegistryRequest):
        # Without its registry, the body does not matter.
        _validate(RegistryRequest, {"id": values.get("id")}, settings)

    body = _read_body(request, model, values, settings)
    if body is not None:
        values |= body.values
    return _validate(model, {"url": request.url, **values}, settings, body)


def _validate(
    model: type[R], values: dict[str, Any], settings: Settings, body: Members | None = None
) -> R:
    try:
        return model.model_validate(values, context=settings)
    except ValidationError as error:
        raise _explain(error, model, body) from error


def _read_body(
    request: HttpRequest, model: type[Request], given: dict[str, Any], settings: Settings
) -> Members | None:
    """What the query leaves open and the body may say; None where there is no body, or no need."""
    wanted = {
        name: each.problem
        for name, each in places(model).items()
        if each.place == "query" and name not in given
    }
    if not wanted or not request.get_body():
        return None

    problem = next(iter(wanted.values()))
    model.check_size(request.get_body(), settings, problem)
    values, missing = bodies.read(request, problem, model.text_member)
    return Members({name: values[name] for name in wanted if name in values}, missing)


def _explain(error: ValidationError, model: type[Request], body: Members | None) -> ProblemError:
    """The problem that the first error is."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    place = places(model)[name]
    if body and place.place == "query" and first["type"] in ("missing", "string_type"):
        return ProblemError(place.problem, body.missing.format(name=name))

    return place.explain(first["type"], name=name, **first.get("ctx", {}))


def wants_plain_text(request: HttpRequest) -> bool:
    """Whether the request prefers text/plain to JSON."""
    accepted = parse_accept_header(preference(request, "Accept"), MIMEAccept)
    return accepted.best_match([JSON, TEXT]) == TEXT
