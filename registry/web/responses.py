"""What each call answers with: a model for each body, and the responses that are made of them."""

import json
from typing import Annotated, Any, Literal, Self, get_args

from azure.functions import HttpResponse
from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from registry.domain.delivery import DeliveryStatus
from registry.domain.moments import Moment
from registry.domain.problems import PROBLEM_TYPES, OutcomeUnknown, ProblemError
from registry.domain.stats import Stats
from registry.domain.views import RegistryId, RegistryStatusView, View
from registry.web.fields import Count, ItemKey, Url

NO_STORE = "no-store"


class Body(View):
    """A body in JSON, and the headers that go with it."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    def headers(self) -> dict[str, str]:
        """Headers beside those that every answer has."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """The body as JSON."""
        return self.model_dump(mode="json")


class Links(Body):
    """Where to go on with a new registry."""

    add: Url
    finish: Url
    peek: Url

    @classmethod
    def of(cls, url: str, id: str) -> Self:
        """The links of a registry that was opened at this address."""
        # Not by a parser of URLs: those refuse some that a client may call the host by.
        base = "".join(url.partition("?")[0].rstrip("/").rpartition("/")[:2])
        return cls(**{name: f"{base}{name}/{id}" for name in cls.model_fields})


class Opened(Body):
    """A new registry."""

    id: RegistryId
    status: Literal["Open"] = "Open"
    opened_at: Moment
    closes_at: Moment
    links: Links

    def headers(self) -> dict[str, str]:
        """Where to peek at it."""
        return {"Location": self.links.peek}


class Added(Body):
    """An item that is in the registry."""

    id: RegistryId
    item: str
    item_key: ItemKey
    items_count: Count


class Removed(Body):
    """A key whose item is not in the registry."""

    id: RegistryId
    item_key: ItemKey
    items_count: Count


class Unknown(Body):
    """The outcome is not known yet."""

    detail: str

    @classmethod
    def of(cls, outcome: OutcomeUnknown, **members: Any) -> Self:
        """What to answer where the outcome could not be read in time."""
        return cls(detail=str(outcome), **members)

    def headers(self) -> dict[str, str]:
        """When to repeat the call."""
        return {"Retry-After": "1"}


class Unconfirmed(Unknown):
    """An item of which it is not known yet whether it is in the registry."""

    id: RegistryId
    item: str
    item_key: ItemKey


class Shown(RegistryStatusView, Body):
    """A registry, and whether it takes items."""

    def to_lines(self) -> str:
        """Each item on a line of its own; line breaks within one are spaces."""
        lines = (" ".join(item.splitlines()) for item in self.registry.items)
        return "".join(f"{line}\n" for line in lines)


class DeliveryCounts(Body):
    """How many closed registries have each delivery status."""

    off: Count
    pending: Count
    delivered: Count
    failed: Count


class Counts(Body):
    """How many registries and items there are."""

    registry_count: Count
    items_count: Count
    open_count: Count
    closed_count: Count
    processing: DeliveryCounts

    @classmethod
    def of(cls, stats: Stats) -> Self:
        """The counts over all registries."""
        total = stats.counts.total()
        open = stats.counts["open"]
        return cls(
            registry_count=total,
            items_count=stats.items,
            open_count=open,
            closed_count=total - open,
            processing=DeliveryCounts(
                **{status: stats.counts[status] for status in get_args(DeliveryStatus)}
            ),
        )


class Health(Body):
    """The app works."""

    status: Literal["Healthy"] = "Healthy"
    version: str


class Description(Body):
    """The OpenAPI document of this API."""

    model_config = ConfigDict(extra="allow")

    openapi: str


class Problem(Body):
    """RFC 9457. The detail ends with what to do next."""

    model_config = ConfigDict(extra="ignore", json_schema_serialization_defaults_required=False)

    type: Annotated[str, Field(json_schema_extra={"enum": [each.uri for each in PROBLEM_TYPES]})]
    title: str
    status: int
    detail: str
    # What the retry of an add needs.
    id: RegistryId | SkipJsonSchema[None] = None
    item: str | SkipJsonSchema[None] = None
    item_key: ItemKey | SkipJsonSchema[None] = None
    # Where the app does not work: the version, for those who look after it.
    version: str | SkipJsonSchema[None] = None
    retry_after: int | None = Field(default=None, exclude=True)

    @classmethod
    def of(cls, error: ProblemError, **members: str) -> Self:
        """What an error is to the caller; `members` are added to the standard ones."""
        return cls(
            type=error.type.uri,
            title=error.type.title,
            status=error.type.status,
            detail=f"{error.detail} {error.type.advice}",
            retry_after=error.retry_after,
            **members,
        )

    def headers(self) -> dict[str, str]:
        """When to try again, where it helps to wait."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def to_json(self) -> dict[str, Any]:
        """The body as JSON, without the members that have no value."""
        return self.model_dump(mode="json", exclude_none=True)


def json_response(status: int, body: Body) -> HttpResponse:
    """A response in JSON."""
    return _response(status, body, "application/json", _write(body))


def text_response(status: int, body: Body, text: str) -> HttpResponse:
    """A response in plain text, for those who prefer that to the body in JSON."""
    return _response(status, body, "text/plain; charset=utf-8", text)


def problem_response(problem: Problem) -> HttpResponse:
    """A response that says what is wrong."""
    return _response(problem.status, problem, "application/problem+json", _write(problem))


def _write(body: Body) -> str:
    return json.dumps(body.to_json(), ensure_ascii=False) + "\n"


def _response(status: int, body: Body, content_type: str, text: str) -> HttpResponse:
    headers = {"Content-Type": content_type, "Cache-Control": NO_STORE, **body.headers()}
    return HttpResponse(text, status_code=status, headers=headers)
