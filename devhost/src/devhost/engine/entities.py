"""Entities: a batch of operations of one entity is a work item."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from devhost.engine.decisions import Decision, WorkItem
from devhost.engine.messages import reply_message
from devhost.functions.errors import WorkerExit, shown
from devhost.printable import short_id
from devhost.replay.protocol import Event
from devhost.storage.rows import Activity, Message
from devhost.storage.store import Store

log = logging.getLogger("devhost")

NO_STATE = "null"
"""The state of an entity that was deleted, or whose first operation failed.

On the real host such an entity exists.
"""


@dataclass(frozen=True)
class EntityItem(WorkItem):
    """A batch of operations."""

    state: str | None
    """The committed state; None if the entity does not exist."""

    @property
    def function(self) -> str:
        _, name, _ = self.target.split("@", 2)
        return f"@{name}"

    def execute(self) -> "EntityDecision":
        requests = self._requests()
        after = self._run(requests)

        results = after["results"]
        if len(results) != len(requests):
            raise ValueError(f"{len(results)} results for {len(requests)} operations")

        state = after["entityState"] if after["entityExists"] else NO_STATE
        return self._decision(zip(requests, results, strict=True), state)

    def failure(self, error: Exception) -> "EntityDecision":
        """Every caller gets the error, and the state stays as it is."""
        entity = short_id(self.target)
        log.error("entity %s failed; its state stays as it was: %s", entity, shown(error))

        failed = {"isError": True, "result": json.dumps(str(error))}
        return self._decision(((request, failed) for request in self._requests()), self.state)

    def exit(self, error: WorkerExit) -> None:
        """The operations are executed again."""
        log.error("entity %s is tried again later: %s", short_id(self.target), shown(error))

    def _requests(self) -> list[Event]:
        """The operations of the batch. Those that cannot be decoded are dropped."""
        requests = []
        for message in self.inbox:
            try:
                requests.append(dict(json.loads(message.body)))
            except (ValueError, TypeError) as error:
                log.error(
                    "entity %s drops an operation that cannot be decoded: %s",
                    short_id(self.target),
                    shown(error),
                )
        return requests

    def _run(self, requests: list[Event]) -> dict[str, Any]:
        """Run the entity function. Returns the SDK's EntityState."""
        _, name, key = self.target.split("@", 2)
        function = self.functions.entities.get(name)
        if function is None:
            raise self.functions.unknown(name, "entity")

        state = None if self.state == NO_STATE else self.state
        context = {
            "self": {"name": name, "key": key},
            "exists": state is not None,
            "state": state,
            "batch": [
                {"name": each["op"], "input": each["input"], "isSignal": each["signal"]}
                for each in requests
            ],
        }
        after: dict[str, Any] = json.loads(function(json.dumps(context)))
        return after

    def _decision(
        self, results: Iterable[tuple[Event, Event]], state: str | None
    ) -> "EntityDecision":
        replies = [
            reply_message(request, result) for request, result in results if "parent" in request
        ]
        return EntityDecision(self, self.inbox, replies, state)


@dataclass(frozen=True)
class EntityDecision(Decision):
    """The replies of a batch, and the state after it."""

    item: EntityItem
    taken: list[Message]
    replies: list[Message]
    state: str | None

    def apply(self, store: Store) -> list[Activity]:
        store.enqueue(self.replies)
        store.save_entity(self.item.target, self.state, self.item.at)
        return []
