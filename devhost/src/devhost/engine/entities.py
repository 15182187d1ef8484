"""Entities: a batch of operations of one of them is a work item."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from devhost.engine.work_items import Decision, WorkItem, one_line, reply_message, short
from devhost.functions.errors import WorkerExit, shown
from devhost.replay.protocol import Event
from devhost.storage.rows import Activity, Message
from devhost.storage.store import Store

log = logging.getLogger("devhost")

NO_STATE = "null"
"""What is left of an entity that has destructed, or whose first operation has failed: on the real
host it exists.
"""


@dataclass(frozen=True)
class EntityItem(WorkItem):
    """A batch of operations."""

    state: str | None
    """What was committed last; None where the entity does not exist."""

    @property
    def function(self) -> str:
        return f"@{self.target.split('@', 2)[1]}"

    def execute(self) -> "EntityDecision":
        requests = self._requests()
        after = self._ask(requests)
        results = after["results"]
        if len(results) != len(requests):
            raise ValueError(f"{len(results)} results for {len(requests)} operations")
        state = after["entityState"] if after["entityExists"] else NO_STATE
        return self._decision(zip(requests, results, strict=True), state)

    def failure(self, error: Exception) -> "EntityDecision":
        """Tell those who wait, and leave the state as it is."""
        log.error(
            "entity %s failed; its state stays as it was: %s", short(self.target), shown(error)
        )
        failed = {"isError": True, "result": json.dumps(str(error))}
        return self._decision(((request, failed) for request in self._requests()), self.state)

    def exit(self, error: WorkerExit) -> None:
        """Nothing follows: the operations are repeated."""
        log.error("entity %s is tried again later: %s", short(self.target), shown(error))

    def _requests(self) -> list[Event]:
        """What is asked, as far as it can be read."""
        requests = []
        for message in self.inbox:
            try:
                requests.append(dict(json.loads(message.body)))
            except (ValueError, TypeError) as error:
                log.error(
                    "entity %s drops an operation that cannot be decoded: %s",
                    short(self.target),
                    shown(error),
                )
        return requests

    def _ask(self, requests: list[Event]) -> dict[str, Any]:
        _, name, key = self.target.split("@", 2)
        function = self.functions.entities.get(name)
        if function is None:
            raise self.functions.unknown(name, "entity")
        state = None if self.state == NO_STATE else self.state
        batch = [
            {"name": each["op"], "input": each["input"], "isSignal": each["signal"]}
            for each in requests
        ]
        context = {
            "self": {"name": name, "key": key},
            "exists": state is not None,
            "state": state,
            "batch": batch,
        }
        after: dict[str, Any] = json.loads(function(json.dumps(context)))
        return after

    def _decision(
        self, answers: Iterable[tuple[Event, Event]], state: str | None
    ) -> "EntityDecision":
        replies = [
            reply_message(request, result) for request, result in answers if "parent" in request
        ]
        return EntityDecision(self, self.inbox, replies, state)


def log_failure(name: str, key: str, operation: str, error: Exception) -> None:
    """Log why an operation has failed; the others of its batch go on."""
    log.error(
        "entity %s failed at operation %s: %s",
        short(f"@{name}@{key}"),
        one_line(operation),
        shown(error),
    )


@dataclass(frozen=True)
class EntityDecision(Decision):
    """Replies, and a state."""

    item: EntityItem
    taken: list[Message]
    replies: list[Message]
    state: str | None

    def apply(self, store: Store) -> list[Activity]:
        store.enqueue(self.replies)
        store.save_entity(self.item.target, self.state, self.item.at)
        return []
