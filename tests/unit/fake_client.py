"""A mocked Durable client, with a registry behind it as a test sets it up."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

from azure.durable_functions import DurableOrchestrationClient, OrchestrationRuntimeStatus

from registry.model import Item, Registry, State
from tests.clock import START, FakeClock

ID = "0123456789abcdef0123456789abcdef"


@dataclass
class Status:
    """What get_status answers; without a creation time it is false, as the SDK's is."""

    name: str = "RegistryOrchestration"
    runtime_status: OrchestrationRuntimeStatus = OrchestrationRuntimeStatus.Running
    input_: str = ""
    last_updated_time: Any = START
    known: bool = True

    def __bool__(self) -> bool:
        return self.known


class FakeClient:
    """Mocks of the client's methods; `mock` is what the code under test gets."""

    def __init__(self) -> None:
        self.mock = AsyncMock(spec=DurableOrchestrationClient)
        self.registry: Registry | None = None
        self.shards: dict[str, State] = {}
        self.reads = 0
        self.on_read: Callable[[int], None] = lambda reads: None
        self.on_add: Callable[[Item], None] = lambda item: None
        self.mock.read_entity_state.side_effect = self._read
        self.mock.signal_entity.side_effect = self._signal
        self.mock.get_status.return_value = Status(known=False)

    async def _read(self, entity: Any) -> Any:
        if entity.name == "RegistryStats":
            state = self.shards.get(entity.key)
            return SimpleNamespace(entity_exists=state is not None, entity_state=state)
        self.reads += 1
        self.on_read(self.reads)
        state = self.registry and self.registry.to_state()
        return SimpleNamespace(entity_exists=state is not None, entity_state=state)

    async def _signal(self, entity: Any, operation: str, given: Any) -> None:
        if operation == "add":
            self.on_add(Item(*given[:2]))

    def takes_adds(self, clock: FakeClock) -> None:
        """From now on an add is in effect when its signal was sent."""
        self.on_add = lambda item: self.registry and self.registry.add(item, clock.now)

    def signals(self) -> list[tuple[str, Any]]:
        """Operations signalled so far, and their input."""
        return [(call.args[1], call.args[2]) for call in self.mock.signal_entity.call_args_list]
