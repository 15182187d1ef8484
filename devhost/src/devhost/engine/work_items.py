"""The work items of a task hub: what workers take, execute, and complete or abandon.

The caller owns the transaction in which items are taken or completed. They are executed outside of
it. The names are those of the Durable Task Framework's IOrchestrationService.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from devhost.engine.decisions import Decision, WorkItem
from devhost.engine.entities import EntityItem
from devhost.engine.failure_details import FailureDetails
from devhost.engine.messages import event_message
from devhost.engine.orchestrations import OrchestrationItem
from devhost.functions.durable import DurableFunctions
from devhost.functions.errors import WorkerExit
from devhost.replay.protocol import Event, EventType, timestamp
from devhost.settings.files import DEFAULTS, HostJson
from devhost.storage.rows import ENDED, NEVER, Activity, Message, is_entity
from devhost.storage.store import Store, StoreError

MOST_TAKEN = 1000
"""Messages that are taken at once."""
MOST_LOCKED = 10_000
"""Targets whose items are being executed. While there are so many, nothing more is taken.

A statement names them all.
"""
LONGEST_PAUSE = timedelta(seconds=60)
"""Between two tries of an item whose function ends its worker. The first pause is one second."""


@dataclass(frozen=True)
class ActivityOutcome:
    """How an activity ended: its result as JSON, or why it failed."""

    result: str | None = None
    failure: FailureDetails | None = None


class WorkItemSource(Protocol):
    """Gives work items to workers, and takes their decisions."""

    def take(self, now: datetime, limit: int = MOST_TAKEN) -> list[WorkItem]:
        """Take at most `limit` due messages. Returns their work items, one for each target.

        A target is locked until its item is completed or abandoned. Its messages stay in the store,
        so that a kill loses none.
        """

    def execute(self, item: WorkItem) -> Decision | None:
        """Run the function of an item. Uses no store, may take long, and never raises.

        None means that the item should be executed again later.
        """

    def complete(self, item: WorkItem, decision: Decision | None, now: datetime) -> list[Activity]:
        """Write a decision and unlock its target. Returns the activities that it schedules.

        A decision that cannot be written fails its own instance or batch. Nothing is written of
        what was purged in the meantime. Raises StoreError: then the transaction must not be kept.
        """

    def abandon(self, item: WorkItem) -> None:
        """Unlock the target at once, so that its messages can be taken again."""

    def abandon_all(self) -> None:
        """Unlock every target, as a process that starts anew."""

    def next_due(self) -> str | None:
        """When there is something to take. Empty means at once, None that there is nothing."""

    def complete_activity(self, activity: Activity, outcome: ActivityOutcome) -> None:
        """Send the outcome of an activity to its instance, unless that was done before."""


class WorkItems:
    """The work items of a store. WorkItemSource says what its methods do."""

    def __init__(
        self, store: Store, functions: DurableFunctions, config: HostJson = DEFAULTS
    ) -> None:
        self.functions = functions
        self._store = store
        self._config = config
        self._locked: dict[str, str] = {}
        """Until when nothing is taken of a target."""
        self._tries: dict[str, int] = {}
        """How often in a row a target's item was to be executed again."""

    def take(self, now: datetime, limit: int = MOST_TAKEN) -> list[WorkItem]:
        at = timestamp(now)
        self._locked = {target: until for target, until in self._locked.items() if until > at}
        if not self._takes_more():
            return []

        inboxes: dict[str, list[Message]] = {}
        for message in self._store.due(at, limit, self._locked):
            inboxes.setdefault(message.target, []).append(message)

        items = []
        for target, inbox in inboxes.items():
            item = self._make_item(target, inbox, at)
            if item is not None:
                items.append(item)
                self._locked[target] = NEVER
        return items

    def execute(self, item: WorkItem) -> Decision | None:
        try:
            return item.execute()
        except Exception as error:
            return item.failure(error)
        except BaseException as error:
            return item.exit(WorkerExit(error))

    def complete(self, item: WorkItem, decision: Decision | None, now: datetime) -> list[Activity]:
        if decision is None:
            self._execute_later(item, now)
            return []

        self._tries.pop(item.target, None)
        self.abandon(item)
        try:
            with self._store.savepoint():
                return self._apply(decision)
        except StoreError:
            raise
        except Exception as error:
            return self._apply(item.failure(error))

    def abandon(self, item: WorkItem) -> None:
        self._locked.pop(item.target, None)

    def abandon_all(self) -> None:
        self._locked.clear()

    def next_due(self) -> str | None:
        dues = [until for until in self._locked.values() if until < NEVER]
        if self._takes_more():
            free = self._store.next_due(self._locked)
            if free is not None:
                dues.append(free)
        return min(dues, default=None)

    def complete_activity(self, activity: Activity, outcome: ActivityOutcome) -> None:
        if not self._store.complete(activity):
            return
        event = _outcome_event(activity, outcome)
        message = event_message(activity.instance, event, execution=activity.execution)
        self._store.enqueue([message])

    def _takes_more(self) -> bool:
        return bool(self.functions) and len(self._locked) < MOST_LOCKED

    def _make_item(self, target: str, inbox: list[Message], at: str) -> WorkItem | None:
        """The work item of an inbox, or None if all of it is dropped."""
        functions, config = self.functions, self._config
        if is_entity(target):
            state = self._store.entity(target)
            return EntityItem(target, inbox, at, functions, config, state)

        instance = self._store.instance(target)
        if instance is None or instance.status in ENDED:
            self._store.dequeue(inbox)
            return None

        current = [each for each in inbox if each.execution in (None, instance.execution)]
        self._store.dequeue(each for each in inbox if each not in current)
        if not current:
            return None
        history = self._store.history(target)
        return OrchestrationItem(target, current, at, functions, config, instance, history)

    def _execute_later(self, item: WorkItem, now: datetime) -> None:
        """Keep the target locked for a pause that grows from one second to LONGEST_PAUSE."""
        tries = self._tries.get(item.target, 0)
        self._tries[item.target] = tries + 1
        pause = min(timedelta(seconds=2.0 ** min(tries, 16)), LONGEST_PAUSE)
        self._locked[item.target] = timestamp(now + pause)

    def _apply(self, decision: Decision) -> list[Activity]:
        was_purged = self._store.dequeue(decision.taken) == 0
        return [] if was_purged else decision.apply(self._store)


def _outcome_event(activity: Activity, outcome: ActivityOutcome) -> Event:
    if outcome.failure is None:
        return {
            "EventType": int(EventType.TASK_COMPLETED),
            "TaskScheduledId": activity.task,
            "Result": outcome.result,
        }
    return {
        "EventType": int(EventType.TASK_FAILED),
        "TaskScheduledId": activity.task,
        "Reason": outcome.failure.reason,
        "Details": outcome.failure.details,
    }
