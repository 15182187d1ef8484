"""RegistryService: what the API asks for, over the Durable client."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import azure.durable_functions as df
from pydantic import ValidationError

from registry import clock, telemetry
from registry.domain import problems
from registry.domain.moments import to_text
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError, ProblemType
from registry.domain.registry import MAX_BYTES, ClosedBy, Item, Registry, RegistryTerms
from registry.domain.stats import Stats
from registry.durable import names
from registry.durable.list_client import ListClient, Send
from registry.durable.messages import AddItem, OpenRegistry, RegistryFinished, RemoveItem
from registry.durable.names import list_entity, stats_entities
from registry.durable.stats_reporter import report, reporter
from registry.durable.task_hub import TaskHubClient

PING_SECONDS = 3.0
"""A healthy task hub answers within these."""

ADD_UNKNOWN = (
    "The item was sent, but is not yet known to be in the registry. "
    "Retry with the same Idempotency-Key."
)
REMOVAL_UNKNOWN = "The item is being removed. Repeat this to see the outcome."
DELIVERY_UNKNOWN = "The registry is about to be sent. Peek at it to see the outcome."

PROBLEM_OF_OUTCOME: dict[str, ProblemType] = {
    "key_reused": problems.KEY_REUSED,
    "removed": problems.ITEM_REMOVED,
    "full": problems.REGISTRY_FULL,
    "closed": problems.REGISTRY_CLOSED,
}


class RegistryService:
    """Opens, changes and shows registries, for one request.

    Every method raises ProblemError where that is the answer, HubUnavailable among them. One that
    waits for an effect raises OutcomeUnknown where it cannot be read before the deadline.
    """

    def __init__(self, hub: TaskHubClient) -> None:
        self._hub = hub
        self._lists = ListClient(hub)

    async def open(self, terms: RegistryTerms) -> None:
        """Open a registry under a new id.

        The stats hear of it first: then reconcile closes it, whatever fails here.
        """
        message = self._hub.message(OpenRegistry, terms=terms)
        await report(self._hub, Registry.new(terms))
        await asyncio.gather(
            self._hub.ensure_started(names.REGISTRY_ORCHESTRATOR, terms.id, message),
            self._hub.ensure_signalled(list_entity(terms.id), message),
        )

    async def peek(self, id: str) -> Registry:
        """The registry; where its time is up, as it was closed, if that can be read in time."""
        registry = await self._lists.get(id)
        with suppress(OutcomeUnknown):
            return await self._lists.close_if_due(registry)
        return registry

    async def add(self, id: str, item: Item) -> int:
        """Add an item. Returns how many items the registry has then."""
        return await self._change(
            id,
            lambda: self._lists.signal(id, AddItem, key=item.key, text=item.text),
            lambda registry: registry.outcome_of_add(item),
            "added",
            ADD_UNKNOWN,
        )

    async def remove(self, id: str, key: str) -> int:
        """Remove the item with this key, also where its add is still on its way.

        Returns how many items the registry has then.
        """
        return await self._change(
            id,
            lambda: self._lists.signal(id, RemoveItem, key=key),
            lambda registry: registry.outcome_of_removal(key),
            "removed",
            REMOVAL_UNKNOWN,
        )

    async def finish(self, id: str) -> Registry:
        """Close the registry. One that is closed already is returned as it is."""
        registry = await self._lists.wait_until_open(id)
        if registry.is_closed:
            return registry

        closed, _ = await asyncio.gather(
            self._lists.close_and_wait(registry.terms, "user"),
            self._raise_close_event(registry.terms),
        )
        return closed

    async def redeliver(self, id: str) -> Registry:
        """Have a closed registry delivered again, unless its delivery is pending."""
        registry = await self._lists.close_if_due(await self._lists.get(id))
        if not registry.is_closed:
            raise ProblemError(problems.REGISTRY_OPEN, closes_at=to_text(registry.terms.closes_at))

        number = registry.delivery.number
        if not registry.delivery.is_pending:
            if seconds := registry.delivery.seconds_until_next_request(clock.utc_now()):
                raise ProblemError(problems.SENT_JUST_NOW, retry_after=seconds)
            number += 1

        registry = await self._lists.send_until(
            id,
            lambda: self._lists.start_delivery(registry, number),
            lambda read: read.delivery.number >= number,
            DELIVERY_UNKNOWN,
        )
        # So that reconcile restarts the delivery, if it ends before it can report.
        await report(self._hub, registry)
        return registry

    async def close_registry(self, terms: RegistryTerms, by: ClosedBy) -> Registry:
        """Have a registry closed on record, delivered and counted.

        It may run any number of times.
        """
        registry = await self._lists.read(terms.id)
        if registry is None or not registry.is_closed:
            registry = await self._lists.close_and_wait(terms, by)

        if registry.delivery.is_pending:
            await self._lists.start_delivery(registry, registry.delivery.number)
        await report(self._hub, registry)
        return registry

    async def ping(self) -> None:
        """Return if the task hub answers soon."""
        hub = TaskHubClient(self._hub.client, seconds=PING_SECONDS)
        await hub.read(stats_entities()[0])

    async def stats(self) -> Stats:
        """The counts over all registries. A shard that cannot be read counts nothing."""
        shards = stats_entities()
        states = await asyncio.gather(*map(self._hub.read, shards))
        total = Stats()
        for shard, state in zip(shards, states, strict=True):
            total += _to_stats(shard, state)
        return total

    async def _change(
        self,
        id: str,
        send: Send,
        outcome_of: Callable[[Registry], str],
        success: str,
        unknown: str,
    ) -> int:
        """Send a change, unless it is decided already. Returns how many items there are then."""
        registry = await self._lists.wait_until_open(id)
        if outcome_of(registry) == "undecided":
            registry = await self._lists.send_until(
                id, send, lambda read: outcome_of(read) != "undecided", unknown
            )

        outcome = outcome_of(registry)
        if outcome != success:
            raise _problem(outcome, registry)

        # A closed registry is reported by `close_registry`; the stats may know it no more.
        if not registry.is_closed:
            reporter.report_soon(self._hub, registry)
        return len(registry.items)

    async def _raise_close_event(self, terms: RegistryTerms) -> None:
        """Have the registry's orchestrator do what follows a close; where it has ended, do it here.

        Where neither succeeds, the timer or reconcile does it.
        """
        with suppress(HubUnavailable, OutcomeUnknown):
            try:
                message = self._hub.message(RegistryFinished)
                await self._hub.raise_event(terms.id, names.CLOSE_EVENT, message)
            except HubUnavailable:
                await self.close_registry(terms, "user")


def _problem(outcome: str, registry: Registry) -> ProblemError:
    """Why a change was refused."""
    return ProblemError(
        PROBLEM_OF_OUTCOME[outcome],
        closed_at=to_text(registry.closed_at or registry.terms.closes_at),
        max_items=registry.terms.max_items,
        max_kib=MAX_BYTES // 1024,
    )


def _to_stats(shard: df.EntityId, state: object) -> Stats:
    """The counts of a shard; none where it cannot be read."""
    try:
        return Stats.from_state(state) if state else Stats()
    except ValidationError as error:
        telemetry.log_invalid(f"{shard.name} {shard.key}: its stored state", error)
        return Stats()
