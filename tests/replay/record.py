"""Record the histories of this version: `python -m tests.replay.record`.

To release a version whose orchestrators ask for other things than those of the one before:

1. Raise `defaultVersion` in host.json and `__version__` in registry/__init__.py together.
2. Run `python -m tests.replay.record`, which writes tests/replay/histories/<defaultVersion>; commit
it.
3. Never change the folders of versions that were released: tests/replay/test_replay.py replays them
with today's code.
   What was open at the deployment goes on only where they pass. Where they cannot, branch on
   `context.version`.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from devhost.engine.client import DurableClient
from devhost.functions.app import App
from devhost.functions.durable import DurableFunctions
from devhost.settings.files import read_host_json
from devhost.storage.rows import NEVER
from devhost.testing.histories import FOLDER, Execution, Recorder, save
from devhost.testing.virtual_host import ROOT, VirtualHost, registry_app
from registry.domain.moments import to_text
from registry.durable.orchestrators import ATTEMPTS_PER_HISTORY as ATTEMPTS_A_HISTORY
from tests.scenarios.world import ERROR, Receiver, answering, host_with

Life = Callable[[VirtualHost, Receiver], object]


def finished(host: VirtualHost, receiver: Receiver) -> None:
    """Somebody finishes a registry, and it is delivered."""
    id = host.open()
    host.add(id, "Bike")
    host.advance(minutes=1)
    host.post(f"/api/finish/{id}")


def timed_out(host: VirtualHost, receiver: Receiver) -> None:
    """The time of a registry runs out."""
    host.add(host.open(), "Bike")
    host.advance(minutes=6)


def early_timer(host: VirtualHost, receiver: Receiver) -> None:
    """The timer fires long before its time, so there is another one."""
    id = host.open()
    with host.store.transaction():
        timers = [
            each
            for each in host.store.due(NEVER, 100)
            if each.target == id and each.timer is not None
        ]
        host.store.reschedule(timers, due="")
    host.advance(minutes=6)


def race(host: VirtualHost, receiver: Receiver) -> None:
    """The finish and the timer are there before the life takes either."""
    id = host.open()
    host.leap(minutes=5, seconds=1)
    raise_finish(host, id)
    host.advance(minutes=1)


def raise_finish(host: VirtualHost, id: str) -> None:
    """Have a finish wait for the next turn of a life."""
    message = json.dumps({"v": 1, "trace": "f" * 32, "sent_at": to_text(host.now())})
    with host.store.transaction():
        DurableClient(host.store, host.app.durable).raise_event(id, "finish", message)


def retried(host: VirtualHost, receiver: Receiver) -> None:
    """The receiver is down for a while."""
    receiver.statuses = [503, 500, 429]
    host.post(f"/api/finish/{host.open()}")
    host.advance(hours=1)


def sent_again(host: VirtualHost, receiver: Receiver) -> None:
    """Somebody asks for a second delivery."""
    id = host.open()
    host.post(f"/api/finish/{id}")
    receiver.statuses = [503]
    host.post(f"/api/process/{id}")
    host.advance(minutes=1)


def begun_anew(host: VirtualHost, receiver: Receiver) -> None:
    """A delivery fails so often that it begins a new history."""
    host.choose(PROCESSING_LONGEST_RETRY_SECONDS=600, PROCESSING_RETRY_HOURS=168)
    receiver.statuses = [503] * (ATTEMPTS_A_HISTORY + 1)
    host.post(f"/api/finish/{host.open()}")
    host.advance(hours=9)


def unsettled(host: VirtualHost, receiver: Receiver) -> None:
    """Settling fails twice, because the task hub does not answer; meanwhile a finish comes."""
    id = host.open()
    with answering(host, lambda call: ERROR):
        host.advance(minutes=5, seconds=5)
        raise_finish(host, id)
        host.advance(seconds=15)
    host.advance(minutes=1)


LIVES: tuple[Life, ...] = (
    finished,
    timed_out,
    early_timer,
    race,
    retried,
    sent_again,
    begun_anew,
    unsettled,
)


class Listened(App):
    """The app of this project, without its timers, and with a recorder that listens to its
    orchestrators.
    """

    def __init__(self, recorder: Recorder) -> None:
        app = registry_app()
        super().__init__([each for each in app.functions if each not in app.timers])
        self._recorder = recorder

    @property
    def durable(self) -> DurableFunctions:
        usual = super().durable
        listened = {
            name: self._recorder.listen(name, each) for name, each in usual.orchestrators.items()
        }
        return replace(usual, orchestrators=listened)


def record(life: Life) -> list[Execution]:
    """Have a life happen; returns the executions of its orchestrations, in order."""
    recorder, receiver = Recorder(), Receiver()
    with host_with(receiver, app=Listened(recorder), config=read_host_json(ROOT)) as host:
        life(host, receiver)
    return list(recorder.executions.values())


def version() -> str:
    """The version that orchestrations of today are started with."""
    document = json.loads((ROOT / "host.json").read_text())
    stated: str = document["extensions"]["durableTask"]["defaultVersion"]
    return stated


def main(folder: Path) -> None:
    """Write the recordings of all lives, in place of those that are there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for life in LIVES:
        for number, execution in enumerate(record(life), 1):
            save(execution, folder / f"{life.__name__}-{number}.json")


if __name__ == "__main__":
    main(FOLDER / version())
