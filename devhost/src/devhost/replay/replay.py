"""The replay of an orchestration: history in, decisions out. Pure.

This is the protocol of azure-functions-durable (out-of-process schema V3). An orchestrator function
runs from the start at every turn. It answers with all actions that it has ever asked for, in order
and without ids, while history events refer to tasks by id.

Both sides number tasks alike: each action gets the next id when it is reached, except waits for
external events. So the history and the actions are walked side by side, as in the Durable
extension's OutOfProcOrchestrationShim: an action is reached when the one before it has completed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from devhost.replay.actions import ActionRunner
from devhost.replay.determinism import check
from devhost.replay.protocol import FAILURES, SCHEDULING, Action, Event, EventType, from_timestamp
from devhost.replay.tasks import Task


@dataclass
class Decisions:
    """What follows from a turn."""

    scheduled: list[Event]
    """Events to add to the history. Each schedules something."""
    cancelled_timers: list[int]
    """The ids of timers that are no longer wanted."""
    actions: int
    """How many actions there are by now, to be noted at the end of the turn."""
    next_input: str | None
    """The input of the next execution, as JSON, if the orchestrator continues as new."""
    unprocessed: list[Event]
    """External events for the next execution.

    No task has taken them, though this execution waited for their names. Events of other names are
    lost with the execution, as on the real host.
    """
    has_open_tasks: bool
    """Whether activities, sub-orchestrations or timers are still to come.

    The orchestration does not end before that. Cancelled timers do not count.
    """


def decide(
    history: Iterable[Event], actions: list[Action], instance: str, execution: str
) -> Decisions:
    """Replay a history, and return what the actions ask for beyond it.

    `instance` and `execution` are the ids of the orchestration. Raises OrchestrationError for
    actions that are not supported or contradict the history.
    """
    runner = ActionRunner(instance, execution)
    replay = Replay(actions, runner)
    past: dict[int, Event] = {}
    for event in history:
        replay.play(event)
        if event["EventType"] in SCHEDULING:
            past[event["EventId"]] = event
    replay.reach(len(actions))

    check(past, runner.scheduled)
    return Decisions(
        scheduled=[event for id, event in runner.scheduled.items() if id not in past],
        cancelled_timers=runner.cancelled_timers,
        actions=len(actions),
        next_input=runner.next_input,
        unprocessed=runner.unprocessed(),
        has_open_tasks=runner.has_open_tasks(),
    )


class Replay:
    """Walks history events and actions side by side."""

    def __init__(self, actions: list[Action], runner: ActionRunner) -> None:
        self._actions = actions
        self._runner = runner
        self._reached = 0
        self._current = Task(done=True)
        """The task of the action that was reached last."""

    def play(self, event: Event) -> None:
        """Let one event have its effect."""
        kind = event["EventType"]
        match kind:
            case EventType.ORCHESTRATOR_STARTED:
                self._runner.now = from_timestamp(event["Timestamp"])
            case EventType.EXECUTION_STARTED:
                self._advance()
            case EventType.TIMER_FIRED:
                self._complete(event["TimerId"])
            case EventType.EVENT_RAISED:
                if self._runner.raise_event(event):
                    self._advance()
            case EventType.ORCHESTRATOR_COMPLETED:
                # The orchestrator may have gone on where the replay sees no reason to, as with a
                # task_any over tasks of earlier actions. The history has what it had reached.
                self.reach(event["Actions"])
            case _ if "TaskScheduledId" in event:
                self._complete(event["TaskScheduledId"], failed=kind in FAILURES)

    def reach(self, count: int) -> None:
        """Reach so many actions, whether those before them have completed or not."""
        while self._reached < min(count, len(self._actions)):
            self._step()

    def _complete(self, id: int, failed: bool = False) -> None:
        if self._runner.complete(id, failed):
            self._advance()

    def _advance(self) -> None:
        """Reach further actions as long as the current one has completed."""
        while self._current.done and self._reached < len(self._actions):
            self._step()

    def _step(self) -> None:
        action = self._actions[self._reached]
        self._reached += 1
        self._current = self._runner.perform(action)
