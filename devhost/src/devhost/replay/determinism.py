"""Determinism: a replay must ask for what earlier turns asked for. Pure.

The texts are those of the real host.
"""

from devhost.replay.protocol import Event, EventType, OrchestrationError

ACTIONS = {
    EventType.TASK_SCHEDULED: "ScheduleTaskOrchestratorAction",
    EventType.SUB_ORCHESTRATION_CREATED: "CreateSubOrchestrationAction",
    EventType.TIMER_CREATED: "CreateTimerOrchestratorAction",
    EventType.EVENT_SENT: "SendEventOrchestratorAction",
}
"""The Durable Task Framework's name of the action that leaves each event."""
TASKS = {
    EventType.TASK_SCHEDULED: "an activity task",
    EventType.SUB_ORCHESTRATION_CREATED: "a sub-orchestration task",
    EventType.TIMER_CREATED: "a timer task",
    EventType.EVENT_SENT: "a send event task",
}


def check(past: dict[int, Event], scheduled: dict[int, Event]) -> None:
    """Compare the history's events with those of the replay, by id. Raises OrchestrationError."""
    for id, before in past.items():
        difference = _difference(before, scheduled.get(id))
        if difference is None:
            continue

        was_scheduled = _description(before, is_missing=id not in scheduled)
        raise OrchestrationError(
            "Non-Deterministic workflow detected: A previous execution of this orchestration "
            f"scheduled {was_scheduled} but the current {difference} "
            "Was a change made to the orchestrator code after this instance had "
            "already started running?"
        )


def _difference(before: Event, now: Event | None) -> str | None:
    """How a replay differs from an event of the history, or None if it does not."""
    if now is None:
        return "replay execution hasn't (yet?) scheduled this task."

    kind = EventType(now["EventType"])
    instead = "orchestration replay instead"
    if kind != before["EventType"]:
        return f"{instead} produced a {ACTIONS[kind]} action with this sequence number."
    if before.get("Name", "").casefold() != now.get("Name", "").casefold():
        task = f"{TASKS[kind]} named '{now['Name']}'"
        return f"{instead} scheduled {task} with this sequence number. "
    if kind == EventType.EVENT_SENT and before["InstanceId"] != now["InstanceId"]:
        return f"{instead} addressed it to instance ID '{now['InstanceId']}'."
    return None


def _description(event: Event, is_missing: bool) -> str:
    """What an earlier turn scheduled. `is_missing` says that the replay has no task of that id."""
    kind, id = EventType(event["EventType"]), event["EventId"]
    match kind:
        case EventType.TASK_SCHEDULED if is_missing:
            details = f"sequence ID {id} and name '{event['Name']}' (version ''),"
        case EventType.TASK_SCHEDULED:
            details = f"sequence number {id} named '{event['Name']}',"
        case EventType.SUB_ORCHESTRATION_CREATED:
            version, instance = event.get("Version") or "", event["InstanceId"]
            child = f"(version '{version}', instance ID '{instance}')"
            details = f"sequence ID {id} and name '{event['Name']}' {child},"
        case EventType.EVENT_SENT:
            instance = event["InstanceId"]
            details = f"sequence ID {id}, type 'EventSent', name 'op', instance ID '{instance}',"
        case _:
            details = f"sequence number {id}"
    return f"{TASKS[kind]} with {details}"
