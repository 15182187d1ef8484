"""A task hub for tests, behind mocks of the Durable client's methods, in a time of its own.

Its entities are the app's: what was sent is judged by their functions and is committed some time
later. What becomes of a call (it fails before or after its effect, is lost, doubled, late, or never
answered) is for a test to say.
"""

import asyncio
import json
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar
from unittest.mock import AsyncMock, patch

import azure.durable_functions as df

from registry.clock import to_text
from registry.domain.registry import Birth, Registry, Stats
from registry.durable import names
from registry.durable.entities import registry_list, registry_stats
from registry.durable.management import ENDED, Instance
from registry.durable.messages import VERSION, dump, to_registry, to_stats
from tests.clock import START, FakeClock

ID = "0123456789abcdef0123456789abcdef"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
COMMIT = 0.03
"""Seconds from a message to its committed effect."""

Result = TypeVar("Result")


def is_alive(instance: Instance) -> bool:
    """Whether an instance has not ended."""
    return instance.status not in ENDED


def born(id: str = ID, **changes: Any) -> Birth:
    """A birth at the start of the clock, of a registry for five minutes."""
    return Birth(
        **{"id": id, "opened_at": START, "closes_at": START + timedelta(minutes=5), "max_items": 3}
        | changes
    )


class VirtualClock(FakeClock):
    """A clock that passes while all tasks of a loop sleep: it jumps to the moment at which the next
    one wakes.
    """

    def utc_now(self) -> datetime:
        return self.now.replace(microsecond=self.now.microsecond // 1000 * 1000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run to the end what a test awaits; what it left in the background is cancelled then."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(work)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._clock.monotonic()


class _Selector(selectors.SelectSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing will ever happen any more"
        if timeout > 0:
            self._clock.advance(seconds=max(timeout, 1e-6))
        return super().select(0)


class Entity:
    """An entity function with what the host keeps for it; each call is a batch."""

    def __init__(self, builder: Any, key: str = ID) -> None:
        self._handle = builder._function.get_user_function()
        self.key = key
        self.state: str | None = None
        self.exists = False

    def batch(self, *operations: tuple[str, Any]) -> list[dict[str, Any]]:
        """Run operations with their input, one after the other; returns their results."""
        batch = [
            {"name": name, "input": json.dumps(json.dumps(given)), "isSignal": True}
            for name, given in operations
        ]
        context = {
            "self": {"name": "e", "key": self.key},
            "exists": self.exists,
            "state": self.state,
            "batch": batch,
        }
        after = json.loads(self._handle(json.dumps(context)))
        self.exists, self.state = after["entityExists"], after["entityState"]
        return list(after["results"])

    def read(self) -> Any:
        """What a read of the state answers."""
        return json.loads(self.state) if self.state else self.state


class Call(NamedTuple):
    """A call of the client: what is done to whom, when (in seconds), and with which content."""

    what: str
    """For example `read list`, `signal list add`, `signal stats observe`, `start life`, `raise
    finish`, `instance`.
    """
    target: str
    at: float
    content: Any = None


class Fate(NamedTuple):
    """What becomes of a call."""

    effects: int = 1
    fails: bool = False
    delay: float = 0
    """Seconds by which the effect is late."""
    hangs: bool = False


DONE, FAILED, FAILED_AFTERWARDS = Fate(), Fate(0, fails=True), Fate(1, fails=True)
LOST, TWICE, NO_ANSWER = Fate(0), Fate(2), Fate(0, hangs=True)


def late(seconds: float) -> Fate:
    """The effect comes so much later."""
    return Fate(delay=seconds)


KINDS = {
    "RegistryList": "list",
    "RegistryStats": "stats",
    names.LIFE: "life",
    names.DELIVERY: "delivery",
}


@dataclass
class FakeClient:
    """The task hub; `mock` is what the code under test gets."""

    clock: VirtualClock
    calls: list[Call] = field(default_factory=list)
    entities: dict[str, Entity] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    fate: Callable[[Call], Fate] = lambda call: DONE
    on_start: Callable[[str, dict[str, Any]], None] = lambda instance, content: None
    ended: Callable[[datetime], list[Instance]] = lambda moment: []

    def __post_init__(self) -> None:
        self.mock = AsyncMock(spec=df.DurableOrchestrationClient)
        self.mock.read_entity_state.side_effect = self._read
        self.mock.signal_entity.side_effect = self._signal
        self.mock.start_new.side_effect = self._start
        self.mock.raise_event.side_effect = self._raise
        self.mock.purge_instance_history.side_effect = self._purge
        self._on_the_way: list[tuple[datetime, Entity, str, Any]] = []

    @contextmanager
    def installed(self) -> Any:
        """Stand in for `management` too."""
        with ExitStack() as stack:
            for name in ("instance", "ended_before"):
                stack.enter_context(
                    patch(f"registry.durable.management.{name}", getattr(self, f"_{name}"))
                )
            yield self

    def entity(self, id: df.EntityId) -> Entity:
        """The entity with this id, which need not exist."""
        key = df.EntityId.get_scheduler_id(id)
        builder = registry_list if id.name == "RegistryList" else registry_stats
        return self.entities.setdefault(key, Entity(builder, id.key))

    def do(self, operation: str, id: str = ID, **content: Any) -> None:
        """Have the list of a registry do something at once."""
        (result,) = self.entity(names.list_entity(id)).batch((operation, self.message(**content)))
        assert not result["isError"], result

    def open(self, birth: Birth | None = None) -> Birth:
        """Have an open list and a running life."""
        birth = birth or born()
        self.do("open", birth.id, birth=dump(birth))
        self.begin(birth)
        return birth

    def begin(self, birth: Birth, status: str = "Running") -> None:
        """Have a life."""
        input = json.dumps(self.message(birth=dump(birth)))
        self.instances[birth.id] = Instance(birth.id, names.LIFE, status, input)

    def message(self, **content: Any) -> dict[str, Any]:
        """A message of this moment."""
        return {"v": VERSION, "trace": TRACE, "sent_at": to_text(self.clock.utc_now()), **content}

    def registry(self, id: str = ID) -> Registry | None:
        """What the list has committed by now."""
        state = self.entity(names.list_entity(id)).read()
        return to_registry(state, id) if state else None

    def stats(self) -> Stats:
        """What the stats have committed by now."""
        self._commit()
        total = Stats()
        for entity in names.stats_entities():
            if state := self.entity(entity).read():
                total += to_stats(state)
        return total

    def sent(self) -> list[str]:
        """What was sent so far, accepted or not."""
        return [
            call.what for call in self.calls if call.what.split()[0] in ("signal", "start", "raise")
        ]

    def count(self, what: str) -> int:
        """How many calls of a kind there were."""
        return sum(call.what == what for call in self.calls)

    def times(self, what: str) -> list[float]:
        """When, in seconds, there were calls of a kind."""
        return [call.at for call in self.calls if call.what == what]

    async def _called(self, what: str, target: str, content: Any = None) -> Fate:
        call = Call(what, target, self.clock.monotonic(), content)
        self.calls.append(call)
        fate = self.fate(call)
        await asyncio.sleep(3600 if fate.hangs else 0)
        if fate.fails and not fate.effects:
            raise ConnectionError(f"{what} failed for {target}")
        return fate

    def _commit(self) -> None:
        due = sorted(
            (each for each in self._on_the_way if each[0] <= self.clock.now),
            key=lambda each: each[0],
        )
        for each in due:
            self._on_the_way.remove(each)
            each[1].batch((each[2], each[3]))

    async def _read(self, entity: df.EntityId) -> Any:
        await self._called(f"read {KINDS[entity.name]}", entity.key)
        self._commit()
        found = self.entity(entity)
        return SimpleNamespace(
            entity_exists=found.exists, entity_state=found.read() if found.exists else None
        )

    async def _signal(self, entity: df.EntityId, operation: str, given: Any) -> None:
        given = json.loads(json.dumps(given))
        fate = await self._called(f"signal {KINDS[entity.name]} {operation}", entity.key, given)
        due = self.clock.now + timedelta(seconds=COMMIT + fate.delay)
        self._on_the_way.extend([(due, self.entity(entity), operation, given)] * fate.effects)
        self._fail_if(fate)

    async def _start(self, name: str, instance: str, given: Any) -> str:
        fate = await self._called(f"start {KINDS[name]}", instance, given)
        if (existing := self.instances.get(instance)) and is_alive(existing):
            raise Exception(
                "{'Message': 'An Orchestration instance with the status Running already exists.'}"
            )
        if fate.effects:
            self.instances[instance] = Instance(instance, name, "Pending", json.dumps(given))
            self.on_start(instance, given)
        self._fail_if(fate)
        return instance

    async def _raise(self, instance: str, event: str, given: Any) -> None:
        fate = await self._called(f"raise {event}", instance, given)
        existing = self.instances.get(instance)
        if existing is None or not is_alive(existing):
            raise Exception(f"Instance with ID {instance} is gone: either completed or failed")
        self._fail_if(fate)

    async def _purge(self, instance: str) -> Any:
        fate = await self._called("purge", instance)
        if (existing := self.instances.get(instance)) and is_alive(existing):
            raise Exception("The operation failed with an unexpected status code 412")
        if fate.effects:
            found = [holder.pop(instance, None) for holder in (self.instances, self.entities)]
            assert isinstance(found, list)
        self._fail_if(fate)

    async def _instance(self, client: Any, id: str) -> Instance | None:
        await self._called("instance", id)
        return self.instances.get(id)

    async def _ended_before(self, client: Any, moment: datetime) -> AsyncIterator[Instance]:
        await self._called("query", "")
        for each in self.ended(moment):
            yield each

    def _fail_if(self, fate: Fate) -> None:
        if fate.fails:
            raise ConnectionError("no answer came")
