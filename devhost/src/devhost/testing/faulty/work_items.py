"""Work items that are committed late, executed again, or executed by a worker that dies."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from devhost.engine.decisions import Decision, WorkItem
from devhost.engine.entities import EntityDecision, EntityItem
from devhost.engine.orchestrations import OrchestrationItem
from devhost.engine.work_items import MOST_TAKEN, ActivityOutcome, WorkItemSource
from devhost.functions.errors import WorkerExit
from devhost.replay.protocol import from_timestamp, timestamp
from devhost.storage.rows import Activity, is_entity
from devhost.testing.faults import Faults
from devhost.testing.faulty.processes import WorkerDied
from devhost.testing.faulty.store import FaultyStore

clock_skew: ContextVar[float] = ContextVar("clock_skew", default=0.0)
"""How many seconds the clock is ahead that the running function or entity should see."""


@dataclass(frozen=True)
class ExecutedItem(WorkItem):
    """A batch of an entity that was executed, and whose replies have left."""

    decision: EntityDecision

    @property
    def function(self) -> str:
        return self.decision.item.function

    def execute(self) -> Decision:
        return self.decision

    def failure(self, error: Exception) -> Decision:
        return self.decision.item.failure(error)

    def exit(self, error: WorkerExit) -> None:
        raise AssertionError("it was executed before")


class FaultyWorkItems:
    """Wraps a source of work items."""

    def __init__(
        self,
        work_items: WorkItemSource,
        store: FaultyStore,
        faults: Faults,
        on_worker_death: Callable[[], None],
    ) -> None:
        self._work_items = work_items
        self._store = store
        self._faults = faults
        self._on_worker_death = on_worker_death
        self._executed: dict[str, ExecutedItem] = {}
        """Batches that are to be committed late, by their targets, which stay locked."""

    def take(self, now: datetime, limit: int = MOST_TAKEN) -> list[WorkItem]:
        ready = [item for item in self._executed.values() if item.at <= timestamp(now)]
        for item in ready:
            del self._executed[item.target]
        return [*self._work_items.take(now, limit), *ready]

    def execute(self, item: WorkItem) -> Decision | None:
        if not isinstance(item, EntityItem):
            return self._work_items.execute(item)
        before = clock_skew.set(self._faults.skew("entityTrigger"))
        try:
            return self._work_items.execute(item)
        finally:
            clock_skew.reset(before)

    def complete(self, item: WorkItem, decision: Decision | None, now: datetime) -> list[Activity]:
        if isinstance(item, OrchestrationItem):
            return self._complete_turn(item, decision, now)
        if isinstance(item, EntityItem) and isinstance(decision, EntityDecision):
            return self._complete_batch(item, decision, now)
        return self._work_items.complete(item, decision, now)

    def abandon(self, item: WorkItem) -> None:
        self._work_items.abandon(item)

    def abandon_all(self) -> None:
        self._executed.clear()
        self._work_items.abandon_all()

    def next_due(self) -> str | None:
        dues = [item.at for item in self._executed.values()]
        other = self._work_items.next_due()
        return min(dues if other is None else [other, *dues], default=None)

    def complete_activity(self, activity: Activity, outcome: ActivityOutcome) -> None:
        self._work_items.complete_activity(activity, outcome)

    def lose(self, now: datetime, until: str) -> None:
        """Forget everything that was taken, as a host that dies. It comes again at `until`.

        That is all that was to be committed late, and some of what is due about now.
        """
        for item in self._executed.values():
            self._store.reschedule(item.inbox, until)
        self.abandon_all()

        messages = self._store.in_hand(now)
        taken = [each for each in messages if self._faults.happens("message_in_hand")]
        self._store.reschedule(taken, until)

    def _complete_batch(
        self, item: EntityItem, decision: EntityDecision, now: datetime
    ) -> list[Activity]:
        if self._faults.happens("worker_dies_in_turn"):
            self._on_worker_death()
            return self._execute_again(item, self._faults.again_seconds())

        fault, seconds = self._faults.commit_fault()
        if fault == "committed":
            return self._work_items.complete(item, decision, now)

        self._store.enqueue(decision.replies)
        if fault == "executed again":
            return self._execute_again(item, seconds)
        return self._commit_late(item, decision, seconds)

    def _commit_late(
        self, item: EntityItem, decision: EntityDecision, seconds: float
    ) -> list[Activity]:
        due = _after(item.at, seconds)
        self._store.reschedule(item.inbox, due)
        self._executed[item.target] = ExecutedItem(
            target=item.target,
            inbox=item.inbox,
            at=due,
            functions=item.functions,
            config=item.config,
            decision=replace(decision, replies=[]),
        )
        return []

    def _complete_turn(
        self, item: OrchestrationItem, decision: Decision | None, now: datetime
    ) -> list[Activity]:
        if self._faults.happens("worker_dies_in_turn"):
            self._on_worker_death()
            return self._work_items.complete(item, item.exit(WorkerDied()), now)
        if not self._faults.happens("turn_again"):
            return self._work_items.complete(item, decision, now)

        with self._store.recording() as sent, self._store.rolled_back():
            self._work_items.complete(item, decision, now)
        self._store.enqueue(each for each in sent if is_entity(each.target))
        return self._execute_again(item, self._faults.again_seconds())

    def _execute_again(self, item: WorkItem, seconds: float) -> list[Activity]:
        """Have the messages of an item taken again later."""
        self._store.reschedule(item.inbox, _after(item.at, seconds))
        self.abandon(item)
        return []


def _after(at: str, seconds: float) -> str:
    return timestamp(from_timestamp(at) + timedelta(seconds=seconds))
