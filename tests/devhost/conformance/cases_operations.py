"""Cases of durable.json: operations of entities, by orchestrators and by the SDK's client."""

from typing import Any

from tests.devhost.conformance.driving import Driver, case, settled


def key(d: Driver, name: str) -> str:
    """The source of the id of an entity that only this case has."""
    return f"df.EntityId('ent', {d.id(name)!r})"


def state(d: Driver, name: str) -> Any:
    """Whether the entity exists, and its state, as the client reads them."""
    return d.pyh(
        f"async def f(c, req):\n r = await c.read_entity_state({key(d, name)})\n"
        " return [r.entity_exists, r.entity_state]"
    )


def signal(d: Driver, name: str, *operation: Any) -> None:
    d.sdk(f"await c.signal_entity({key(d, name)}, *{operation!r})")


def orchestrated(name: str, body: str) -> None:
    """A case that is one orchestration, which has an entity `e`."""
    case(name)(lambda d: d.orch(f"def f(c):\n e = {key(d, name)}\n {body}"))


def signalled(name: str, *operations: tuple[Any, ...]) -> None:
    """A case of signals, and of what is read afterwards."""

    @case(name)
    def read(d: Driver) -> Any:
        for operation in operations:
            signal(d, name, *operation)
        return settled(lambda: state(d, name), lambda found: found[0])


orchestrated(
    "ent-err",
    "try:\n  yield c.call_entity(e, 'setfail', 99)\n except Exception as x:\n  seen = [type(x).__name__, str(x)]\n"
    " return [seen, (yield c.call_entity(e, 'get', 0))['n']]",
)
signalled("ent-err-signal", ("setfail", 99))
signalled("ent-err-first", ("setfail", 99))
signalled("ent-err-first2", ("get",))
signalled("ent-noop-exists", ("nothing", 1))
signalled("ent-delete-op", ("add", 5), ("delete",))
signalled("ent-delete-op2", ("add", 5), ("delete", 1))


def destructed(name: str, before: int, after: int) -> None:
    """A case of an entity that destructs: what is read before or after that, and then after another operation."""

    @case(name)
    def destruct(d: Driver) -> Any:
        signal(d, name, "add", 5)
        operation = ("del",) if before else ("del", 1)
        signal(d, name, *operation)
        first = state(d, name)
        signal(d, name, "add", after)
        _, second = state(d, name)
        return [first, True, second]


destructed("ent-del", 5, 2)
destructed("ent-destruct", 0, 2)
orchestrated(
    "ent-destruct-orch",
    "a = yield c.call_entity(e, 'add', 5)\n yield c.call_entity(e, 'del', 0)\n"
    " return [a, (yield c.call_entity(e, 'get', 0))]",
)


@case("ent-destruct-list")
def _listed(d: Driver) -> Any:
    signal(d, "d4", "add", 5)
    signal(d, "d4", "del", 1)
    entities = d.mgmt("GET", "entities/ent").body
    keys = [each["entityId"]["key"] for each in entities if each["entityId"]["key"] == d.id("d4")]
    return [keys, 202, d.mgmt("DELETE", f"instances/@ent@{d.id('d4')}").brief()]


@case("ent-destruct-http")
def _read(d: Driver) -> Any:
    signal(d, "d9", "add", 5)
    signal(d, "d9", "del", 1)
    read = d.mgmt("GET", f"entities/ent/{d.id('d9')}").brief()
    listed = [
        each for each in d.mgmt("GET", "entities/ent?fetchState=true").body if each["entityId"]["key"] == d.id("d9")
    ]
    return [read, None, d.mgmt("GET", f"entities/ent/{d.id('d9')}").brief(), listed]


orchestrated(
    "ent-order",
    "c.signal_entity(e, 'push', 1); c.signal_entity(e, 'push', 2); c.signal_entity(e, 'push', 3)\n"
    " return (yield c.call_entity(e, 'get', 0))['ops']",
)
orchestrated("ent-call-unknown", "return (yield c.call_entity(df.EntityId('nosuch', 'k'), 'add', 1))")
orchestrated("ent-signal-unknown-orch", "c.signal_entity(df.EntityId('nosuch', 'k'), 'add', 1)\n return 'ok'\n yield")


def unserialisable(name: str, source: str) -> None:
    """A case of an operation whose result or state is no JSON."""
    orchestrated(
        name,
        f"try:\n  return (yield c.call_entity(e, 'exec', {source!r}))\n"
        " except Exception as x:\n  return [type(x).__name__, str(x)]",
    )


unserialisable("ent-result-unserialisable", "def f(c):\n return object()")
unserialisable("ent-state-unserialisable", "def f(c):\n c.set_state(object())")


@case("ent-result-unserialisable-after")
def _afterwards(d: Driver) -> Any:
    signal(d, "uns", "exec", "def f(c):\n return object()")
    signal(d, "uns", "add", 1)
    return settled(lambda: state(d, "uns"), lambda found: found[0])


orchestrated(
    "ent-types",
    "r = []\n for given in ['None', '2**70', '\"\\\\0\\\\uffff\"', '[1, {}]', '1.5']:\n"
    "  r.append((yield c.call_entity(e, 'exec', 'def f(c):\\n return ' + given)))\n return r",
)


@case("ent-surrogate")
def _surrogate(d: Driver) -> Any:
    source = (
        f"async def f(c, req):\n e = {key(d, 's')}\n"
        " await c.signal_entity(e, 'push', 'a\\ud800b'); await c.signal_entity(e, 'push', '\\0\\uffff')\n"
        " r = await c.read_entity_state(e)\n return [r.entity_exists, ascii(r.entity_state)]"
    )
    return d.pyh(source)


@case("ent-big")
def _big(d: Driver) -> Any:
    d.orch(f"def f(c):\n yield c.call_entity({key(d, 'big')}, 'push', 'x' * 200000)")
    exists, found = state(d, "big")
    return [exists, len(found["ops"][0])]


@case("ent-new")
def _new(d: Driver) -> Any:
    source = "def f(c):\n return [c.is_newly_constructed, c.entity_name, c.entity_key, c.operation_name]"
    call = f"(yield c.call_entity(df.EntityId('Ent', {d.id('NeW')!r}), 'exec', {source!r}))"
    return d.orch(f"def f(c):\n return [{call}, {call}]")


@case("ent-key-at-orch")
def _keys(d: Driver) -> Any:
    keys = [d.id(f"a{character}b") for character in ("/", "#", "?", "@", " ")]
    return d.orch(
        f"def f(c):\n r = []\n for k in {keys!r}:\n  r.append((yield c.call_entity(df.EntityId('ent', k), 'add', 1)))\n"
        " return r"
    )


@case("ent-any")
def _both(d: Driver) -> Any:
    first, second = key(d, "x"), key(d, "y")
    return d.orch(
        f"def f(c):\n yield c.call_entity({second}, 'add', 10)\n"
        f" both = c.task_all([c.call_entity({first}, 'add', 1), c.call_entity({second}, 'add', 1)])\n"
        " timer = c.create_timer(c.current_utc_datetime + timedelta(seconds=30))\n"
        " yield c.task_any([both, timer])\n timer.cancel()\n return both.result"
    )


@case("ent-signal-scheduled")
def _scheduled(d: Driver) -> Any:
    return d.pyh(
        "async def f(c, req):\n import inspect as i\n o = df.DurableOrchestrationContext\n"
        " s = [str(i.signature(c.signal_entity)), str(i.signature(o.signal_entity))]\n"
        " return s + [any(n in dir(each) for each in [c, o]) for n in ('signal_entity_at', 'schedule_signal_entity', "
        "'lock', 'lock_entities')]"
    )
