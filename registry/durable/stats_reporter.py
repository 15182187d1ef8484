"""How the stats hear of changes. What is lost with its process is made good when the registry is
settled.
"""

import asyncio
import logging
from datetime import timedelta

from registry import clock
from registry.domain.problems import HubUnavailable
from registry.domain.registry import Registry, Standing
from registry.durable.messages import dump
from registry.durable.names import stats_entity
from registry.durable.task_hub import TaskHub

log = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between two observations of a registry


async def tell_stats(hub: TaskHub, registry: Registry, reports_in: float = 0) -> None:
    """Tell the stats where a registry stands, and in how many seconds its delivery will report, if
    it is pending.
    """
    id, reports_at = registry.birth.id, clock.utc_now() + timedelta(seconds=reports_in)
    await hub.have_signalled(
        stats_entity(id), "observe", id=id, standing=dump(Standing.of(registry, reports_at))
    )


class Observer:
    """Tells the stats of registries, of one once a second: the first news at once, the last of a
    burst at the end.
    """

    def __init__(self) -> None:
        self._news: dict[str, tuple[TaskHub, Registry] | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}  # the loop itself keeps none

    def observe(self, hub: TaskHub, registry: Registry) -> None:
        """Have the stats told of a registry that was read."""
        id = registry.birth.id
        if id not in self._news:
            self._tasks[id] = asyncio.create_task(self._report(id))
        waiting = self._news.get(id)
        if waiting is None or waiting[1].revision <= registry.revision:
            self._news[id] = hub, registry

    async def _report(self, id: str) -> None:
        """Tell the news, until there are none for the length of an interval."""
        try:
            while news := self._news[id]:
                self._news[id] = None
                try:
                    await tell_stats(TaskHub(news[0].client, news[0].trace), news[1])
                except HubUnavailable:
                    log.warning("registry %s: the stats were not told of a change", id[:8])
                await clock.sleep(INTERVAL)
        finally:
            del self._news[id], self._tasks[id]


observer = Observer()  # that of this process
