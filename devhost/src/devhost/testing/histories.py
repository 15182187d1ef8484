"""Recordings: what an orchestrator was shown turn by turn, and what it asked for. Each is a file of
JSON.

A file holds one execution of an instance: its input, and of each turn the events that arrived, the
actions that the orchestrator had asked for by then, and the events that these have left in the
history.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from devhost.engine.orchestrations import STATE_IN_ERROR
from devhost.functions.durable import RawFunction
from devhost.replay.protocol import SCHEDULING, Action, Event, EventType
from devhost.replay.replay import decide

FOLDER = Path(__file__).parents[4] / "tests" / "replay" / "histories"
ADDED = SCHEDULING | {EventType.ORCHESTRATOR_COMPLETED}
"""What a turn adds to a history beyond what arrived."""


@dataclass
class Turn:
    """One turn. `left` is empty for the last one: what it has left nobody has seen."""

    arrived: list[Event]
    actions: list[Action]
    is_done: bool
    left: list[Event] = field(default_factory=list)


@dataclass
class Execution:
    """One execution of an instance: it ends where the orchestrator does, or begins anew."""

    name: str
    context: dict[str, Any]
    turns: list[Turn]


def of_payload(name: str, payload: str) -> tuple[dict[str, Any], list[list[Event]]]:
    """The context that an orchestrator was given, and its history by turns."""
    context = json.loads(payload)
    turns: list[list[Event]] = []
    for event in context.pop("history"):
        if event["EventType"] == EventType.ORCHESTRATOR_STARTED:
            turns.append([])
        turns[-1].append(event)
    return context, turns


class Recorder:
    """Listens to orchestrators at work."""

    def __init__(self) -> None:
        self.executions: dict[tuple[str, str, str], Execution] = {}
        """By instance, moment of the first turn, and input."""

    def listen(self, name: str, function: RawFunction) -> RawFunction:
        """The function, whose turns are recorded from now on."""

        def run(payload: str) -> str:
            told = function(payload)
            self._note(name, payload, json.loads(told))
            return told

        return run

    def _note(self, name: str, payload: str, state: dict[str, Any]) -> None:
        context, history = of_payload(name, payload)
        key = context["instanceId"], history[0][0]["Timestamp"], context["input"]
        execution = self.executions.setdefault(key, Execution(name, context, []))
        del execution.turns[len(history) - 1 :]  # a turn may be made again, with fewer messages
        for turn, events in zip(execution.turns, history, strict=False):
            turn.left = [event for event in events if event["EventType"] in ADDED]
        arrived = [event for event in history[-1] if event["EventType"] not in ADDED]
        (actions,) = state["actions"]
        execution.turns.append(Turn(arrived, actions, state["isDone"]))


def save(execution: Execution, file: Path) -> None:
    """Write an execution, a line for each turn: of its actions only those that the turn before had
    not, or not so.
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
    """Have a function make the turns of an execution again; yields what it asks for in each.

    Raises OrchestrationError where that contradicts what the history says was asked for before.
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
