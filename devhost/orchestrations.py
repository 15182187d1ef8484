"""Orchestrations: what has come for an instance is a work item; to execute it is to run the orchestrator over it."""

import json
import logging
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from devhost.failures import WorkerExit, shown
from devhost.protocol import HTTP_ACTIVITY, Action, Event, EventType, OrchestrationError, join, split
from devhost.replay import Decisions, decide, retries
from devhost.store import Instance
from devhost.turns import Control, OrchestrationTurn, check_instance_id, failed, new_event
from devhost.work import Decision, WorkItem, short, unknown_function

log = logging.getLogger("devhost")

STATE_IN_ERROR = "\n\n$OutOfProcData$:"
"""What the SDK puts between the message of a failed orchestrator and the actions that it asked for."""
CONTROL = {EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED}
LIMITS = {
    # Longer timers are cut into pieces by the SDK, as for Azure Storage (whose limit is that of a queue message).
    "maximumShortTimerDuration": "6.00:00:00",
    "longRunningTimerIntervalDuration": "3.00:00:00",
    "defaultHttpAsyncRequestSleepTimeMillseconds": 30_000,
}


@dataclass(frozen=True)
class OrchestrationItem(WorkItem):
    """What has come for an instance."""

    instance: Instance
    chunks: list[str]
    """Its history, a value for each turn."""

    @property
    def function(self) -> str:
        return self.instance.name

    def execute(self) -> Decision:
        arrived = split(*(message.body for message in self.inbox))
        kinds = {event["EventType"] for event in arrived}
        if EventType.EXECUTION_TERMINATED in kinds:
            return self._outcome(self._events(arrived))
        if self.instance.status == "Suspended" or CONTROL & kinds:
            return Control(self.inbox, self.instance, self.at)
        return self._turn(self._events(arrived))

    def failure(self, error: Exception) -> Decision:
        if isinstance(error, OrchestrationError):
            reason, why = str(error), shown(error.__cause__) if error.__cause__ else str(error)
        else:
            reason, why = repr(error), shown(error)
        log.error("%s %s failed: %s", self.function, short(self.target), why)
        return self._outcome(self._events([]), failure=reason)

    def exit(self, error: WorkerExit) -> Decision:
        reason = failed(self.function, f"One or more errors occurred. ({error})")
        log.error("%s %s failed: %s", self.function, short(self.target), shown(error))
        return self._outcome(self._events([]), failure=reason)

    def _events(self, arrived: list[Event]) -> list[Event]:
        """The events that begin the turn."""
        events = [{"EventType": int(EventType.ORCHESTRATOR_STARTED)}, *arrived]
        return [new_event(EventType(event["EventType"]), self.at) | event for event in events]

    def _turn(self, events: list[Event]) -> Decision:
        state = self._ask(events)
        (actions,) = state["actions"]
        if len(self.inbox) > 1 and retries(actions):
            # It may go on where the walk over its actions sees no reason to. What it then asks for is known at the end
            # of the turn, so that nothing else may take an id meanwhile.
            return replace(self, inbox=self.inbox[:1]).execute()
        return self._outcome(events, state, self._decide(actions, events))

    def _outcome(
        self,
        events: list[Event],
        state: dict[str, Any] | None = None,
        decisions: Decisions | None = None,
        failure: str | None = None,
    ) -> OrchestrationTurn:
        return OrchestrationTurn(self.inbox, self.instance, self.chunks, events, state, decisions, failure)

    def _ask(self, events: list[Event]) -> dict[str, Any]:
        """Run the orchestrator function; returns the SDK's OrchestratorState."""
        instance = self.instance
        function = self.functions.orchestrators.get(instance.name.casefold())
        if function is None:
            raise unknown_function(instance.name, "orchestrator")
        context = {
            "instanceId": instance.id,
            "isReplaying": bool(self.chunks),
            "parentInstanceId": instance.parent,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            **LIMITS,
        }
        history = ",".join([*self.chunks, join(events)])
        payload = f'{json.dumps(context)[:-1]},"input":{instance.input or "null"},"history":[{history}]}}'
        try:
            state: dict[str, Any] = json.loads(function(payload))
        except Exception as error:
            message, separator, attached = str(error).partition(STATE_IN_ERROR)
            if separator:
                log.error("%s %s failed: %s", instance.name, short(instance.id), shown(error.__cause__ or error))
                return dict(json.loads(attached))
            raise OrchestrationError(failed(instance.name, message or repr(error))) from error
        return state

    def _decide(self, actions: list[Action], events: list[Event]) -> Decisions:
        decisions = decide(chain(split(*self.chunks), events), actions, self.instance.execution)
        for event in decisions.scheduled:
            name = event.get("Name", "")
            match event["EventType"]:
                case EventType.TASK_SCHEDULED if (
                    name != HTTP_ACTIVITY and name.casefold() not in self.functions.activities
                ):
                    raise unknown_function(name, "activity")
                case EventType.SUB_ORCHESTRATION_CREATED:
                    if name.casefold() not in self.functions.orchestrators:
                        raise unknown_function(name, "orchestrator")
                    check_instance_id(event["InstanceId"])
        return decisions
