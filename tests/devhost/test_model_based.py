"""The app against a plain model of it, over random sequences of calls, with signals repeated and out of order."""

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from tests.virtual import VirtualHost

MAX_ITEMS = 4
OPEN_FOR = timedelta(seconds=60)
KEYS = st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"])
TEXTS = st.sampled_from(["Bike", "Book", "Ball"])
DELIVERIES = st.lists(st.sampled_from(["at once", "late", "twice", "twice, late"]), max_size=2)


@dataclass
class Model:
    """What a registry should be: its items, and when and by whom it was closed."""

    closes_at: datetime
    items: dict[str, str] = field(default_factory=dict)
    closed_at: datetime | None = None
    closed_by: str | None = None

    def at(self, now: datetime) -> "Model":
        if self.closed_at is None and now >= self.closes_at:
            self.closed_at, self.closed_by = self.closes_at, "timeout"
        return self

    def status_of_add(self, key: str, text: str) -> int:
        if key in self.items:
            return 200 if self.items[key] == text else 422
        if self.closed_at or len(self.items) >= MAX_ITEMS:
            return 409
        return 200


class RegistryMachine(RuleBasedStateMachine):
    """Rules are what callers do; each answer must be that of the model."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.host = VirtualHost(max_items=MAX_ITEMS, open_for=OPEN_FOR).__enter__()
        self.models: dict[str, Model] = {}

    def teardown(self) -> None:
        """In the end every registry closes, with just its items, and the stats are exact."""
        self.host.deliver_held()
        self.host.advance(seconds=OPEN_FOR.total_seconds())
        for id, model in self.models.items():
            self.compare(id, model)
            assert self.host.store.instance(id).status == "Completed"
        stats = self.host.get("/api/stats")
        assert stats == {
            "registryCount": len(self.models),
            "itemsCount": sum(len(model.items) for model in self.models.values()),
            "openCount": 0,
            "closedCount": len(self.models),
            "processing": {"off": len(self.models), "pending": 0, "delivered": 0, "failed": 0},
        }
        self.host.__exit__()

    def model(self, id: str) -> Model:
        return self.models[id].at(self.host.clock.now)

    def compare(self, id: str, model: Model) -> None:
        shown = self.host.get(f"/api/peek/{id}")
        model.at(self.host.clock.now)
        assert shown["registry"]["items"] == list(model.items.values())
        assert shown["registry"]["closedBy"] == model.closed_by
        assert shown["status"] == ("Closed" if model.closed_at else "Open")
        if model.closed_at:
            assert datetime.fromisoformat(shown["registry"]["closedAt"]) == model.closed_at

    @rule(target=ids)
    def open(self) -> str:
        id = self.host.open()
        self.models[id] = Model(self.host.clock.now + OPEN_FOR)
        return id

    @rule(id=ids, key=KEYS, text=TEXTS, deliveries=DELIVERIES, order=st.integers(0, 9))
    def add(self, id: str, key: str, text: str, deliveries: list, order: int) -> None:
        model = self.model(id)
        expected = model.status_of_add(key, text)
        self.host.deliveries.next = list(deliveries)
        self.host.deliveries.shuffle = random.Random(order)
        answer = self.host.add(id, text, key)
        self.host.deliveries.next = []
        late = model.at(self.host.clock.now).closed_at is not None and expected == 200 and key not in model.items
        if late:  # the deadline passed while the signal was under way
            assert answer.status_code in (202, 409)
            return
        assert answer.status_code == expected, answer.get_body()
        if expected == 200:
            model.items.setdefault(key, text)
            assert json.loads(answer.get_body())["itemsCount"] == len(model.items)

    @rule(id=ids)
    def finish(self, id: str) -> None:
        model = self.model(id)
        if model.closed_at is None:
            model.closed_at, model.closed_by = self.host.clock.now, "user"
        assert self.host.post(f"/api/finish/{id}").status_code == 200
        self.compare(id, model)

    @rule(id=ids)
    def peek(self, id: str) -> None:
        self.compare(id, self.model(id))

    @rule(id=ids)
    def repeat_everything(self, id: str) -> None:
        """Signals of calls long past may arrive once more."""
        with self.host.store.transaction():
            for item in self.models[id].items.items():
                signal = json.dumps(json.dumps([*item, ""]))
                self.host.engine.signal(f"@registrylist@{id}", "add", signal)
        self.host.run()
        self.compare(id, self.models[id])

    @rule(seconds=st.sampled_from([0.001, 1, 29.999, 30, 59.99, 60]))
    def advance(self, seconds: float) -> None:
        self.host.advance(seconds=seconds)

    @rule()
    def deliver(self) -> None:
        self.host.deliver_held()

    @invariant()
    def stats_never_exceed_the_truth(self) -> None:
        stats = self.host.get("/api/stats")
        assert stats["registryCount"] == len(self.models)
        assert stats["itemsCount"] <= sum(len(model.items) for model in self.models.values())
        assert stats["openCount"] + stats["closedCount"] == stats["registryCount"]


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRegistry.__doc__ = "Whatever callers do, and however signals arrive, the app does what the model does."
