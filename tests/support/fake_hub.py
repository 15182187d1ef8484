"""A task hub for tests of what calls the Durable client: `FakeClient` stands in its place.

Its entities are the app's own functions: a signal is applied by them and committed a moment later.
A test says what becomes of each call: it fails before or after its effect, is lost, doubled, late,
or never answered. Time is virtual: `VirtualClock` jumps to the moment at which the next task wakes.

    def test_something(client, clock):                # fixtures of tests/unit/durable/conftest.py
        client.open()                                 # a list and its orchestration
        client.apply(AddItem, key="k1", text="Bike")  # have the list do something at once
        client.fault = on("signal AddItem", LOST)     # what becomes of calls from now on
        clock.run(service.add(...))                   # code under test is given client.mock
        assert client.sent() == ["signal AddItem"]    # which calls there were
        assert client.registry().items                # what is committed
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

from registry.domain.registry import Registry, RegistryTerms
from registry.domain.stats import Stats
from registry.durable import names
from registry.durable.entities import LIST_SIGNALS, STATS_SIGNALS, registry_list, registry_stats
from registry.durable.messages import Message, OpenRegistry, Signal
from registry.durable.task_hub import ENDED, Instance
from tests.clock import FakeClock
from tests.support.registries import ID, make_terms

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
COMMIT_SECONDS = 0.03
"""From a signal to its committed effect."""

Result = TypeVar("Result")


def is_running(instance: Instance) -> bool:
    """Whether an instance has not ended."""
    return instance.status not in ENDED


class VirtualClock(FakeClock):
    """A clock that goes on only while all tasks of a loop sleep: it jumps to the next one's end."""

    def utc_now(self) -> datetime:
        return self.now.replace(microsecond=self.now.microsecond // 1000 * 1000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end; what it left in the background is cancelled then."""
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
            # A datetime holds no less than a microsecond; less would never end.
            self._clock.advance(seconds=max(timeout, 1e-6))
        return super().select(0)


class Entity:
    """An entity function with what the host keeps for it."""

    def __init__(self, name: str, key: str = ID) -> None:
        self._handle = FUNCTIONS[name]._function.get_user_function()
        self.name = name
        self.key = key
        self.state: str | None = None
        self.exists = False

    def store(self, state: Any) -> None:
        """Have this state, whatever it was before."""
        self.exists, self.state = True, json.dumps(state)

    def read(self) -> Any:
        """The state, as a client reads it."""
        return json.loads(self.state) if self.state else self.state

    def batch(self, *operations: tuple[str, Any]) -> list[dict[str, Any]]:
        """Run operations (name and input), one after the other. Returns their results."""
        batch = [
            {"name": name, "input": json.dumps(json.dumps(given)), "isSignal": True}
            for name, given in operations
        ]
        context = {
            "self": {"name": self.name, "key": self.key},
            "exists": self.exists,
            "state": self.state,
            "batch": batch,
        }
        after = json.loads(self._handle(json.dumps(context)))
        self.exists, self.state = after["entityExists"], after["entityState"]
        return list(after["results"])

    def apply(self, *signals: Signal) -> None:
        """Apply signals in one batch. None of them fails."""
        results = self.batch(*((each.operation, each.to_json()) for each in signals))
        assert not any(each["isError"] for each in results), results


class Call(NamedTuple):
    """A call of the client."""

    what: str
    """For example `read list`, `signal AddItem`, `start registry`, `raise close`, `instance`."""
    target: str
    """The key of an entity, or the id of an instance."""
    at: float
    """Seconds since the start."""
    content: Any = None
    """The message, as JSON."""


class CallFault(NamedTuple):
    """What becomes of a call."""

    effects: int = 1
    """How often it takes effect."""
    fails: bool = False
    """Whether the caller gets an error; after the effects, if there are any."""
    delay: float = 0
    """Seconds by which the effect is late."""
    hangs: bool = False
    """Whether it is never answered."""


OK = CallFault()
FAILS = CallFault(effects=0, fails=True)
FAILS_AFTERWARDS = CallFault(effects=1, fails=True)
LOST = CallFault(effects=0)
TWICE = CallFault(effects=2)
NO_ANSWER = CallFault(effects=0, hangs=True)


def late(seconds: float) -> CallFault:
    """The effect comes so much later."""
    return CallFault(delay=seconds)


def on(what: str, fault: CallFault, times: int = 1000) -> Callable[[Call], CallFault]:
    """The first so many calls of a kind have this fault."""
    left = [fault] * times
    return lambda call: left.pop() if left and call.what == what else OK


INSTANCES = {names.REGISTRY_ORCHESTRATOR: "registry", names.DELIVERY_ORCHESTRATOR: "delivery"}
ENTITIES = {names.REGISTRY_LIST: "list", names.REGISTRY_STATS: "stats"}
FUNCTIONS = {names.REGISTRY_LIST: registry_list, names.REGISTRY_STATS: registry_stats}
EVENTS = {names.CLOSE_EVENT: "close"}
SIGNALS = {**LIST_SIGNALS, **STATS_SIGNALS}


@dataclass
class FakeClient:
    """The task hub; `mock` is the Durable client that the code under test is given."""

    clock: VirtualClock
    calls: list[Call] = field(default_factory=list)
    entities: dict[str, Entity] = field(default_factory=dict)
    """By the id that `EntityId.get_scheduler_id` makes."""
    instances: dict[str, Instance] = field(default_factory=dict)
    fault: Callable[[Call], CallFault] = lambda call: OK
    on_start: Callable[[str, dict[str, Any]], None] = lambda instance, message: None
    """What else happens when an instance is started with a message."""
    ended: Callable[[datetime], list[Instance]] = lambda moment: []
    """What a query for instances answers that were created before a moment and have ended."""

    def __post_init__(self) -> None:
        self.mock = AsyncMock(spec=df.DurableOrchestrationClient)
        self.mock.read_entity_state.side_effect = self._read
        self.mock.signal_entity.side_effect = self._signal
        self.mock.start_new.side_effect = self._start
        self.mock.raise_event.side_effect = self._raise
        self.mock.terminate.side_effect = self._terminate
        self.mock.purge_instance_history.side_effect = self._purge
        self._on_the_way: list[tuple[datetime, Entity, str, Any]] = []

    @contextmanager
    def installed(self) -> Any:
        """Answer also what `task_hub` asks of the management API, past the SDK's client."""
        with ExitStack() as stack:
            stack.enter_context(patch("registry.durable.task_hub.find_instance", self._instance))
            stack.enter_context(
                patch("registry.durable.maintenance.purge.ended_before", self._ended_before)
            )
            yield self

    def entity(self, id: df.EntityId) -> Entity:
        """The entity with this id, which need not exist."""
        key = df.EntityId.get_scheduler_id(id)
        return self.entities.setdefault(key, Entity(id.name, id.key))

    def message(self, kind: type[Message], **members: Any) -> Message:
        """A message of this moment."""
        return kind(trace=TRACE, sent_at=self.clock.utc_now(), **members)

    def apply(self, kind: type[Signal], id: str = ID, **members: Any) -> None:
        """Have the list of a registry apply a message at once."""
        self.entity(names.list_entity(id)).apply(self.message(kind, **members))

    def open(self, terms: RegistryTerms | None = None) -> RegistryTerms:
        """Have an open list, and its orchestration running."""
        terms = terms or make_terms()
        self.apply(OpenRegistry, terms.id, terms=terms)
        self.start(terms)
        return terms

    def start(self, terms: RegistryTerms, status: str = "Running") -> None:
        """Have a registry's orchestration, with this status."""
        input = json.dumps(self.message(OpenRegistry, terms=terms).to_json())
        self.instances[terms.id] = Instance(terms.id, names.REGISTRY_ORCHESTRATOR, status, input)

    def registry(self, id: str = ID) -> Registry | None:
        """What the list has committed by now."""
        state = self.entity(names.list_entity(id)).read()
        return Registry.from_state(state) if state else None

    def stats(self) -> Stats:
        """What the stats have committed by now."""
        self._commit()
        total = Stats()
        for entity in names.stats_entities():
            if state := self.entity(entity).read():
                total += Stats.from_state(state)
        return total

    def sent(self) -> list[str]:
        """What was sent so far, accepted or not."""
        return self.made("signal", "start", "raise")

    def made(self, *verbs: str) -> list[str]:
        """The calls that begin with one of these words."""
        return [call.what for call in self.calls if call.what.split()[0] in verbs]

    def count(self, what: str) -> int:
        """How many calls of a kind there were."""
        return sum(call.what == what for call in self.calls)

    def times(self, what: str) -> list[float]:
        """When, in seconds, there were calls of a kind."""
        return [call.at for call in self.calls if call.what == what]

    async def _called(self, what: str, target: str, content: Any = None) -> CallFault:
        call = Call(what, target, self.clock.monotonic(), content)
        self.calls.append(call)
        fault = self.fault(call)

        await asyncio.sleep(3600 if fault.hangs else 0)
        if fault.fails and not fault.effects:
            raise ConnectionError(f"{what} failed for {target}")
        return fault

    def _commit(self) -> None:
        due = [each for each in self._on_the_way if each[0] <= self.clock.now]
        for each in sorted(due, key=lambda each: each[0]):
            self._on_the_way.remove(each)
            _, entity, operation, given = each
            entity.batch((operation, given))

    async def _read(self, entity: df.EntityId) -> Any:
        await self._called(f"read {ENTITIES[entity.name]}", entity.key)
        self._commit()
        found = self.entity(entity)
        return SimpleNamespace(
            entity_exists=found.exists, entity_state=found.read() if found.exists else None
        )

    async def _signal(self, entity: df.EntityId, operation: str, given: Any) -> None:
        given = json.loads(json.dumps(given))
        fault = await self._called(f"signal {SIGNALS[operation].__name__}", entity.key, given)
        due = self.clock.now + timedelta(seconds=COMMIT_SECONDS + fault.delay)
        self._on_the_way.extend([(due, self.entity(entity), operation, given)] * fault.effects)
        _fail_if(fault)

    async def _start(self, name: str, instance: str, given: Any) -> str:
        fault = await self._called(f"start {INSTANCES[name]}", instance, given)
        if self._is_running(instance):
            raise Exception(
                "{'Message': 'An Orchestration instance with the status Running already exists.'}"
            )
        if fault.effects:
            self.instances[instance] = Instance(instance, name, "Pending", json.dumps(given))
            self.on_start(instance, given)
        _fail_if(fault)
        return instance

    async def _raise(self, instance: str, event: str, given: Any) -> None:
        fault = await self._called(f"raise {EVENTS[event]}", instance, given)
        if not self._is_running(instance):
            raise Exception(f"Instance with ID {instance} is gone: either completed or failed")
        _fail_if(fault)

    async def _terminate(self, instance: str, reason: str) -> None:
        fault = await self._called("terminate", instance)
        if instance not in self.instances:
            raise Exception(f"No instance with ID '{instance}' found.")
        if fault.effects and self._is_running(instance):
            self.instances[instance] = self.instances[instance]._replace(status="Terminated")
        _fail_if(fault)

    async def _purge(self, instance: str) -> None:
        fault = await self._called("purge", instance)
        if self._is_running(instance):
            raise Exception("The operation failed with an unexpected status code 412")
        if fault.effects:
            self.instances.pop(instance, None)
            self.entities.pop(instance, None)
        _fail_if(fault)

    def _is_running(self, id: str) -> bool:
        return id in self.instances and is_running(self.instances[id])

    async def _instance(self, client: Any, id: str) -> Instance | None:
        await self._called("instance", id)
        return self.instances.get(id)

    async def _ended_before(self, client: Any, moment: datetime) -> AsyncIterator[Instance]:
        await self._called("query", "")
        for each in self.ended(moment):
            yield each


def _fail_if(fault: CallFault) -> None:
    if fault.fails:
        raise ConnectionError("no answer came")
