"""Requests to the management API of a task hub: what they are called, counted and answered."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest, ManagementResponse

__all__ = ["Costs", "Decide", "ManagementRequest", "ManagementResponse", "ObservedManagement"]

Decide = Callable[[ManagementRequest], ManagementResponse | None]
"""Answers a request to the management API in a test, or returns None to let the host do it."""

READS = ("read", "status", "query")


class Costs(Counter[str]):
    """How many requests of each kind were sent to the task hub.

    Kinds are named like "signal RegistryList.add", "read RegistryList", "start Orchestration" or
    "status".
    """

    @property
    def reads(self) -> int:
        """Reads of entities, status queries, and pages of lists."""
        return sum(count for name, count in self.items() if name.split()[0] in READS)

    @property
    def messages(self) -> int:
        """Starts, signals, events, and everything else that changes something."""
        return self.total() - self.reads


class ObservedManagement(ManagementApi):
    """The management API of a host, whose requests are counted and may be answered by a test."""

    def __init__(self, management: ManagementApi) -> None:
        self._management = management
        self._costs = Costs()
        self._deciders: list[Decide] = []

    async def answer(self, call: ManagementRequest) -> ManagementResponse:
        """Count a request and answer it."""
        self._costs[kind_of(call)] += 1

        for decide in reversed(self._deciders):
            if (response := decide(call)) is not None:
                return response
        return await self._management.answer(call)

    @contextmanager
    def counting(self) -> Iterator[Costs]:
        """Count the requests that are sent in the block."""
        before, self._costs = self._costs, Costs()
        try:
            yield self._costs
        finally:
            self._costs = Costs(before + self._costs)

    @contextmanager
    def intercepted(self, decide: Decide) -> Iterator[None]:
        """Ask `decide` first, for each request in the block."""
        self._deciders.append(decide)
        try:
            yield
        finally:
            self._deciders.remove(decide)


def kind_of(request: ManagementRequest) -> str:
    """What a request to the management API does, in words for Costs."""
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    match request.method, parts:
        case "POST", ["orchestrators", name, *_]:
            return f"start {name}"
        case "POST", ["entities", name, _]:
            return f"signal {name}.{request.query.get('op', '')}"
        case "POST", ["instances", _, "raiseEvent", name]:
            return f"event {name}"
        case "POST", ["instances", _, operation]:
            return operation
        case "GET", ["entities", name, _]:
            return f"read {name}"
        case "GET", ["instances", _]:
            return "status"
        case "GET", _:
            return "query"
        case "DELETE", _:
            return "purge"
    return f"{request.method} {request.path}"
