"""Determinism: a replay must ask for what earlier turns asked for. Pure; the words are those of the
real host.
"""

from devhost.replay.protocol import Event, EventType, OrchestrationError

ACTIONS = {
    EventType.TASK_SCHEDULED: "ScheduleTaskOrchestratorAction",
    EventType.SUB_ORCHESTRATION_CREATED: "CreateSubOrchestrationAction",
    EventType.TIMER_CREATED: "CreateTimerOrchestratorAction",
    EventType.EVENT_SENT: "SendEventOrchestratorAction",
}
"""What the Durable Task Framework calls the action that leaves such an event."""
TASKS = {
    EventType.TASK_SCHEDULED: "an activity task",
    EventType.SUB_ORCHESTRATION_CREATED: "a sub-orchestration task",
    EventType.TIMER_CREATED: "a timer task",
    EventType.EVENT_SENT: "a send event task",
}


def check(past: dict[int, Event], scheduled: dict[int, Event]) -> None:
    """Compare what the history has with what a replay has asked for, by id. Raises
    OrchestrationError.
    """
    for id, then in past.items():
        if difference := _difference(then, scheduled.get(id)):
            before = _before(then, gone=id not in scheduled)
            raise OrchestrationError(
                f"Non-Deterministic workflow detected: A previous execution of this orchestration scheduled {before} "
                f"but the current {difference} Was a change made to the orchestrator code after this instance had "
                "already started running?"
            )


def _difference(then: Event, now: Event | None) -> str | None:
    if now is None:
        return "replay execution hasn't (yet?) scheduled this task."
    kind, instead = EventType(now["EventType"]), "orchestration replay instead"
    if kind != then["EventType"]:
        return f"{instead} produced a {ACTIONS[kind]} action with this sequence number."
    if then.get("Name", "").casefold() != now.get("Name", "").casefold():
        return (
            f"{instead} scheduled {TASKS[kind]} named '{now['Name']}' with this sequence number. "
        )
    if kind == EventType.EVENT_SENT and then["InstanceId"] != now["InstanceId"]:
        return f"{instead} addressed it to instance ID '{now['InstanceId']}'."
    return None


def _before(then: Event, gone: bool) -> str:
    """What an earlier turn scheduled, and whether the replay has `gone` without it."""
    kind, id = EventType(then["EventType"]), then["EventId"]
    match kind:
        case EventType.TASK_SCHEDULED if gone:
            details = f"sequence ID {id} and name '{then['Name']}' (version ''),"
        case EventType.TASK_SCHEDULED:
            details = f"sequence number {id} named '{then['Name']}',"
        case EventType.SUB_ORCHESTRATION_CREATED:
            child = f"(version '{then.get('Version') or ''}', instance ID '{then['InstanceId']}')"
            details = f"sequence ID {id} and name '{then['Name']}' {child},"
        case EventType.EVENT_SENT:
            details = f"sequence ID {id}, type 'EventSent', name 'op', instance ID '{then['InstanceId']}',"
        case _:
            details = f"sequence number {id}"
    return f"{TASKS[kind]} with {details}"
