"""Orchestrations: the messages of one instance are a work item, which runs its orchestrator."""

import json
import logging
from dataclasses import dataclass, replace
from typing import Any

from devhost.engine.decisions import Decision, WorkItem
from devhost.engine.failure_details import (
    FailureDetails,
    orchestration_failed,
    orchestrator_failure,
    sdk_failure,
)
from devhost.engine.instances import new_event
from devhost.engine.suspensions import Suspension
from devhost.engine.turns import OrchestrationTurn, OrchestratorResult
from devhost.functions.errors import WorkerExit, shown
from devhost.printable import LONGEST_LINE, printable, short_id
from devhost.replay.actions import has_retries
from devhost.replay.json_text import parse, written
from devhost.replay.protocol import HTTP_ACTIVITY, Event, EventType, OrchestrationError, join, split
from devhost.replay.replay import decide
from devhost.settings.versions import MISMATCH, runs
from devhost.storage.rows import Instance

log = logging.getLogger("devhost")

STATE_IN_ERROR = "\n\n$OutOfProcData$:"
"""What the SDK puts between the message of a failed orchestrator and the actions it asked for."""
LARGEST_CUSTOM_STATUS = 16 * 1024
"""Bytes as UTF-16."""
CONTROL = {EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED}
LIMITS = {
    # The SDK cuts longer timers into pieces, as for Azure Storage with its limit of queue messages.
    "maximumShortTimerDuration": "6.00:00:00",
    "longRunningTimerIntervalDuration": "3.00:00:00",
    "defaultHttpAsyncRequestSleepTimeMillseconds": 30_000,
}


@dataclass(frozen=True)
class OrchestrationItem(WorkItem):
    """The messages that an instance takes in one turn."""

    instance: Instance
    history_pages: list[str]
    """Its history, a page for each turn."""

    @property
    def function(self) -> str:
        return self.instance.name

    def execute(self) -> Decision | None:
        arrived = split(*(message.body for message in self.inbox))
        kinds = {event["EventType"] for event in arrived}

        if EventType.EXECUTION_TERMINATED in kinds:
            return self._turn(self._events(arrived))
        if self.instance.status == "Suspended" or CONTROL & kinds:
            return Suspension(self.inbox, self.instance, self.at)
        return self._run(self._events(arrived))

    def failure(self, error: Exception) -> Decision:
        reason, logged = repr(error), shown(error)
        if isinstance(error, OrchestrationError):
            reason = str(error)
            logged = shown(error.__cause__) if error.__cause__ else printable(reason, LONGEST_LINE)

        self._log_failure(logged)
        return self._turn(self._events([]), failure=FailureDetails(reason, reason))

    def exit(self, error: WorkerExit) -> Decision:
        reason = orchestration_failed(self.function, f"One or more errors occurred. ({error})")
        self._log_failure(shown(error))
        return self._turn(self._events([]), failure=FailureDetails(reason, reason))

    def _log_failure(self, why: str) -> None:
        log.error("%s %s failed: %s", printable(self.function), short_id(self.target), why)

    def _error(self, reason: object) -> OrchestrationError:
        return OrchestrationError(orchestration_failed(self.function, str(reason)))

    def _events(self, arrived: list[Event]) -> list[Event]:
        """The events that begin the turn."""
        events = [{"EventType": int(EventType.ORCHESTRATOR_STARTED)}, *arrived]
        return [new_event(EventType(event["EventType"]), self.at) | event for event in events]

    def _run(self, events: list[Event]) -> Decision | None:
        """Run the orchestrator. None if the instance waits for a host of another version."""
        history = [*split(*self.history_pages), *events]
        if not self._has_version_of_this_host(history):
            return None

        state, error = self._ask(events)
        (actions,) = state["actions"]
        if len(self.inbox) > 1 and has_retries(actions):
            # The orchestrator may go on where the replay of its actions sees no reason to. What it
            # then asks for is known at the end of the turn, so nothing else may take an id before.
            return replace(self, inbox=self.inbox[:1]).execute()

        check_custom_status(self.function, state.get("customStatus"))
        decisions = decide(history, actions, self.instance.id, self.instance.execution)
        for event in decisions.scheduled:
            self._check_schedulable(event)

        result = OrchestratorResult(state, decisions)
        if error is None:
            return self._turn(events, result)
        if not decisions.has_open_tasks:
            self._log_failure(shown(error))
        failure = orchestrator_failure(self.function, state["error"], error)
        return self._turn(events, result, failure)

    def _turn(
        self,
        events: list[Event],
        result: OrchestratorResult | None = None,
        failure: FailureDetails | None = None,
    ) -> OrchestrationTurn:
        return OrchestrationTurn(
            taken=self.inbox,
            instance=self.instance,
            history_pages=self.history_pages,
            events=events,
            result=result,
            failure=failure,
            store_inputs=self.config.store_inputs,
        )

    def _has_version_of_this_host(self, history: list[Event]) -> bool:
        """Whether the instance has a version that runs here.

        Raises OrchestrationError if host.json says that other versions fail.
        """
        started = next(
            event for event in history if event["EventType"] == EventType.EXECUTION_STARTED
        )
        version = started.get("Version")
        if runs(version, self.config):
            return True

        if self.config.version_failure == "Fail":
            raise OrchestrationError(MISMATCH)
        log.warning(
            "%s %s waits for a host that runs version '%s'",
            printable(self.function),
            short_id(self.target),
            printable(str(version)),
        )
        return False

    def _ask(self, events: list[Event]) -> tuple[dict[str, Any], Exception | None]:
        """Run the orchestrator function.

        Returns the SDK's OrchestratorState, and what the app's function raised.
        """
        function = self.functions.orchestrators.get(self.instance.name.casefold())
        if function is None:
            raise self._error(self.functions.unknown(self.instance.name, "orchestrator"))

        try:
            return parse(function(self._payload(events))), None
        except Exception as error:
            _, separator, attached = str(error).partition(STATE_IN_ERROR)
            if separator and isinstance(error.__cause__, Exception):
                return parse(attached), error.__cause__
            raise OrchestrationError(sdk_failure(self.instance.name, error).reason) from error

    def _payload(self, events: list[Event]) -> str:
        """What the SDK gets: the history, which is JSON already, is not parsed for it."""
        context = {
            "instanceId": self.instance.id,
            "isReplaying": bool(self.history_pages),
            "parentInstanceId": self.instance.parent,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            **LIMITS,
        }
        input = self.instance.input or "null"
        history = ",".join([*self.history_pages, join(events)])
        return f'{json.dumps(context)[:-1]},"input":{input},"history":[{history}]}}'

    def _check_schedulable(self, event: Event) -> None:
        """Raise OrchestrationError for what cannot be scheduled.

        On the real host, much of that would wait forever.
        """
        functions, name = self.functions, event.get("Name", "")
        match event["EventType"]:
            case EventType.TASK_SCHEDULED:
                if name != HTTP_ACTIVITY and name.casefold() not in functions.activities:
                    raise self._error(functions.unknown(name, "activity"))
            case EventType.SUB_ORCHESTRATION_CREATED:
                if name.casefold() not in functions.orchestrators:
                    raise self._error(functions.unknown(name, "orchestrator"))
                if event["InstanceId"].startswith("@"):
                    raise self._error("Orchestration instance ids must not start with @.")
                event["Version"] = event["Version"] or self.config.default_version
            case EventType.EVENT_SENT:
                _, entity, _ = event["InstanceId"].split("@", 2)
                if entity.casefold() not in functions.entities:
                    raise self._error(functions.unknown(entity, "entity"))


def check_custom_status(orchestrator: str, status: Any) -> None:
    """Raise OrchestrationError for a custom status that is too large."""
    size = len(written(status).encode("utf-16-le"))
    if size > LARGEST_CUSTOM_STATUS:
        message = (
            "The UTF-16 size of the JSON-serialized payload must not exceed 16 KB. "
            f"The current payload size is {size // 1024:,} KB."
        )
        raise OrchestrationError(orchestration_failed(orchestrator, message))
