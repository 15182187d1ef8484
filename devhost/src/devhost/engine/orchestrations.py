"""Orchestrations: what has come for an instance is a work item; to execute it is to run the
orchestrator over it.
"""

import json
import logging
from dataclasses import dataclass, replace
from typing import Any

from devhost.engine.failure_details import Cause, failed, of_orchestrator, of_sdk
from devhost.engine.turns import Control, OrchestrationTurn, new_event
from devhost.engine.work_items import Decision, WorkItem, one_line, short
from devhost.functions.errors import WorkerExit, shown
from devhost.replay.json_text import parse, written
from devhost.replay.protocol import HTTP_ACTIVITY, Event, EventType, OrchestrationError, join, split
from devhost.replay.replay import Decisions, decide, retries
from devhost.settings.versions import MISMATCH, runs
from devhost.storage.rows import Instance

log = logging.getLogger("devhost")

STATE_IN_ERROR = "\n\n$OutOfProcData$:"
"""What the SDK puts between the message of a failed orchestrator and the actions that it asked for.
"""
LARGEST_CUSTOM_STATUS = 16 * 1024
"""In bytes, as UTF-16."""
CONTROL = {EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED}
LIMITS = {
    # Longer timers are cut into pieces by the SDK, as for Azure Storage (whose limit is that of a
    # queue message).
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

    def execute(self) -> Decision | None:
        arrived = split(*(message.body for message in self.inbox))
        kinds = {event["EventType"] for event in arrived}
        if EventType.EXECUTION_TERMINATED in kinds:
            return self._outcome(self._events(arrived))
        if self.instance.status == "Suspended" or CONTROL & kinds:
            return Control(self.inbox, self.instance, self.at)
        return self._turn(self._events(arrived))

    def failure(self, error: Exception) -> Decision:
        if isinstance(error, OrchestrationError):
            reason, why = (
                str(error),
                shown(error.__cause__) if error.__cause__ else one_line(str(error)),
            )
        else:
            reason, why = repr(error), shown(error)
        log.error("%s %s failed: %s", one_line(self.function), short(self.target), why)
        return self._outcome(self._events([]), cause=Cause(reason, reason))

    def exit(self, error: WorkerExit) -> Decision:
        reason = failed(self.function, f"One or more errors occurred. ({error})")
        log.error("%s %s failed: %s", one_line(self.function), short(self.target), shown(error))
        return self._outcome(self._events([]), cause=Cause(reason, reason))

    def _error(self, reason: object) -> OrchestrationError:
        return OrchestrationError(failed(self.function, str(reason)))

    def _events(self, arrived: list[Event]) -> list[Event]:
        """The events that begin the turn."""
        events = [{"EventType": int(EventType.ORCHESTRATOR_STARTED)}, *arrived]
        return [new_event(EventType(event["EventType"]), self.at) | event for event in events]

    def _turn(self, events: list[Event]) -> Decision | None:
        history = [*split(*self.chunks), *events]
        if not self._runs(history):
            return None
        state, error = self._ask(events)
        (actions,) = state["actions"]
        if len(self.inbox) > 1 and retries(actions):
            # It may go on where the walk over its actions sees no reason to. What it then asks for
            # is known at the end of the turn, so that nothing else may take an id meanwhile.
            return replace(self, inbox=self.inbox[:1]).execute()
        check_custom_status(self.function, state.get("customStatus"))
        decisions = decide(history, actions, self.instance.id, self.instance.execution)
        for event in decisions.scheduled:
            self._check(event)
        if error is None:
            return self._outcome(events, state, decisions)
        if not decisions.has_open_tasks:
            log.error("%s %s failed: %s", one_line(self.function), short(self.target), shown(error))
        return self._outcome(
            events, state, decisions, of_orchestrator(self.function, state["error"], error)
        )

    def _outcome(
        self,
        events: list[Event],
        state: dict[str, Any] | None = None,
        decisions: Decisions | None = None,
        cause: Cause | None = None,
    ) -> OrchestrationTurn:
        store_inputs = self.config.store_inputs
        return OrchestrationTurn(
            self.inbox, self.instance, self.chunks, events, state, decisions, cause, store_inputs
        )

    def _runs(self, history: list[Event]) -> bool:
        """Whether the instance has a version that runs here. Raises OrchestrationError where others
        are to fail.
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
            "%s %s waits for a host that runs version %r",
            one_line(self.function),
            short(self.target),
            version,
        )
        return False

    def _ask(self, events: list[Event]) -> tuple[dict[str, Any], Exception | None]:
        """Run the orchestrator function; returns the SDK's OrchestratorState, and what the function
        raised.
        """
        instance = self.instance
        function = self.functions.orchestrators.get(instance.name.casefold())
        if function is None:
            raise self._error(self.functions.unknown(instance.name, "orchestrator"))
        context = {
            "instanceId": instance.id,
            "isReplaying": bool(self.chunks),
            "parentInstanceId": instance.parent,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            **LIMITS,
        }
        history = ",".join([*self.chunks, join(events)])
        payload = (
            f'{json.dumps(context)[:-1]},"input":{instance.input or "null"},"history":[{history}]}}'
        )
        try:
            return parse(function(payload)), None
        except Exception as error:
            _, separator, attached = str(error).partition(STATE_IN_ERROR)
            if separator and isinstance(error.__cause__, Exception):
                return parse(attached), error.__cause__
            raise OrchestrationError(of_sdk(instance.name, error).reason) from error

    def _check(self, event: Event) -> None:
        """Raise OrchestrationError for what cannot be scheduled: on the real host much of that
        would hang for ever.
        """
        kind, functions, name = event["EventType"], self.functions, event.get("Name", "")
        if kind == EventType.TASK_SCHEDULED:
            if name != HTTP_ACTIVITY and name.casefold() not in functions.activities:
                raise self._error(functions.unknown(name, "activity"))
        elif kind == EventType.SUB_ORCHESTRATION_CREATED:
            if name.casefold() not in functions.orchestrators:
                raise self._error(functions.unknown(name, "orchestrator"))
            if event["InstanceId"].startswith("@"):
                raise self._error("Orchestration instance ids must not start with @.")
            event["Version"] = event["Version"] or self.config.default_version
        elif kind == EventType.EVENT_SENT:
            _, entity, _ = event["InstanceId"].split("@", 2)
            if entity.casefold() not in functions.entities:
                raise self._error(functions.unknown(entity, "entity"))


def check_custom_status(orchestrator: str, status: Any) -> None:
    """Raise OrchestrationError for a custom status that is too large."""
    size = len(written(status).encode("utf-16-le"))
    if size > LARGEST_CUSTOM_STATUS:
        why = f"must not exceed 16 KB. The current payload size is {size // 1024:,} KB."
        raise OrchestrationError(
            failed(orchestrator, f"The UTF-16 size of the JSON-serialized payload {why}")
        )
