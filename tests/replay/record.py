"""Records what this version leaves in a task hub: `python -m tests.replay.record`.

To release a version whose orchestrators ask for something else than those of the one before:

1. Raise `defaultVersion` in host.json and `__version__` in registry/__init__.py together.
2. Run `python -m tests.replay.record`. It writes tests/replay/histories/<defaultVersion> and
   tests/replay/hubs/<defaultVersion>.json. Commit both.
3. Never change the recordings of versions that were released. Registries that are open when this
   version is deployed go on only if test_replay.py passes with them. Where the code has to ask for
   something else, branch on `context.version`.
"""

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from devhost.testing import run
from devhost.testing.histories import Recorder
from tests.replay import hubs
from tests.support.registry_host import (
    CLOSE_EVENT,
    ERROR,
    MANAGEMENT,
    ROOT,
    Receiver,
    RegistryHost,
)

FOLDER = Path(__file__).parent / "histories"
ATTEMPTS_A_HISTORY = 50
Scenario = Callable[[RegistryHost, Receiver], Awaitable[None]]


async def finished(host: RegistryHost, receiver: Receiver) -> None:
    """Somebody finishes a registry, and it is delivered."""
    id = await host.open()
    await host.add(id, "Bike")
    await host.advance(minutes=1)
    await host.finish(id)


async def timed_out(host: RegistryHost, receiver: Receiver) -> None:
    """The time of a registry runs out."""
    await host.add(await host.open(), "Bike")
    await host.advance(minutes=6)


async def early_timer(host: RegistryHost, receiver: Receiver) -> None:
    """The timer fires long before its time, so another one is set."""
    id = await host.open()
    fire_timers(host, id)
    await host.advance(minutes=6)


def fire_timers(host: RegistryHost, id: str) -> None:
    """Let the timers of an orchestration fire now."""
    with host.store.transaction():
        timers = [each for each in host.store.due("9", 1000) if each.target == id]
        host.store.reschedule([each for each in timers if each.timer is not None], "")


async def race(host: RegistryHost, receiver: Receiver) -> None:
    """The close event and the timer have both come before the orchestrator's next turn."""
    id = await host.open()
    host.suspend(minutes=5, seconds=1)
    await raise_close_event(host, id)
    await host.advance(minutes=1)


async def raise_close_event(host: RegistryHost, id: str) -> None:
    """Raise the event that ends a registry's orchestration, as a finish does."""
    message = {"v": 1, "trace": "f" * 32, "sent_at": host.now().isoformat()}
    response = await host.post(
        f"{MANAGEMENT}/instances/{id}/raiseEvent/{CLOSE_EVENT}",
        json.dumps(message).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status == 202


async def retried(host: RegistryHost, receiver: Receiver) -> None:
    """The receiver is down for a while."""
    receiver.statuses = [503, 500, 429]
    await host.finish(await host.open())
    await host.advance(hours=1)


async def sent_again(host: RegistryHost, receiver: Receiver) -> None:
    """Somebody asks for a second delivery."""
    id = await host.open()
    await host.finish(id)
    receiver.statuses = [503]
    await host.post(f"/api/process/{id}")
    await host.advance(minutes=1)


async def begun_anew(host: RegistryHost, receiver: Receiver) -> None:
    """A delivery fails so often that it goes on in a new history."""
    await host.restart(PROCESSING_LONGEST_RETRY_SECONDS=600, PROCESSING_RETRY_HOURS=168)
    receiver.statuses = [503] * (ATTEMPTS_A_HISTORY + 1)
    await host.finish(await host.open())
    await host.advance(hours=9)


async def close_failed(host: RegistryHost, receiver: Receiver) -> None:
    """Closing fails twice, because the task hub does not answer; meanwhile a close event comes."""
    id = await host.open()
    with host.intercepting(lambda request: ERROR):
        await host.advance(minutes=5, seconds=5)
    await raise_close_event(host, id)
    with host.intercepting(lambda request: ERROR):
        await host.advance(seconds=15)
    await host.advance(minutes=1)


SCENARIOS: tuple[Scenario, ...] = (
    finished,
    timed_out,
    early_timer,
    race,
    retried,
    sent_again,
    begun_anew,
    close_failed,
)
"""Their names are those of the files of 1.0."""


def record(scenario: Scenario) -> Recorder:
    """Record what orchestrators do in a scenario."""
    recorder, receiver = Recorder(), Receiver()

    async def play() -> None:
        async with RegistryHost(receiver, timers=False, wrap=recorder.watch) as host:
            await scenario(host, receiver)

    run(play())
    return recorder


def version() -> str:
    """The version with which orchestrations are started today."""
    document = json.loads((ROOT / "host.json").read_text())
    stated: str = document["extensions"]["durableTask"]["defaultVersion"]
    return stated


def main() -> None:
    """Write the recordings of this version, in the place of those that are there."""
    folder = FOLDER / version()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for scenario in SCENARIOS:
        record(scenario).save(folder, scenario.__name__)
    hubs.record(hubs.FOLDER / f"{version()}.json", ROOT)


if __name__ == "__main__":
    main()
