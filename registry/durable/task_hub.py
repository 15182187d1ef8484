"""The task hub, as one request uses it: the SDK's client, with deadlines and retries.

A message arrives at least once, and in any order. What is read is committed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import aiohttp
import azure.durable_functions as df

from registry import clock
from registry.domain.moments import to_text
from registry.domain.problems import HubUnavailable
from registry.durable.messages import Message, MessageType, Signal

log = logging.getLogger(__name__)

Result = TypeVar("Result")

REQUEST_SECONDS = 10.0
"""A request is answered within these. What is still unknown then is answered as unknown."""
SHORTEST_DELAY, LONGEST_DELAY = 0.02, 0.5
"""Seconds between two tries of a call, or two reads; they double from one to the other."""
ENDED = ("Completed", "Failed", "Terminated", "Canceled")
CONTINUATION_HEADER = "x-ms-continuation-token"


class Instance(NamedTuple):
    """An instance of an orchestrator."""

    id: str
    name: str
    status: str
    input: Any

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""
        return self.status in ENDED


class TaskHubClient:
    """Calls to the task hub, all before one deadline.

    Each raises HubUnavailable where there is no answer in time.
    """

    def __init__(
        self,
        client: df.DurableOrchestrationClient,
        trace: str = "",
        seconds: float = REQUEST_SECONDS,
        logs: bool = True,
    ) -> None:
        """`trace` is the caller's trace id; it goes with every message.

        `logs` says whether a call without an answer is logged here.
        """
        self.client = client
        self.trace = trace
        self._logs = logs
        self._deadline = clock.monotonic() + seconds

    def renewed(self) -> "TaskHubClient":
        """The same, with a new deadline."""
        return TaskHubClient(self.client, self.trace, logs=self._logs)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - clock.monotonic()

    def message(self, kind: type[MessageType], **members: Any) -> MessageType:
        """A message that is sent now, for this request."""
        return kind(trace=self.trace, sent_at=clock.utc_now(), **members)

    async def read(self, entity: df.EntityId) -> Any:
        """The state of an entity, or None where there is none. A read that fails is repeated."""
        answer = await self._retry(lambda: self.client.read_entity_state(entity))
        # A deleted entity has the state "".
        return answer.entity_state or None if answer.entity_exists else None

    async def instance(self, id: str) -> Instance | None:
        """The instance with this id, or None where there is none. A look that fails is repeated."""
        return await self._retry(lambda: find_instance(self.client, id))

    async def signal(self, entity: df.EntityId, signal: Signal) -> None:
        """Signal an entity once. Where this raises, the signal may be on its way all the same."""
        await self.answer(self.client.signal_entity(entity, signal.operation, signal.to_json()))

    async def ensure_signalled(self, entity: df.EntityId, signal: Signal) -> None:
        """Signal an entity, again until the task hub has accepted it."""
        await self._retry(
            lambda: self.client.signal_entity(entity, signal.operation, signal.to_json())
        )

    async def ensure_started(self, name: str, id: str, message: Message) -> None:
        """Start an instance in place of one that has ended; again until it runs.

        Another caller may have started it.
        """

        async def start() -> None:
            try:
                await self.client.start_new(name, id, message.to_json())
            except Exception:  # The SDK does not tell "it is running" from other failures.
                running = await find_instance(self.client, id)
                if running is None or running.has_ended:
                    raise

        await self._retry(start)

    async def raise_event(self, id: str, event: str, message: Message) -> None:
        """Raise an event once. Raises HubUnavailable also where no instance takes it any more."""
        await self.answer(self.client.raise_event(id, event, message.to_json()))

    async def ensure_terminated(self, id: str, reason: str) -> None:
        """Terminate an instance, and wait until it has ended."""
        await self.answer(self.client.terminate(id, reason))
        async for _ in self.delays(self.remaining):
            instance = await self.instance(id)
            if instance is None or instance.has_ended:
                return

        raise HubUnavailable

    async def purge(self, id: str) -> None:
        """Delete an instance or an entity, with its history."""
        await self.answer(self.client.purge_instance_history(id))

    async def answer(self, call: Awaitable[Result]) -> Result:
        """Await a call. Whatever it raises becomes HubUnavailable, and so does no answer."""
        try:
            async with asyncio.timeout(self.remaining):
                return await call
        except Exception as error:  # The SDK raises Exception for each answer it does not expect.
            raise HubUnavailable from error

    async def delays(self, seconds: float, first: float = SHORTEST_DELAY) -> AsyncIterator[None]:
        """Sleep again and again for so many seconds, at most until the deadline.

        The delays double. It yields after each.
        """
        end = min(clock.monotonic() + seconds, self._deadline)
        delay = first
        while (left := end - clock.monotonic()) > 0:
            await clock.sleep(min(delay, left))
            if self.remaining < SHORTEST_DELAY:  # no call would be answered in time
                return
            yield
            delay = min(2 * max(delay, SHORTEST_DELAY), LONGEST_DELAY)

    async def _retry(self, call: Callable[[], Awaitable[Result]]) -> Result:
        with suppress(HubUnavailable):
            return await self.answer(call())

        async for _ in self.delays(self.remaining):
            with suppress(HubUnavailable):
                return await self.answer(call())

        if self._logs:
            log.warning("the task hub does not answer")
        raise HubUnavailable


# What the SDK's client cannot do: tell "there is none" from an answer of 500, and page through a
# query: https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api


async def find_instance(client: df.DurableOrchestrationClient, id: str) -> Instance | None:
    """The instance with this id, or None. Raises aiohttp.ClientError where that is not known."""
    _, found = await _get(client, f"instances/{id}", {"showInput": "true"})
    return _to_instance(found) if found else None


async def ended_before(
    client: df.DurableOrchestrationClient, moment: datetime
) -> AsyncIterator[Instance]:
    """All instances that were created before a moment and have ended. Raises aiohttp.ClientError.

    A page may be short or empty and yet not be the last: only its token tells.
    """
    query = {
        "createdTimeTo": to_text(moment),
        "runtimeStatus": ",".join(ENDED),
        "showInput": "false",
    }
    token = ""
    while True:
        headers, page = await _get(
            client, "instances/", query, {CONTINUATION_HEADER: token} if token else {}
        )
        for found in page or []:
            yield _to_instance(found)
        token = headers.get(CONTINUATION_HEADER, "")
        if not token:
            return


def _to_instance(found: Mapping[str, Any]) -> Instance:
    return Instance(found["instanceId"], found["name"], found["runtimeStatus"], found.get("input"))


async def _get(
    client: df.DurableOrchestrationClient,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> tuple[Mapping[str, str], Any]:
    """The headers and the JSON of an answer; None for 404."""
    # The SDK shows the address of its own calls nowhere else.
    url = client._orchestration_bindings.rpc_base_url + path
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers=headers) as answer,
    ):
        if answer.status == 404:
            return answer.headers, None
        answer.raise_for_status()
        return answer.headers, await answer.json(content_type=None)
