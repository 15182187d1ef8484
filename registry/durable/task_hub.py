"""The task hub as one request uses it. What is sent arrives at least once, in any order; what is
read is committed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import azure.durable_functions as df

from registry import clock
from registry.domain.problems import HubUnavailable
from registry.durable import management
from registry.durable.messages import VERSION, State
from registry.durable.pace import FIRST_DELAY

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE = 10.0
"""Seconds that a request may take: then the outcome of what was sent counts as not known, a call as
unanswered.
"""
LONGEST_DELAY = 0.5
"""Seconds between two attempts, or two reads of what a message is to change; they double up to
this.
"""


class TaskHub:
    """Calls of the Durable client, for one request. Each raises HubUnavailable where there is no
    answer in time.
    """

    def __init__(
        self, client: df.DurableOrchestrationClient, trace: str = "", patience: float = PATIENCE
    ) -> None:
        """`trace` is the caller's, for the log lines of what the request causes; `patience` is in
        seconds.
        """
        self.client, self.trace = client, trace
        self._deadline = clock.monotonic() + patience

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - clock.monotonic()

    async def read(self, entity: df.EntityId) -> State | None:
        """The state of an entity, or None where there is none. A read that fails is repeated."""
        answer = await self._insist(lambda: self.client.read_entity_state(entity))
        return (
            answer.entity_state or None if answer.entity_exists else None
        )  # "" is what remains of a deleted entity

    async def instance(self, id: str) -> management.Instance | None:
        """The instance with this id, or None where there is none. A look that fails is repeated."""
        return await self._insist(lambda: management.instance(self.client, id))

    async def signal(self, entity: df.EntityId, operation: str, **content: Any) -> None:
        """Send an entity a message, once: where this raises, the message may be on its way all the
        same.
        """
        await self.answer(self.client.signal_entity(entity, operation, self._message(content)))

    async def have_signalled(self, entity: df.EntityId, operation: str, **content: Any) -> None:
        """Send an entity a message, again until the task hub has accepted it."""
        await self._insist(
            lambda: self.client.signal_entity(entity, operation, self._message(content))
        )

    async def have_started(self, name: str, instance: str, **content: Any) -> None:
        """Start an orchestration, in place of one that has ended; again until it is under way,
        whoever started it.
        """

        async def start() -> None:
            try:
                await self.client.start_new(name, instance, self._message(content))
            except Exception:  # the SDK does not tell "it is running" from other failures
                existing = await management.instance(self.client, instance)
                if existing is None or existing.status in management.ENDED:
                    raise

        await self._insist(start)

    async def raise_event(self, event: str, instance: str) -> None:
        """Raise an event, once. Raises HubUnavailable too where nobody is there to take it any
        more.
        """
        await self.answer(self.client.raise_event(instance, event, self._message({})))

    async def answer(self, call: Awaitable[Result]) -> Result:
        """Await a call. Whatever it raises, or no answer in time, becomes HubUnavailable."""
        try:
            async with asyncio.timeout(self.remaining):
                return await call
        except (
            Exception
        ) as error:  # the SDK raises bare Exception for each answer it does not expect
            raise HubUnavailable from error

    async def delays(self, seconds: float, first: float = FIRST_DELAY) -> AsyncIterator[None]:
        """Sleep with growing delays for so many seconds, but not beyond the deadline; yield after
        each.
        """
        end, delay = min(clock.monotonic() + seconds, self._deadline), first
        while (remaining := end - clock.monotonic()) > 0:
            await clock.sleep(min(delay, remaining))
            if self.remaining < FIRST_DELAY:  # a call could not be answered in time
                return
            yield
            delay = min(2 * max(delay, FIRST_DELAY), LONGEST_DELAY)

    def _message(self, content: dict[str, Any]) -> dict[str, Any]:
        return {
            "v": VERSION,
            "trace": self.trace,
            "sent_at": clock.to_text(clock.utc_now()),
            **content,
        }

    async def _insist(self, call: Callable[[], Awaitable[Result]]) -> Result:
        with suppress(HubUnavailable):
            return await self.answer(call())
        async for _ in self.delays(self.remaining):
            with suppress(HubUnavailable):
                return await self.answer(call())
        log.warning("the task hub does not answer")
        raise HubUnavailable
