"""The app against a plain model of it, over random calls. Messages are late, or come twice."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from devhost.testing import FaultRates, VirtualLoop
from tests.support.registry_host import RegistryHost, moment

MAX_ITEMS = 4
SECONDS = 60
KEYS = st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"])
TEXTS = st.sampled_from(["Bike", "Book", "Ball"])
RATES = FaultRates.only(
    message_delayed=0.7,
    message_repeated=0.5,
    message_late=0.05,
    commit_late=0.2,
    answer_delayed=0.5,
)


@dataclass
class Model:
    """What a registry should be: its items, the keys that were removed, and who closed it."""

    closes_at: datetime
    items: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    is_full: bool = False
    closed_by: str | None = None

    def add(self, key: str, text: str) -> int:
        if key in self.items:
            return 200 if self.items[key] == text else 422
        if key in self.removed or self.closed_by or self.is_full:
            return 409
        if len(self.items) >= MAX_ITEMS:
            self.is_full = True
            return 409
        self.items[key] = text
        return 200

    def remove(self, key: str) -> int:
        if self.closed_by:
            return 409 if key in self.items else 200
        self.items.pop(key, None)
        self.removed.add(key)
        return 200


class RegistryMachine(RuleBasedStateMachine):
    """Rules are what callers do, and each response must be that of the model.

    Nothing is done around the end of a registry, where either response may be right.
    """

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner(loop_factory=VirtualLoop)
        self.host = RegistryHost(
            rates=RATES, REGISTRY_MAX_ITEMS=MAX_ITEMS, REGISTRY_OPEN_SECONDS=SECONDS
        )
        self.models: dict[str, Model] = {}
        self.run(self.host.__aenter__())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def teardown(self) -> None:
        """In the end every registry closes with just its items, and the stats are exact."""
        try:
            self.run(self.host.advance(minutes=4))
            for id in self.models:
                self.compare(id)
            number = len(self.models)
            assert self.run(self.host.stats()) == {
                "registryCount": number,
                "itemsCount": sum(len(model.items) for model in self.models.values()),
                "openCount": 0,
                "closedCount": number,
                "processing": {"off": number, "pending": 0, "delivered": 0, "failed": 0},
            }
        finally:
            self.run(self.host.__aexit__())
            self.loop.close()

    def model(self, id: str) -> Model:
        """The model now. Where its registry is about to close, this waits until it has."""
        model = self.models[id]
        rest = (model.closes_at - self.host.now()).total_seconds()
        if 0 < rest < 15:
            self.run(self.host.advance(seconds=rest))
            rest = 0
        if rest <= 0 and model.closed_by is None:
            model.closed_by = "timeout"
        return model

    def compare(self, id: str) -> None:
        model, shown = self.model(id), self.run(self.host.peek(id))
        assert shown["registry"]["items"] == list(model.items.values())
        assert shown["registry"]["closedBy"] == model.closed_by
        assert shown["status"] == ("Closed" if model.closed_by else "Open")

    @rule(target=ids)
    def open(self) -> str:
        opened = self.run(self.host.post("/api/open"))
        assert opened.status == 201
        id: str = opened.json()["id"]
        self.models[id] = Model(moment(opened.json()["closesAt"]))
        return id

    @rule(id=ids, key=KEYS, text=TEXTS)
    def add(self, id: str, key: str, text: str) -> None:
        model = self.model(id)
        added = self.run(self.host.add(id, text, key))
        assert added.status == model.add(key, text), added
        if added.status == 200:
            assert added.json()["itemsCount"] == len(model.items)

    @rule(id=ids, key=KEYS)
    def remove(self, id: str, key: str) -> None:
        model = self.model(id)
        removed = self.run(self.host.post(f"/api/remove/{id}?itemKey={key}"))
        assert removed.status == model.remove(key), removed

    @rule(id=ids)
    def finish(self, id: str) -> None:
        model = self.model(id)
        model.closed_by = model.closed_by or "user"
        finished = self.run(self.host.finish(id))
        assert finished.json()["registry"]["closedBy"] == model.closed_by
        self.compare(id)

    @rule(id=ids)
    def peek(self, id: str) -> None:
        self.compare(id)

    @rule(seconds=st.sampled_from([0.001, 0.1, 1, 10, 30, 60]))
    def advance(self, seconds: float) -> None:
        self.run(self.host.advance(seconds=seconds))

    @invariant()
    def the_stats_know_no_more_registries_than_there_are(self) -> None:
        counts = self.run(self.host.stats())
        assert counts["registryCount"] <= len(self.models)
        assert counts["openCount"] + counts["closedCount"] == counts["registryCount"]


class TestSomeCalls(RegistryMachine.TestCase):
    """Whatever callers do, and however messages arrive, the app does as the model."""

    settings = settings(max_examples=6, stateful_step_count=20, deadline=None, derandomize=True)


@pytest.mark.verify
class TestManyCalls(RegistryMachine.TestCase):
    """The same for more sequences."""

    settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
