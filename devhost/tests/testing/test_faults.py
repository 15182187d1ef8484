"""What goes wrong follows from a seed; and everything together, on an app in virtual time."""

import asyncio
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from devhost import testing
from devhost.testing import (
    FaultRates,
    Faults,
    NoResponse,
    VirtualHost,
    run,
)
from tests.testing.sample import MANAGEMENT, SOON, Sample

EVERYTHING = FaultRates(host_deaths_a_minute=2, worker_deaths_a_minute=6, terminations_a_minute=6)
OUTAGES = {"host_deaths_a_minute", "worker_deaths_a_minute", "terminations_a_minute"}


class Clients:
    """Clients that do all that the sample app has, and note what they get."""

    def __init__(self, host: VirtualHost) -> None:
        self.log: list[object] = []
        self._host = host

    async def all(self, count: int) -> None:
        """Run so many users of the management API, and one of a function, side by side."""
        await asyncio.gather(*map(self._user, range(count)), self._caller())

    async def _user(self, number: int) -> None:
        entity = f"entities/Bag/{number % 2}"
        for step in range(30):
            orchestrator = ["fills", "wraps", "naps"][step % 3]
            await self._send("POST", f"{MANAGEMENT}/orchestrators/{orchestrator}/{number}-{step}")
            await self._send("POST", f"{MANAGEMENT}/{entity}?op=put")
            await self._send("GET", f"{MANAGEMENT}/{entity}")
            await self._host.sleep(2)

    async def _caller(self) -> None:
        for _ in range(20):
            await self._send("GET", "/api/clock")
            await self._host.sleep(2)

    async def _send(self, method: str, path: str) -> None:
        body = b'"1"' if method == "POST" else b""
        try:
            response = await self._host.call(method, path, body=body)
            self.log.append((self._host.now(), path, response.status, response.body))
        except NoResponse:
            self.log.append((self._host.now(), path, "no response"))


async def all_of_a_run(seed: int, decided: Faults | None, clients: int) -> tuple[object, ...]:
    sample = Sample()
    async with VirtualHost(sample.app, seed=seed, faults=decided, config=SOON) as sample.host:
        users = Clients(sample.host)
        await users.all(clients)
        sample.host.stop_faults()
        await sample.host.advance(minutes=5)

        ended = [(each.id, each.status, each.output) for each in sample.host.instances()]
        return sorted(users.log, key=str), ended, sample.seen, sample.ran, sample.ended


def run_of(seed: int, decided: Faults | None, clients: int = 4) -> tuple[object, ...]:
    """All that can be seen of a run."""
    return run(all_of_a_run(seed, decided, clients))


@cache
def run_with_faults(seed: int) -> tuple[tuple[object, ...], Counter[str]]:
    """All that can be seen of a run with all faults, and how often each happened."""
    decided = Faults(seed, EVERYTHING)
    return run_of(seed, decided), decided.counts


def test_the_same_seed_gives_the_same_run() -> None:
    """To the microsecond, with all faults and many clients; another seed gives another one."""
    seen, counts = run_with_faults(1)
    again = Faults(1, EVERYTHING)
    assert run_of(1, again) == seen
    assert again.counts == counts
    assert set(counts) > OUTAGES

    assert run_of(1, Faults(2, EVERYTHING), 1) != run_of(1, Faults(1, EVERYTHING), 1)


def test_a_host_whose_faults_never_happen_is_like_any_other() -> None:
    """The usual host has no faults."""
    assert run_of(1, None, clients=1) == run_of(1, Faults(1, FaultRates.only()), clients=1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_stays_undone(seed) -> None:
    """When the faults have stopped, every orchestration comes to its end."""
    (_, ended, *_), _ = run_with_faults(seed)
    assert {status for _, status, _ in ended} <= {"Completed", "Failed", "Terminated"}


def test_each_fault_is_independent_of_the_others() -> None:
    """To turn another one on does not change when the first happens."""
    alone = Faults(5, FaultRates.only(timer_early=0.5))
    together = Faults(5, FaultRates.only(timer_early=0.5, commit_late=0.5))
    for _ in range(50):
        expected = alone.timer_seconds()
        together.commit_fault()
        assert together.timer_seconds() == expected


def test_each_rate_is_used() -> None:
    """Each of them does something."""
    source = "".join(path.read_text() for path in Path(testing.__file__).parent.rglob("*.py"))
    for rate in vars(FaultRates()):
        assert f'"{rate}"' in source, rate
