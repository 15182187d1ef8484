"""A faulty host: the usual host, built from faulty parts."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from devhost.composition import BuildHost
from devhost.engine.client import DurableClient
from devhost.engine.dispatcher import Clock, MakeWorkers
from devhost.engine.work_items import WorkItems
from devhost.engine.workers import Workers
from devhost.functions.app import App
from devhost.functions.background import TaskFactory
from devhost.host import Host
from devhost.management.api import ManagementApi
from devhost.replay.protocol import timestamp
from devhost.settings.files import HostJson
from devhost.storage.rows import Activity, Query
from devhost.storage.store import Store, StoreError
from devhost.testing.faults import Faults
from devhost.testing.faulty.api import FaultyApi
from devhost.testing.faulty.client import FaultyClient
from devhost.testing.faulty.processes import HostDied, Supervisor, WorkerDied
from devhost.testing.faulty.store import MOST_IN_HAND, FaultyStore
from devhost.testing.faulty.work_items import FaultyWorkItems
from devhost.testing.faulty.worker import FaultyWorker, current_worker

LOOK_SECONDS = 0.02
LOOKS = 100
"""How many times it is looked whether a fault would do harm, before it happens anyway."""


def build_faulty_host(faults: Faults, load_app: Callable[[], App] | None = None) -> BuildHost:
    """A builder of hosts that have these faults, in place of `build_host`.

    `load_app` gives the app to each new worker. Without it, what an app keeps in its modules
    outlives its workers.
    """

    def build(
        app: App,
        store: Store,
        config: HostJson,
        clock: Clock,
        workers: MakeWorkers = Workers,
    ) -> tuple[Host, ManagementApi]:
        supervisor = Supervisor()
        faulty_store = FaultyStore(store, faults, clock)
        work_items = WorkItems(cast("Store", faulty_store), app.durable, config)
        client = DurableClient(cast("Store", faulty_store), app.durable, config)
        worker = FaultyWorker(app, work_items, faults, supervisor, load_app)
        faulty_work_items = FaultyWorkItems(
            work_items, faulty_store, faults, worker.kill_after_batch
        )
        run_times = FaultyRunTimes(faults)
        injector = FaultInjector(
            faults, clock, config, faulty_store, faulty_work_items, worker, run_times, supervisor
        )

        host = Host(
            app,
            cast("Store", faulty_store),
            clock,
            config,
            client=cast("DurableClient", FaultyClient(client, faults)),
            work_items=faulty_work_items,
            invoke=worker.invoke,
            run_times=run_times,
            workers=workers,
            companions=[injector],
        )
        return host, cast("ManagementApi", FaultyApi(ManagementApi(host), faults, supervisor))

    return build


class FaultyRunTimes:
    """Decides when and how often activities run."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._loop = asyncio.get_running_loop()
        self._not_before: dict[int, float] = {}
        """When activities may run at the earliest, by their seq, in the loop's time."""

    def __call__(self, activity: Activity) -> Sequence[float]:
        now = self._loop.time()
        wait = max(0.0, self._not_before.get(activity.seq, now) - now)
        second = self._faults.second_run()
        return [wait] if second is None else [wait, wait + second]

    def hold(self, activities: Sequence[Activity], seconds: float) -> None:
        """Run these activities after some seconds, unless they have to wait longer already."""
        now = self._loop.time()
        for activity in activities:
            held = self._not_before.get(activity.seq, now)
            self._not_before[activity.seq] = held if held > now else now + seconds


class FaultInjector:
    """Kills the worker and the host, and terminates orchestrations, now and then."""

    def __init__(
        self,
        faults: Faults,
        clock: Clock,
        config: HostJson,
        store: FaultyStore,
        work_items: FaultyWorkItems,
        worker: FaultyWorker,
        run_times: FaultyRunTimes,
        supervisor: Supervisor,
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._config = config
        self._store = store
        self._work_items = work_items
        self._worker = worker
        self._run_times = run_times
        self._supervisor = supervisor
        self._loop = asyncio.get_running_loop()
        self._task_factory = TaskFactory(self._loop, current_worker)
        self._tasks: list[asyncio.Task[None]] = []
        self._host: Host

    def start(self, host: Host) -> None:
        self._host = host
        self._task_factory.install()
        self._spawn("worker_deaths_a_minute", self._kill_worker, lambda: self._worker.is_busy)
        self._spawn("host_deaths_a_minute", self._kill_host, self._has_messages_in_hand)
        self._spawn("terminations_a_minute", self._terminate, lambda: True)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._task_factory.uninstall()

    def _spawn(
        self,
        rate: str,
        inject: Callable[[], Coroutine[Any, Any, None]],
        does_harm: Callable[[], bool],
    ) -> None:
        self._tasks.append(self._loop.create_task(self._inject(rate, inject, does_harm)))

    async def _inject(
        self,
        rate: str,
        inject: Callable[[], Coroutine[Any, Any, None]],
        does_harm: Callable[[], bool],
    ) -> None:
        """Inject a fault whenever its time has come, at a moment when it does harm if possible."""
        while (seconds := self._faults.seconds_until(rate)) is not None:
            await asyncio.sleep(seconds)
            for _ in range(LOOKS):
                if does_harm():
                    break
                await asyncio.sleep(LOOK_SECONDS)
            if not self._supervisor.process.is_dead and self._faults.inject(rate):
                await inject()

    async def _kill_worker(self) -> None:
        self._worker.kill(WorkerDied)

    async def _kill_host(self) -> None:
        """Let go of everything, and come back after some seconds."""
        self._supervisor.process.kill(HostDied)
        self._worker.kill(HostDied)
        self._host.halt()
        self._leave_behind()

        await asyncio.sleep(self._faults.down_seconds())
        self._supervisor.replace()
        self._host.resume()

    def _leave_behind(self) -> None:
        """Hold what was in hand until its visibility time-out has passed."""
        now = self._clock()
        visible = now + timedelta(seconds=self._config.control_queue_visibility)
        with self._store.transaction():
            self._work_items.lose(now, until=timestamp(visible))
        self._run_times.hold(self._store.activities(), self._config.work_item_visibility)

    def _has_messages_in_hand(self) -> bool:
        return bool(self._store.in_hand(self._clock()))

    async def _terminate(self) -> None:
        query = Query(statuses=("Pending", "Running"), limit=MOST_IN_HAND)
        running = self._store.instances(query)
        if not running:
            return

        id = self._faults.choose(running).id
        termination = self._host.submit(
            lambda client, now: client.terminate(id, "An operator was here.")
        )
        with suppress(StoreError, HostDied):
            await self._supervisor.process.run(termination)
