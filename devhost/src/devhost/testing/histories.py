"""Records the histories of orchestrators, and replays them with the code of today.

A recording is a JSON file of one execution: its input, and for each turn the events that arrived,
the actions that the orchestrator had asked for by then, and the events that these left in the
history.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from devhost.engine.orchestrations import STATE_IN_ERROR
from devhost.functions.app import App
from devhost.functions.invocation import FunctionInfo
from devhost.replay.protocol import SCHEDULING, Action, Event, EventType, OrchestrationError
from devhost.replay.replay import decide

LEFT = SCHEDULING | {EventType.ORCHESTRATOR_COMPLETED}
"""The events that a turn adds to a history, besides those that arrived."""


@dataclass
class Turn:
    """One turn of an orchestrator. After the last one, `left` is empty: nobody has seen it."""

    arrived: list[Event]
    actions: list[Action]
    is_done: bool
    left: list[Event] = field(default_factory=list)


@dataclass
class Execution:
    """An execution of an instance, up to its end or its next `continue_as_new`."""

    name: str
    context: dict[str, Any]
    turns: list[Turn]


class Recorder:
    """Records what orchestrators do: `VirtualHost(folder, wrap=recorder.watch)`."""

    def __init__(self) -> None:
        self._executions: dict[tuple[str, str, str], Execution] = {}
        """By instance, time of the first turn, and input."""

    @property
    def executions(self) -> list[Execution]:
        """What was recorded, in the order in which it began."""
        return list(self._executions.values())

    def save(self, folder: Path, name: str) -> None:
        """Write the executions into a folder, as name-1.json, name-2.json and so on."""
        for number, execution in enumerate(self.executions, 1):
            save(execution, folder / f"{name}-{number}.json")

    def watch(self, app: App) -> App:
        """An app like this one, whose orchestrators are recorded."""
        return App([self._watch(each) for each in app.functions])

    def _watch(self, function: FunctionInfo) -> FunctionInfo:
        if function.trigger["type"] != "orchestrationTrigger":
            return function
        name = function.trigger.get("orchestration") or function.name

        def run(context: Any) -> str:
            state: str = function.code(context)
            self._add_turn(name.casefold(), context.body, json.loads(state))
            return state

        return replace(function, code=run)

    def _add_turn(self, name: str, payload: str, state: dict[str, Any]) -> None:
        context, turns = _split(payload)
        key = context["instanceId"], turns[0][0]["Timestamp"], context["input"]
        execution = self._executions.setdefault(key, Execution(name, context, []))

        # A turn may be made again, with fewer messages: then the second one counts.
        del execution.turns[len(turns) - 1 :]
        for turn, events in zip(execution.turns, turns, strict=False):
            turn.left = [event for event in events if event["EventType"] in LEFT]

        arrived = [event for event in turns[-1] if event["EventType"] not in LEFT]
        (actions,) = state["actions"]
        execution.turns.append(Turn(arrived, actions, state["isDone"]))


def _split(payload: str) -> tuple[dict[str, Any], list[list[Event]]]:
    """The context that an orchestrator was given, and its history turn by turn."""
    context = json.loads(payload)
    turns: list[list[Event]] = []
    for event in context.pop("history"):
        if event["EventType"] == EventType.ORCHESTRATOR_STARTED:
            turns.append([])
        turns[-1].append(event)
    return context, turns


def save(execution: Execution, file: Path) -> None:
    """Write an execution, one line for each turn.

    Actions that the turn before had asked for too are only counted: they are the same first ones.
    """
    lines, before = [], list[Action]()
    for turn in execution.turns:
        pairs = zip(turn.actions, before, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        lines.append(json.dumps(vars(turn) | {"same": same, "actions": turn.actions[same:]}))
        before = turn.actions

    turns = ",\n".join(lines)
    head = json.dumps({"name": execution.name, "context": execution.context})
    file.write_text(f'{head[:-1]}, "turns": [\n{turns}\n]}}\n')


def read(file: Path) -> Execution:
    """Read an execution that `save` wrote."""
    document = json.loads(file.read_text())
    execution, before = Execution(document["name"], document["context"], []), list[Action]()
    for turn in document["turns"]:
        before = before[: turn.pop("same")] + turn.pop("actions")
        execution.turns.append(Turn(actions=before, **turn))
    return execution


def replay(execution: Execution, function: Callable[[str], str]) -> Iterator[Turn]:
    """Let an orchestrator make the turns of an execution again; yields what it does in each.

    Raises OrchestrationError where that contradicts the history of the turns before.
    """
    history: list[Event] = []
    for recorded in execution.turns:
        shown = history + recorded.arrived
        try:
            state = json.loads(function(json.dumps(execution.context | {"history": shown})))
        except Exception as error:
            separator, attached = str(error).partition(STATE_IN_ERROR)[1:]
            if not separator:
                raise
            state = json.loads(attached)

        (actions,) = state["actions"]
        decide(shown, actions, execution.context["instanceId"], "a replay")
        yield Turn(recorded.arrived, actions, state["isDone"], recorded.left)
        history = shown + recorded.left


def difference(file: Path, app: App) -> str | None:
    """Replay a recording with the orchestrators of an app; returns the first difference, or None.

    It names the member that differs, for example `timed_out-1.json: turns[2].actions[0].input.by:
    "timeout" is recorded, "user" is what the code asks for`. Inputs and results, which are JSON in
    a text, are compared as values.
    """
    execution = read(file)
    function = app.durable.orchestrators.get(execution.name)
    if function is None:
        return f"{file.name}: the app has no orchestrator {execution.name}"

    number = 0
    try:
        for number, (recorded, made) in enumerate(
            zip(execution.turns, replay(execution, function), strict=True)
        ):
            for name in ("actions", "is_done"):
                found = _first_difference(getattr(recorded, name), getattr(made, name))
                if found is not None:
                    return f"{file.name}: turns[{number}].{name}{found}"
    except OrchestrationError as error:
        return f"{file.name}: turns[{number + 1}]: {error}"
    return None


class _Missing:
    """What stands where one side has no such member."""


def _first_difference(recorded: Any, made: Any) -> str | None:
    """The path of the first member that differs, and both its values."""
    recorded, made = _value(recorded), _value(made)
    if isinstance(recorded, dict) and isinstance(made, dict):
        names = {f".{name}": name for name in [*recorded, *made]}
        pairs = [
            (path, recorded.get(name, _Missing), made.get(name, _Missing))
            for path, name in names.items()
        ]
    elif isinstance(recorded, list) and isinstance(made, list):
        pairs = [
            (f"[{index}]", _item(recorded, index), _item(made, index))
            for index in range(max(len(recorded), len(made)))
        ]
    else:
        same = type(recorded) is type(made) and recorded == made
        return None if same else f": {_shown(recorded)} is recorded, {_shown(made)} is {ASKED_FOR}"

    for path, one, other in pairs:
        if (found := _first_difference(one, other)) is not None:
            return path + found
    return None


ASKED_FOR = "what the code asks for"


def _value(member: Any) -> Any:
    """A member; where it is a text that holds an object or a list in JSON, that."""
    if isinstance(member, str) and member[:1] in ("{", "["):
        try:
            return json.loads(member)
        except ValueError:
            return member
    return member


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _Missing


def _shown(value: Any) -> str:
    return "nothing" if value is _Missing else json.dumps(value)
