"""The registries as the API and the healers reach them, over the Durable client.

What a caller is told was read back as committed: a 200, a refusal, a close. Nothing is told by a
clock, by what was sent, by a reply, or by an error.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial, reduce
from operator import add

from registry import clock
from registry.clock import to_text
from registry.domain import problems as errors
from registry.domain.problems import HubUnavailable, OutcomeUnknown, Refusal
from registry.domain.registry import (
    MAX_BYTES,
    REMEMBERED,
    Birth,
    ClosedBy,
    Item,
    Registry,
    Standing,
    Stats,
    Verdict,
)
from registry.durable import names
from registry.durable.messages import dump, to_registry, to_stats
from registry.durable.names import list_entity
from registry.durable.pace import pace
from registry.durable.stats_reporter import observer, tell_stats
from registry.durable.task_hub import TaskHub

PING_PATIENCE = 3.0  # seconds in which a healthy task hub answers
AGAIN = 1.0  # seconds without an effect after which a message is sent again

Send = Callable[[], Awaitable[None]]


class Registries:
    """Opens, changes and shows registries, for one request.

    Every method raises Refusal where that is the answer, HubUnavailable among them. One that waits
    for an effect raises OutcomeUnknown where it cannot be read before the deadline of the hub.
    """

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub

    async def open(self, birth: Birth) -> None:
        """Open a registry under a new id. The stats hear of it first, so that it is healed whatever
        fails then.
        """
        await tell_stats(self._hub, Registry.announced(birth))
        await asyncio.gather(
            self._hub.have_started(names.LIFE, birth.id, birth=dump(birth)),
            self._hub.have_signalled(list_entity(birth.id), "open", birth=dump(birth)),
        )

    async def peek(self, id: str) -> Registry:
        """The registry; where its time is up, as it was closed, if that can be read in time."""
        registry = await self._find(id)
        with suppress(OutcomeUnknown):
            return await self._closed_if_due(registry)
        return registry

    async def add(self, id: str, item: Item) -> int:
        """Put the item into the registry, for good unless it is taken back; returns how many items
        it has then.
        """
        unknown = "The item was sent, but is not yet known to be in the registry. Retry with the same Idempotency-Key."
        send = partial(self._signal, id, "add", key=item.key, text=item.text)
        return await self._change(id, send, lambda registry: registry.judge(item), "known", unknown)

    async def remove(self, id: str, key: str) -> int:
        """Take the item with this key out for good, also if its add is still on its way; returns
        how many are left.
        """
        unknown = "The item is being removed. Repeat this to see the outcome."
        send = partial(self._signal, id, "remove", key=key)
        return await self._change(
            id, send, lambda registry: registry.judge_removal(key), "removed", unknown
        )

    async def finish(self, id: str) -> Registry:
        """Close the registry and return it; one that is closed already is returned as it is."""
        registry = await self._opened(id)
        if registry.is_closed:
            return registry
        closed, _ = await asyncio.gather(
            self._closed(registry.birth, "user"), self._end_life(registry.birth)
        )
        return closed

    async def process(self, id: str) -> Registry:
        """Have a closed registry sent again, unless it is being sent; returns it as it stands then."""
        registry = await self._closed_if_due(await self._find(id))
        if not registry.is_closed:
            closes_at = to_text(registry.birth.closes_at)
            raise Refusal(
                errors.STILL_OPEN,
                f"The registry is open until {closes_at}, and is sent when it closes.",
            )
        number = registry.sends
        if registry.processing != "pending":
            if seconds := registry.seconds_until_again(clock.utc_now()):
                raise Refusal(
                    errors.SENT_JUST_NOW,
                    "The registry was sent again just now.",
                    retry_after=seconds,
                )
            number += 1
        send = partial(self._deliver, registry, number)
        unknown = "The registry is about to be sent. Peek at it to see the outcome."
        registry = await self.until(id, send, lambda registry: registry.sends >= number, unknown)
        await tell_stats(
            self._hub, registry
        )  # so that it is healed, if its delivery ends before it can tell them
        return registry

    async def settle(self, birth: Birth, by: ClosedBy) -> Registry:
        """See to it that a registry is closed on record, is sent, and is counted; anybody may, any
        number of times.
        """
        registry = await self.read(birth.id)
        if registry is None or not registry.is_closed:
            registry = await self._closed(birth, by)
        if registry.processing == "pending":
            await self._deliver(registry, registry.sends)
        await tell_stats(self._hub, registry)
        return registry

    async def heal(self, id: str, standing: Standing) -> None:
        """Settle a registry that is due, but of which the stats have heard nothing more."""
        registry, birth, now = await self.read(id), standing.birth, clock.utc_now()
        if registry or standing.phase == "pending":
            birth = registry.birth if registry else None
        elif birth is None or now > birth.closes_at + REMEMBERED:
            life = await self._hub.instance(id)
            birth = names.birth_of(id, life.input) if life and life.status != "Completed" else None
        if birth is None:  # it was forgotten: nothing is left of it but that it was counted
            phase, revision = standing.previous or "off", standing.revision + 1
            gone = dump(replace(standing, revision=revision, phase=phase, due=now, closed_at=now))
            await self._hub.have_signalled(names.stats_entity(id), "observe", id=id, standing=gone)
        elif now < birth.closes_at and not (
            registry and registry.is_closed
        ):  # an older version did not note its end
            await tell_stats(self._hub, registry or Registry.announced(birth))
        elif registry and standing.phase == "pending" and registry.revision < standing.revision:
            await self._deliver(
                registry, registry.sends + 1
            )  # somebody asked for it, but its list has not heard
        else:
            await self.settle(birth, "timeout")

    async def ping(self) -> None:
        """See whether the task hub answers, as fast as a healthy one does."""
        await TaskHub(self._hub.client, patience=PING_PATIENCE).read(names.stats_entities()[0])

    async def stats(self) -> Stats:
        """The counts over all registries."""
        states = await asyncio.gather(*map(self._hub.read, names.stats_entities()))
        return reduce(add, (to_stats(state) for state in states if state), Stats())

    async def read(self, id: str) -> Registry | None:
        """The registry as its list has committed it, or None while that is not open."""
        state = await self._hub.read(list_entity(id))
        return to_registry(state, id) if state else None

    async def until(
        self, id: str, send: Send, is_done: Callable[[Registry], bool], unknown: str
    ) -> Registry:
        """Send a message, and again after each second without its effect; return the registry that
        shows it.
        """
        with suppress(HubUnavailable):  # where no read succeeds
            while self._hub.remaining > 0:
                with suppress(HubUnavailable):  # the message may be on its way all the same
                    await send()
                if registry := await self._seen(id, is_done):
                    return registry
        raise OutcomeUnknown(unknown)

    async def _seen(self, id: str, is_done: Callable[[Registry], bool]) -> Registry | None:
        """The registry once it is as wanted, or None where it is not within a second."""
        reads = 0
        async for _ in self._hub.delays(AGAIN, pace.delay):
            registry, reads = await self.read(id), reads + 1
            if registry is not None and is_done(registry):
                pace.learn(was_in_time=reads == 1)
                return registry
        return None

    async def _change(
        self,
        id: str,
        send: Send,
        judge: Callable[[Registry], Verdict],
        success: Verdict,
        unknown: str,
    ) -> int:
        """Send a change, unless it is decided already, and return how many items there are once it
        has succeeded.
        """
        registry = await self._opened(id)
        if judge(registry) == "undecided":
            registry = await self.until(
                id, send, lambda registry: judge(registry) != "undecided", unknown
            )
        if (verdict := judge(registry)) != success:
            raise _refusal(verdict, registry)
        if (
            not registry.is_closed
        ):  # else who settles it tells the stats, which may have forgotten it since
            observer.observe(self._hub, registry)
        return len(registry.items)

    async def _signal(self, id: str, operation: str, **content: object) -> None:
        await self._hub.signal(list_entity(id), operation, **content)

    async def _find(self, id: str) -> Registry:
        """The registry; new and empty while its life has begun but its list is not open."""
        registry = await self.read(id) or await self._announced(id)
        if registry is None:
            raise Refusal(errors.UNKNOWN, "There is no registry with this id.")
        return registry

    async def _announced(self, id: str) -> Registry | None:
        """A registry whose list was not there, as its life knows it."""
        life = await self._hub.instance(id)
        if life is None or life.name != names.LIFE:
            return None
        if (
            life.status == "Completed"
        ):  # then its list was opened meanwhile, or it is being forgotten
            return await self.read(id)
        birth = names.birth_of(id, life.input)
        return Registry.announced(birth) if clock.utc_now() < birth.closes_at + REMEMBERED else None

    async def _opened(self, id: str) -> Registry:
        """The registry once its list is open; where its time is up, as it was closed."""
        registry = await self._find(id)
        birth = registry.birth
        if not registry.revision and clock.utc_now() < birth.closes_at:
            send = partial(self._signal, id, "open", birth=dump(birth))
            unknown = "The registry is still being opened. Try again."
            registry = await self._seen(id, bool) or await self.until(id, send, bool, unknown)
        return await self._closed_if_due(registry)

    async def _closed_if_due(self, registry: Registry) -> Registry:
        """The registry; where its time is up and its close is not on record, once that is so."""
        if registry.is_closed or clock.utc_now() < registry.birth.closes_at:
            return registry
        return await self._closed(registry.birth, "timeout")

    async def _closed(self, birth: Birth, by: ClosedBy) -> Registry:
        """Ask the list to close until its close is on record."""
        send = partial(self._signal, birth.id, "close", birth=dump(birth), by=by)
        unknown = "The registry is being closed. Repeat this to see the outcome."
        return await self.until(birth.id, send, lambda registry: registry.is_closed, unknown)

    async def _end_life(self, birth: Birth) -> None:
        """Have the life of a registry settle it, now that it is finished; do so in its place where
        it does not hear.
        """
        with suppress(HubUnavailable, OutcomeUnknown):  # then the timer settles it, or heal
            try:
                await self._hub.raise_event(names.FINISH, birth.id)
            except HubUnavailable:
                await self.settle(birth, "user")

    async def _deliver(self, registry: Registry, number: int) -> None:
        """Have the delivery of this number under way, or the one before it."""
        id, backoff = registry.birth.id, dump(registry.birth.backoff)
        details = {"id": id, "number": number, "backoff": backoff, "began": None, "failures": 0}
        await self._hub.have_started(names.DELIVERY, names.delivery_instance(id), **details)


def _refusal(verdict: Verdict, registry: Registry) -> Refusal:
    most, closed_at = (
        registry.birth.max_items,
        to_text(registry.closed_at or registry.birth.closes_at),
    )
    full = f"The registry is full: it takes at most {most} items, and {MAX_BYTES // 1024} KiB of texts and keys."
    refusals = {
        "reused": Refusal(
            errors.KEY_REUSED, "The Idempotency-Key stands for another item in this registry."
        ),
        "removed": Refusal(errors.REMOVED, "The item with this Idempotency-Key was taken back."),
        "full": Refusal(errors.FULL, full),
        "closed": Refusal(
            errors.CLOSED, f"The registry closed at {closed_at} and changes no more."
        ),
    }
    return refusals[verdict]
