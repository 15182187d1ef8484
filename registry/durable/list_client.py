"""The list of a registry, as its clients see it: what is committed, and messages with an effect.

Callers get only what was read back as committed; never what a clock, a sent message, a reply or an
error suggests.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from registry import clock, telemetry
from registry.domain.problems import (
    UNKNOWN_REGISTRY,
    HubUnavailable,
    InvalidStored,
    OutcomeUnknown,
    ProblemError,
)
from registry.domain.registry import ClosedBy, Registry, RegistryTerms
from registry.domain.stats import DEDUPLICATION_WINDOW
from registry.durable import names
from registry.durable.messages import (
    CloseRegistry,
    DeliverRegistry,
    Invalid,
    OpenRegistry,
    Signal,
)
from registry.durable.names import delivery_instance, list_entity
from registry.durable.read_delay import read_delay
from registry.durable.task_hub import Instance, TaskHubClient

log = logging.getLogger(__name__)

Condition = Callable[[Registry], bool]
Send = Callable[[], Awaitable[None]]

RESEND_SECONDS = 1.0
"""A message without an effect for so long is sent again."""

CLOSE_UNKNOWN = "The registry is being closed. Repeat this to see the outcome."


class ListClient:
    """Reads lists, and sends them messages until their effect is committed.

    Methods raise HubUnavailable where the task hub does not answer before the deadline.
    """

    def __init__(self, hub: TaskHubClient) -> None:
        self.hub = hub

    async def read(self, id: str) -> Registry | None:
        """The registry as its list has committed it, or None where there is none."""
        state = await self.hub.read(list_entity(id))
        if not state:
            return None

        try:
            return Registry.from_state(state)
        except ValidationError as error:
            telemetry.log_invalid(f"registry {telemetry.short_id(id)}: its stored state", error)
            raise InvalidStored from error

    async def get(self, id: str) -> Registry:
        """The registry. It is empty, with revision 0, while its list has not opened yet.

        Raises ProblemError where there is none.
        """
        registry = await self.read(id) or await self._pending_from_orchestration(id)
        if registry is None:
            raise ProblemError(UNKNOWN_REGISTRY)

        return registry

    async def wait_until_open(self, id: str) -> Registry:
        """The registry once its list has opened; where its time is up, once it is closed.

        Raises ProblemError where there is none, and OutcomeUnknown.
        """
        registry = await self.get(id)
        terms = registry.terms
        if registry.revision == 0 and clock.utc_now() < terms.closes_at:
            registry = await self.wait_until(id, _exists) or await self.send_until(
                id,
                lambda: self.signal(id, OpenRegistry, terms=terms),
                _exists,
                "The registry is still being opened. Try again.",
            )
        return await self.close_if_due(registry)

    async def close_if_due(self, registry: Registry) -> Registry:
        """The registry; where its time is up, once its close is committed.

        Raises OutcomeUnknown.
        """
        if registry.is_closed or clock.utc_now() < registry.terms.closes_at:
            return registry

        return await self.close_and_wait(registry.terms, "timeout")

    async def close_and_wait(self, terms: RegistryTerms, by: ClosedBy) -> Registry:
        """Ask the list to close until its close is committed. Raises OutcomeUnknown."""
        return await self.send_until(
            terms.id,
            lambda: self.signal(terms.id, CloseRegistry, terms=terms, by=by),
            lambda registry: registry.is_closed,
            CLOSE_UNKNOWN,
        )

    async def send_until(self, id: str, send: Send, is_done: Condition, unknown: str) -> Registry:
        """Send a message, again after each second without its effect; return what shows it.

        Raises OutcomeUnknown with that text where the effect cannot be read before the deadline.
        """
        with suppress(HubUnavailable):  # No read succeeds.
            while self.hub.remaining > 0:
                with suppress(HubUnavailable):  # The message may be on its way all the same.
                    await send()
                if registry := await self.wait_until(id, is_done):
                    return registry

        raise OutcomeUnknown(unknown)

    async def wait_until(self, id: str, is_done: Condition) -> Registry | None:
        """Read until the registry is as wanted; None where it is not within a second."""
        is_first_read = True
        async for _ in self.hub.delays(RESEND_SECONDS, read_delay.seconds):
            registry = await self.read(id)
            if registry is not None and is_done(registry):
                read_delay.learn(was_late_enough=is_first_read)
                return registry
            is_first_read = False

        return None

    async def signal(self, id: str, kind: type[Signal], **members: Any) -> None:
        """Send the list a message once. Where this raises, it may be on its way all the same."""
        await self.hub.signal(list_entity(id), self.hub.message(kind, **members))

    async def start_delivery(self, registry: Registry, number: int) -> None:
        """Start the delivery orchestration, unless it is running."""
        terms = registry.terms
        message = self.hub.message(
            DeliverRegistry, id=terms.id, number=number, backoff=terms.backoff
        )
        await self.hub.ensure_started(
            names.DELIVERY_ORCHESTRATOR, delivery_instance(terms.id), message
        )

    async def _pending_from_orchestration(self, id: str) -> Registry | None:
        """A registry that has no list yet, made from the input of its orchestration."""
        instance = await self.hub.instance(id)
        if instance is None or instance.name != names.REGISTRY_ORCHESTRATOR:
            return None
        if instance.status == "Completed":  # Its list opened meanwhile, or it is being purged.
            return await self.read(id)

        terms = terms_of(instance)
        if terms is None or clock.utc_now() >= terms.closes_at + DEDUPLICATION_WINDOW:
            return None
        return Registry.new(terms)


def terms_of(instance: Instance) -> RegistryTerms | None:
    """The terms in the input of a registry's orchestration.

    None where it was started with something else, and has failed by that. Raises InvalidStored
    where it has not ended: only "there is none" means none.
    """
    try:
        terms = OpenRegistry.from_instance(instance.input).terms
        terms.check(instance.id, terms.opened_at)
        return terms
    except Invalid as error:
        if instance.status == "Failed":
            return None
        what = f"registry {telemetry.short_id(instance.id)}: the input of its orchestration"
        telemetry.log_invalid(what, error)
        raise InvalidStored from error


def _exists(registry: Registry) -> bool:
    return True
