"""A receiver that answers late or never holds up neither closing nor other registries.

Five hundred registries close within twenty seconds on a host with ten activity slots. The figures
are printed: `pytest -s -m "" --show-capture=no tests/scenarios/delivery/test_slow_receivers.py`.
"""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from unittest.mock import patch

import pytest

from devhost.testing import virtual_time
from tests.support.cases import cases
from tests.support.registry_host import Receiver, RegistryHost, moment

COUNT = 500
SLOTS = 10
"""Activities that run at once on the Consumption plan."""
TEN_SLOTS = {
    "AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions": str(SLOTS)
}
SECONDS_BETWEEN = 20 / COUNT
LINE = re.compile(
    r"event=(?P<event>closed|sent) registry=(?P<id>\w+)|registry (?P<failed>\w+): pro"
)


@dataclass
class Lateness:
    """Seconds after their closesAt, by the first digits of the registry's id."""

    closes: dict[str, float] = field(default_factory=dict)
    """Until the close was on record."""
    attempts: dict[str, float] = field(default_factory=dict)
    """Until the first attempt was made, or was stopped by the circuit breaker."""
    sent: dict[str, float] = field(default_factory=dict)
    """Until the delivery had ended."""

    def __str__(self) -> str:
        def of(name: str, all: dict[str, float]) -> str:
            seconds = [*all.values()] or [float("nan")]
            return f"{name} {len(all)}: {median(seconds):.1f} s, latest {max(seconds):.1f} s"

        return "; ".join(
            [of("closes", self.closes), of("first attempts", self.attempts), of("sent", self.sent)]
        )


class Storm(RegistryHost):
    """A host with ten slots, on which many registries are about to close at once."""

    def __init__(self, receiver: Receiver, **settings: object) -> None:
        with patch.dict(os.environ, TEN_SLOTS):
            super().__init__(receiver, REGISTRY_OPEN_SECONDS=60, **settings)
        self.closes_at: dict[str, datetime] = {}
        self.lateness = Lateness()

    async def open_all(self) -> list[str]:
        """Open registries; returns their ids, a second before the first one's end."""
        begin, ids = self.now(), []
        for _ in range(COUNT):
            opened = (await self.call("POST", "/api/open")).json()
            ids.append(opened["id"])
            self.closes_at[ids[-1][:8]] = moment(opened["closesAt"])
            await self.sleep(SECONDS_BETWEEN)

        await self.advance(seconds=59 - (self.now() - begin).total_seconds())
        return ids

    @contextmanager
    def measured(self, name: str) -> Iterator[Lateness]:
        """Note from the log what happens in the block."""
        handler = logging.Handler()
        handler.emit = self._note  # type: ignore[method-assign]
        log = logging.getLogger("registry")
        level = log.level
        log.setLevel("INFO")
        log.addHandler(handler)
        try:
            yield self.lateness
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
            print(f"\n{name}: {self.lateness}")

    def received(self, id: str) -> None:
        """Note that an attempt at a delivery was made."""
        self._add(self.lateness.attempts, id[:8])

    def _note(self, record: logging.LogRecord) -> None:
        if found := LINE.match(record.getMessage()):
            id = found["id"] or found["failed"]
            kinds = {"closed": self.lateness.closes, "sent": self.lateness.sent}
            self._add(kinds.get(found["event"], self.lateness.attempts), id)

    def _add(self, kind: dict[str, float], id: str) -> None:
        if id in self.closes_at:
            kind.setdefault(id, (self.now() - self.closes_at[id]).total_seconds())


Hangs = Callable[[str], bool]


def storm(hangs: Hangs, seconds: float = 3600, **settings: object) -> tuple[Storm, Receiver]:
    """A host whose receiver takes so many seconds for the registries that it hangs for."""
    receiver = Receiver()
    host = Storm(receiver, **settings)

    async def receive(*request: object) -> int:
        status = receiver.receive(*request)
        id = receiver.ids[-1]
        host.received(id)
        if hangs(id):
            await asyncio.sleep(seconds)
        return status

    host.receiver = receive
    return host, receiver


@pytest.mark.verify
@pytest.mark.parametrize("seconds", cases([10, 60], [10]))
@virtual_time
async def test_a_receiver_that_never_answers(seconds) -> None:
    """Every close is on record within 30 seconds, every first attempt within three minutes."""
    host, _ = storm(lambda id: True, PROCESSING_TIMEOUT_SECONDS=seconds)
    async with host:
        await host.open_all()
        with host.measured(f"never answers in {seconds} s") as lateness:
            await host.advance(minutes=2)
        assert len(lateness.closes) == len(lateness.attempts) == COUNT
        assert max(lateness.closes.values()) < 30
        assert max(lateness.attempts.values()) < 180


@pytest.mark.verify
@virtual_time
async def test_a_receiver_that_hangs_for_one_registry() -> None:
    """Nobody else notices, neither in the storm nor long after it."""
    slow: set[str] = set()
    host, _ = storm(slow.__contains__)
    async with host:
        ids = await host.open_all()
        slow.add(ids[0])
        with host.measured("hangs for one registry") as lateness:
            await host.advance(seconds=100)
            later = await host.open()
            host.closes_at[later[:8]] = host.now()
            await host.finish(later)
            await host.advance(seconds=100)
        assert len(lateness.closes) == len(lateness.attempts) == COUNT + 1
        assert max(lateness.sent.values()) < 5
        assert len(lateness.sent) == COUNT


@pytest.mark.verify
@virtual_time
async def test_a_receiver_that_recovers_after_a_minute() -> None:
    """Every delivery is made within its next pause."""
    end: list[datetime] = []
    host, _ = storm(lambda id: host.now() < end[0])
    async with host:
        await host.open_all()
        end.append(moment("2026-12-24T18:02:00Z"))
        with host.measured("recovers after a minute") as lateness:
            await host.advance(minutes=4)
        assert len(lateness.sent) == COUNT
        assert max(lateness.closes.values()) < 30
        assert max(lateness.sent.values()) < 180


@pytest.mark.verify
@pytest.mark.parametrize("seconds", [1, 5])
@virtual_time
async def test_a_receiver_that_is_slow(seconds) -> None:
    """It is sent all within its own time."""
    host, receiver = storm(lambda id: True, seconds)
    async with host:
        await host.open_all()
        with host.measured(f"takes {seconds} s") as lateness:
            await host.advance(minutes=8)
        assert len(lateness.sent) == COUNT
        assert max(lateness.sent.values()) < COUNT * seconds / SLOTS * 1.2 + 5
        assert len(receiver.ids) == COUNT


async def seconds_for(host: Storm, work: Callable[[], Awaitable[object]]) -> float:
    before = host.now()
    await work()
    return (host.now() - before).total_seconds()


@pytest.mark.verify
@virtual_time
async def test_callers_notice_nothing_of_a_receiver_that_never_answers() -> None:
    """A registry is opened, added to, shown and finished as quickly as without the storm."""
    host, _ = storm(lambda id: True)
    async with host:

        async def visit() -> None:
            id = await host.open()
            assert (await host.call("POST", f"/api/add/{id}?item=Bike")).status == 200
            assert (await host.call("GET", f"/api/peek/{id}")).status == 200
            finished = await host.call("POST", f"/api/finish/{id}")
            assert (finished.status, finished.json()["status"]) == (200, "Closed")

        await host.open_all()
        calm = await seconds_for(host, visit)
        with host.measured("visits"):
            await host.advance(seconds=10)
            during = [await seconds_for(host, visit) for _ in range(20)]
        print(f"a visit: {calm:.3f} s before, {max(during):.3f} s during the storm")
        assert max(during) < calm + 0.1
