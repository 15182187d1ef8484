"""The task hub as one call of the app uses it: calls through the Durable client that share one deadline.

What is sent reaches the task hub at least once, in any order, and some time later. What is read is committed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import azure.durable_functions as df

from registry import clock
from registry.clock import to_text
from registry.durable import management
from registry.errors import HubUnavailable
from registry.states import VERSION, State

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE = 10.0
"""Seconds that a request may take: then the outcome of what was sent counts as not known, a call as unanswered."""
FIRST_DELAY, LONGEST_DELAY = 0.02, 0.5
"""Seconds between reads of what a message is to change; they double. A commit on Azure Storage takes 15 to 50 ms."""


class TaskHub:
    """Calls of the Durable client, for one request. Each raises HubUnavailable where there is no answer in time."""

    def __init__(self, client: df.DurableOrchestrationClient, trace: str = "", patience: float = PATIENCE) -> None:
        """`trace` is the caller's, for the log lines of what the request causes; `patience` is in seconds."""
        self.client, self.trace = client, trace
        self._deadline = clock.monotonic() + patience

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - clock.monotonic()

    def message(self, **content: Any) -> dict[str, Any]:
        """The content in the envelope of every message (see `names`)."""
        return {"v": VERSION, "trace": self.trace, "sent_at": to_text(clock.utc_now()), **content}

    async def read(self, entity: df.EntityId) -> State | None:
        """The state of an entity, or None where there is none. A read that fails is repeated until the deadline.

        An empty text is what remains of an entity that was deleted, or that got an operation that it ignored.
        """
        answer = await self._insist(lambda: self.client.read_entity_state(entity))
        state: State | None = answer.entity_state or None
        return state if answer.entity_exists else None

    async def instance(self, id: str) -> management.Instance | None:
        """The instance with this id, or None where there is none."""
        return await self._insist(lambda: management.instance(self.client, id))

    async def signal(self, entity: df.EntityId, operation: str, **content: Any) -> None:
        """Send an entity a message, once: where this raises, the message may be on its way all the same."""
        await self.answer(self.client.signal_entity(entity, operation, self.message(**content)))

    async def have_signalled(self, entity: df.EntityId, operation: str, **content: Any) -> None:
        """Send an entity a message until the task hub has accepted it."""
        await self._insist(lambda: self.client.signal_entity(entity, operation, self.message(**content)))

    async def have_started(self, name: str, instance: str, **content: Any) -> None:
        """Have an orchestration under way, whoever started it. One that has ended is replaced."""

        async def start() -> None:
            try:
                await self.client.start_new(name, instance, self.message(**content))
            except Exception:  # the SDK does not tell "it is running" from other failures
                if not await self._is_alive(instance):
                    raise

        await self._insist(start)

    async def have_raised(self, event: str, instance: str, **content: Any) -> bool:
        """Raise an event until it is accepted; False where nobody is there to take it any more."""

        async def raise_event() -> bool:
            try:
                await self.client.raise_event(instance, event, self.message(**content))
            except Exception:  # the SDK tells "it has ended" from other failures by its message only
                if await self._is_alive(instance):
                    raise
                return False
            return True

        return await self._insist(raise_event)

    async def answer(self, call: Awaitable[Result]) -> Result:
        """Await a call. Whatever it raises, or no answer in time, becomes HubUnavailable."""
        try:
            async with asyncio.timeout(self.remaining):
                return await call
        except Exception as error:  # the SDK raises bare Exception for each answer it does not expect
            raise HubUnavailable from error

    async def delays(self, seconds: float) -> AsyncIterator[None]:
        """Sleep with growing delays for so many seconds, but not beyond the deadline; yield after each."""
        end, delay = min(clock.monotonic() + seconds, self._deadline), FIRST_DELAY
        while (remaining := end - clock.monotonic()) > 0:
            await clock.sleep(min(delay, remaining))
            if self.remaining < FIRST_DELAY:  # a call could not be answered in time
                return
            yield
            delay = min(2 * delay, LONGEST_DELAY)

    async def _insist(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Make a call until it succeeds."""
        with suppress(HubUnavailable):
            return await self.answer(call())
        async for _ in self.delays(self.remaining):
            with suppress(HubUnavailable):
                return await self.answer(call())
        log.warning("the task hub does not answer")
        raise HubUnavailable

    async def _is_alive(self, id: str) -> bool:
        existing = await management.instance(self.client, id)
        return existing is not None and existing.is_alive
