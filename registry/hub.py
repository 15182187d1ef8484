"""The registries as the Durable client reaches them: each call returns a domain object or raises RegistryError.

Signals and events reach the task hub at least once, in any order, and some time later. So what a caller is told
is always what was read back, never what was sent.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any, NoReturn

import azure.durable_functions as df
from azure.durable_functions import OrchestrationRuntimeStatus as Status

from registry import clock, telemetry
from registry.entities import list_entity, stats_entities, stats_entity
from registry.model import Backoff, Item, Registry, State, Stats, Verdict
from registry.orchestrator import FINISH_EVENT, ORCHESTRATION, PROCESSING, processing_instance
from registry.times import to_text

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a request may take: then the outcome of an add or a finish counts as not known, a call as unanswered."""
STATS_PATIENCE = 1.0
"""Seconds that an add waits, when its item is in, for the stats to be told."""
FIRST_DELAY = 0.01
LONGEST_DELAY = 0.5
"""Seconds between reads; the delay doubles from the first to the longest."""
RAISE_AGAIN = 1.0
"""Seconds after which a finish that had no effect is raised again: a backend may drop an early event."""
PING_PATIENCE = 3.0
"""Seconds in which a healthy task hub answers."""
PAGE = 100
"""Instances that a query shows at most: the Durable extension's page, which the SDK gives no way to turn."""
ALIVE = (Status.Pending, Status.Running, Status.Suspended, Status.ContinuedAsNew)
ENDED = [Status.Completed, Status.Failed, Status.Terminated, Status.Canceled]


UNKNOWN = "There is no registry with this id."


class RegistryError(Exception):
    """A call that did not come to what was asked for; the message says why."""


class UnknownRegistry(RegistryError):
    """There is no registry with this id."""


class RegistryOpen(RegistryError):
    """The registry is not closed yet."""


class RegistryClosed(RegistryError):
    """The registry takes no more items."""


class RegistryFull(RegistryError):
    """The registry has as many items as it may have."""


class KeyReused(RegistryError):
    """The idempotency key stands for another item in this registry."""


class OutcomeUnknown(RegistryError):
    """The call was accepted, but its effect could not be read back in time."""


class HubUnavailable(RegistryError):
    """The task hub did not answer."""


class Hub:
    """Opens, changes and shows registries through a Durable client, for one request.

    Every method may raise HubUnavailable. Wherever a registry is shown as of a moment, that moment comes before the
    read: whoever is told "closed" has been shown all that is in it.
    """

    def __init__(self, client: df.DurableOrchestrationClient, trace: str = "") -> None:
        """`trace` is the caller's, for the log lines of what the request causes."""
        self._client = client
        self._trace = trace
        self._deadline = clock.monotonic() + PATIENCE

    async def open(self, id: str, registry: Registry, backoff: Backoff) -> None:
        """Start the life of a new registry under an id that nobody has used."""
        await self.start(ORCHESTRATION, id, registry.to_state() | {"backoff": backoff, "trace": self._trace})

    async def peek(self, id: str) -> Registry:
        """The registry as it stands now. Raises UnknownRegistry."""
        now = clock.utc_now()
        registry = await self._read(id) or await self._announced(id)
        return registry.at(now)

    async def add(self, id: str, item: Item) -> int:
        """Put the item into the registry and return how many items it then has.

        When this returns, the item is in the registry, durably, and will be there when it closes.
        Raises UnknownRegistry, RegistryClosed, RegistryFull, KeyReused or OutcomeUnknown.
        """
        registry = await self._opened(id)
        if registry.judge(item) == "added":
            await self._answer(self._client.signal_entity(list_entity(id), "add", [*item, self._trace]))
            # From here on only what is recorded counts: the list may still take the item although its time is up.
            async for _, registry in self._reads(id, self._deadline):
                if registry.judge(item) != "added":
                    break
        verdict = registry.judge(item)
        if verdict != "known":
            _refuse(verdict, registry)
        await self._observe(id, len(registry.items))
        return len(registry.items)

    async def finish(self, id: str) -> Registry:
        """Close the registry and return it; one that is closed already is returned as it is.

        Raises UnknownRegistry or OutcomeUnknown.
        """
        registry = await self._opened(id)
        while not registry.is_closed and clock.monotonic() < self._deadline:
            await self._raise_finish(id)
            async for now, latest in self._reads(id, min(self._deadline, clock.monotonic() + RAISE_AGAIN)):
                registry = latest.at(now)
                if registry.is_closed:
                    break
        if not registry.is_closed:
            raise OutcomeUnknown("The registry is being closed. Finish it again to see the outcome.")
        return registry

    async def process(self, id: str, backoff: Backoff) -> Registry:
        """Have a closed registry sent again, unless it is being sent already; returns it as it stands then.

        Raises UnknownRegistry, RegistryOpen or OutcomeUnknown.
        """
        registry = await self.peek(id)
        if not registry.is_closed:
            raise RegistryOpen(f"The registry is open until {to_text(registry.closes_at)}, and is sent when it closes.")
        if registry.processing == "pending" and await self._is_being_sent(id):
            return registry
        again = processing_instance(id)
        await self._have_running(PROCESSING, again, {"id": id, "backoff": backoff, "trace": self._trace})
        async for _, registry in self._reads(id, self._deadline):
            if registry.processing == "pending":
                return registry
            if not await self.is_running(again):
                return await self.peek(id)
        raise OutcomeUnknown("The registry is about to be sent. Peek at it to see the outcome.")

    async def recorded(self, id: str) -> Registry:
        """A registry whose close is recorded. Raises UnknownRegistry or RegistryOpen."""
        registry = await self._read(id)
        if registry is None:
            raise UnknownRegistry(UNKNOWN)
        if not registry.is_closed:
            raise RegistryOpen("The close is not recorded yet.")
        return registry

    async def ended(self, start: datetime, end: datetime) -> tuple[list[str], bool]:
        """Registries that were created in a span of time and have ended: their ids as far as the first page of the
        query goes, and whether that page is full.
        """
        page = await self._answer(self._client.get_status_by(start, end, ENDED))
        return [status.instance_id for status in page if status.name == ORCHESTRATION], len(page) >= PAGE

    async def forget(self, id: str, closed_before: datetime) -> bool:
        """Delete all that is kept of a registry which has ended; False where it has to stay.

        It stays if it closed later than that, or is being sent again. Where this was interrupted it can be repeated:
        the instance, by which `ended` finds it, goes last. An entity is an instance too (`@name@key`).
        """
        registry = await self._read(id)
        if registry is not None:
            closed_at = registry.at(clock.utc_now()).closed_at
            if closed_at is None or closed_at > closed_before:
                return False
            if registry.processing == "pending" and await self.is_running(processing_instance(id)):
                return False
        for instance in (df.EntityId.get_scheduler_id(list_entity(id)), processing_instance(id), id):
            await self._answer(self._client.purge_instance_history(instance))
        telemetry.record("purged", id)
        return True

    async def start(self, orchestration: str, instance: str, input: Any) -> None:
        """Start an orchestration under an id that is not in use."""
        await self._answer(self._client.start_new(orchestration, instance, input))

    async def is_running(self, instance: str) -> bool:
        """Whether there is an instance with this id that has not ended."""
        status = await self._answer(self._client.get_status(instance))
        return bool(status) and status.runtime_status in ALIVE

    async def ping(self) -> None:
        """See whether the task hub answers."""
        await self._answer(self._client.read_entity_state(stats_entities()[0]), PING_PATIENCE)

    async def stats(self) -> Stats:
        """The counts over all registries."""
        reads = (self._state(shard) for shard in stats_entities())
        known = (Stats.from_state(state) for state in await asyncio.gather(*reads) if state)
        return reduce(add, known, Stats())

    async def _answer(self, call: Awaitable[Any], patience: float = PATIENCE) -> Any:
        """Await a Durable client call. Whatever it raises, or no answer in time, becomes HubUnavailable."""
        try:
            async with asyncio.timeout(min(patience, self._deadline - clock.monotonic())):
                return await call
        except Exception as error:  # the SDK raises bare Exception for each answer it does not expect
            raise HubUnavailable("The task hub does not answer.") from error

    async def _state(self, entity: df.EntityId) -> State | None:
        """The state of an entity, or None where it has none (some backends then say that it exists nevertheless)."""
        answer = await self._answer(self._client.read_entity_state(entity))
        state: State | None = answer.entity_state or None
        return state if answer.entity_exists else None

    async def _read(self, id: str) -> Registry | None:
        """What the list entity holds, or None while it has not been opened."""
        state = await self._state(list_entity(id))
        return Registry.from_state(state) if state else None

    async def _announced(self, id: str) -> Registry:
        """The registry as its orchestration was told to open it. Raises UnknownRegistry."""
        status = await self._answer(self._client.get_status(id, show_input=True))
        if not status or status.name != ORCHESTRATION:
            raise UnknownRegistry(UNKNOWN)
        announced = Registry.from_state(json.loads(status.input_))
        if status.runtime_status in ALIVE:
            return announced
        # It ended since the list was read, is being forgotten, or was ended by an operator before the list was opened.
        if registry := await self._read(id):
            return registry
        if status.runtime_status == Status.Completed:
            raise UnknownRegistry(UNKNOWN)
        return Registry(announced.opened_at, announced.closes_at, 0, closed_at=status.last_updated_time)

    async def _reads(self, id: str, deadline: float) -> AsyncIterator[tuple[datetime, Registry]]:
        """The registry and when it was read, again and again with growing delays until the deadline.

        A read that fails is no more than one that does not find it yet.
        """
        delay = FIRST_DELAY
        while True:
            now = clock.utc_now()
            with suppress(HubUnavailable):
                if registry := await self._read(id):
                    yield now, registry
            remaining = deadline - clock.monotonic()
            if remaining <= 0:
                return
            await clock.sleep(min(delay, remaining))
            delay = min(2 * delay, LONGEST_DELAY)

    async def _opened(self, id: str) -> Registry:
        """The registry as it stands once its list is open, or as it was announced if it has ended before that."""
        now = clock.utc_now()
        if registry := await self._read(id):
            return registry.at(now)
        announced = (await self._announced(id)).at(now)
        if announced.is_closed:
            return announced
        async for now, registry in self._reads(id, self._deadline):
            return registry.at(now)
        raise OutcomeUnknown("The registry is still being opened. Try again.")

    async def _is_being_sent(self, id: str) -> bool:
        return await self.is_running(id) or await self.is_running(processing_instance(id))

    async def _have_running(self, orchestration: str, instance: str, input: Any) -> None:
        """Start an orchestration, unless somebody else has just started it under this id."""
        while True:
            try:
                await self.start(orchestration, instance, input)
                return
            except HubUnavailable:  # that, or the id was in use: the SDK does not tell which
                if await self.is_running(instance):
                    return
                if clock.monotonic() + LONGEST_DELAY > self._deadline:
                    raise
            await clock.sleep(LONGEST_DELAY)

    async def _raise_finish(self, id: str) -> None:
        try:
            await self._answer(self._client.raise_event(id, FINISH_EVENT, self._trace))
        except HubUnavailable as error:
            # The SDK tells "gone", which means that the timer won, from other failures by its message only;
            # whether the registry is closed is read afterwards in any case.
            log.info("registry %s: finish not raised: %s", id[:8], error.__cause__)

    async def _observe(self, id: str, count: int) -> None:
        try:
            await self._answer(self._client.signal_entity(stats_entity(id), "observe", [id, count]), STATS_PATIENCE)
        except HubUnavailable as error:  # a lost observation heals with the next one, or with the close
            log.warning("registry %s: stats not told of an item: %s", id[:8], error.__cause__)


def _refuse(verdict: Verdict, registry: Registry) -> NoReturn:
    match verdict:
        case "reused":
            raise KeyReused("The Idempotency-Key stands for another item in this registry.")
        case "closed":
            closed_at = to_text(registry.closed_at or registry.closes_at)
            raise RegistryClosed(f"The registry closed at {closed_at} and takes no more items.")
        case "full":
            raise RegistryFull(f"The registry is full: it has {registry.max_items} items, the most it takes.")
        case _:
            raise OutcomeUnknown(
                "The item was sent, but is not yet known to be in the registry. Retry with the same Idempotency-Key."
            )
