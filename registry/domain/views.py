"""A registry as callers and the webhook's receiver see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import TypeAliasType

from registry.domain.delivery import DeliveryStatus
from registry.domain.moments import Moment
from registry.domain.registry import REGISTRY_ID, ClosedBy, Registry, RegistryStatus

RegistryId = TypeAliasType(
    "RegistryId",
    Annotated[
        str,
        Field(
            pattern=f"^{REGISTRY_ID.pattern}$",
            description="Who knows it may use the registry.",
            examples=["8e3b2f1c5d7a4b069f21c3d4e5f60718"],
        ),
    ],
)


class View(BaseModel):
    """A body of JSON. Its member names are in camel case."""

    # Built when it is first used, so that the app starts sooner.
    model_config = ConfigDict(
        alias_generator=to_camel,
        defer_build=True,
        extra="forbid",
        serialize_by_alias=True,
        validate_by_name=True,
    )


class RegistryView(View):
    """What is in a registry, and when it closes or was closed."""

    id: RegistryId
    items: list[str]
    opened_at: Moment
    closes_at: Moment
    closed_at: Moment | None
    closed_by: ClosedBy | None
    processing: DeliveryStatus


class RegistryStatusView(View):
    """A registry, and whether it takes items."""

    status: RegistryStatus
    registry: RegistryView

    @classmethod
    def of(cls, registry: Registry, now: datetime) -> Self:
        """The view of a registry that was read just now."""
        terms = registry.terms
        return cls(
            status=registry.status_at(now),
            registry=RegistryView(
                id=terms.id,
                items=list(registry.items.values()),
                opened_at=terms.opened_at,
                closes_at=terms.closes_at,
                closed_at=registry.closed_at,
                closed_by=registry.closed_by,
                processing=registry.delivery.status,
            ),
        )
