"""Messages between instances and entities."""

import json

from devhost.replay.protocol import Event, EventType, join
from devhost.storage.rows import Message


def event_message(
    target: str,
    *events: Event,
    due: str = "",
    execution: str | None = None,
    timer: int | None = None,
    seq: int = 0,
) -> Message:
    """A message of history events for an instance."""
    return Message(target, join(events), due, execution, timer, seq)


def reply_message(request: Event, result: Event) -> Message:
    """An entity's reply to the instance that called it."""
    response = {"result": result["result"]}
    if result["isError"]:
        response["exceptionType"] = "Error"

    raised = {
        "EventType": int(EventType.EVENT_RAISED),
        "Name": request["id"],
        "Input": json.dumps(response),
    }
    return event_message(request["parent"], raised, execution=request["parentExecution"])
