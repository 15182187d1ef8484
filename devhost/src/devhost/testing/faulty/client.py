"""A Durable client whose messages arrive twice now and then."""

from devhost.engine.client import DurableClient
from devhost.testing.faults import Faults
from devhost.testing.faulty.wrapping import Wrapper


class FaultyClient(Wrapper):
    """Wraps a client, and repeats its events and signals."""

    def __init__(self, client: DurableClient, faults: Faults) -> None:
        super().__init__(client)
        self._client = client
        self._faults = faults

    def raise_event(self, id: str, name: str, data: str) -> None:
        for _ in range(self._faults.copies()):
            self._client.raise_event(id, name, data)

    def signal(self, entity: str, operation: str, input: str | None) -> None:
        for _ in range(self._faults.copies()):
            self._client.signal(entity, operation, input)
