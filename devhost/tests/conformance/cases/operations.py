"""Cases of durable.json: operations of entities, by orchestrators and by the SDK's client."""

from typing import Any

from tests.conformance.driving import Driver, case, eventually


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
        return eventually(lambda: state(d, name), lambda found: found[0])


orchestrated(
    "ent-err",
    "try:\n  yield c.call_entity(e, 'setfail', 99)\n"
    " except Exception as x:\n  seen = [type(x).__name__, str(x)]\n"
    " return [seen, (yield c.call_entity(e, 'get', 0))['n']]",
)
signalled("ent-err-signal", ("setfail", 99))
signalled("ent-err-first", ("setfail", 99))
signalled("ent-err-first2", ("get",))
signalled("ent-noop-exists", ("nothing", 1))
signalled("ent-delete-op", ("add", 5), ("delete",))


@case("ent-del")
def _destruct(d: Driver) -> Any:
    signal(d, "del", "add", 5)
    signal(d, "del", "del")
    first = state(d, "del")
    signal(d, "del", "add", 2)
    _, second = state(d, "del")
    return [first, True, second]


orchestrated(
    "ent-order",
    "c.signal_entity(e, 'push', 1); c.signal_entity(e, 'push', 2); c.signal_entity(e, 'push', 3)\n"
    " return (yield c.call_entity(e, 'get', 0))['ops']",
)
orchestrated(
    "ent-call-unknown", "return (yield c.call_entity(df.EntityId('nosuch', 'k'), 'add', 1))"
)
orchestrated(
    "ent-signal-unknown-orch",
    "c.signal_entity(df.EntityId('nosuch', 'k'), 'add', 1)\n return 'ok'\n yield",
)


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
    return eventually(lambda: state(d, "uns"), lambda found: found[0])


orchestrated(
    "ent-types",
    "r = []\n for given in ['None', '2**70', '\"\\\\0\\\\uffff\"', '[1, {}]', '1.5']:\n"
    "  r.append((yield c.call_entity(e, 'exec', 'def f(c):\\n return ' + given)))\n return r",
)


@case("ent-surrogate")
def _surrogate(d: Driver) -> Any:
    source = (
        f"async def f(c, req):\n e = {key(d, 's')}\n"
        " await c.signal_entity(e, 'push', 'a\\ud800b');"
        " await c.signal_entity(e, 'push', '\\0\\uffff')\n"
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
    source = (
        "def f(c):\n return [c.is_newly_constructed, c.entity_name, c.entity_key, c.operation_name]"
    )
    call = f"(yield c.call_entity(df.EntityId('Ent', {d.id('NeW')!r}), 'exec', {source!r}))"
    return d.orch(f"def f(c):\n return [{call}, {call}]")


@case("ent-key-at-orch")
def _keys(d: Driver) -> Any:
    keys = [d.id(f"a{character}b") for character in ("/", "#", "?", "@", " ")]
    return d.orch(
        f"def f(c):\n r = []\n for k in {keys!r}:\n"
        "  r.append((yield c.call_entity(df.EntityId('ent', k), 'add', 1)))\n"
        " return r"
    )


@case("ent-any")
def _both(d: Driver) -> Any:
    first, second = key(d, "x"), key(d, "y")
    return d.orch(
        f"def f(c):\n yield c.call_entity({second}, 'add', 10)\n"
        f" both = c.task_all([c.call_entity({first}, 'add', 1),"
        f" c.call_entity({second}, 'add', 1)])\n"
        " timer = c.create_timer(c.current_utc_datetime + timedelta(seconds=30))\n"
        " yield c.task_any([both, timer])\n timer.cancel()\n return both.result"
    )


@case("vis-call")
def _read_after_call(d: Driver) -> Any:
    stale = 0
    for number in range(1, 61):
        d.orch(f"def f(c):\n return (yield c.call_entity({key(d, 'v')}, 'add', 1))")
        _, found = state(d, "v")
        stale += found["n"] != number
    return [{"stale": stale, "last": found["n"]}]


@case("vis-signal-after-end")
def _read_after_signal(d: Driver) -> Any:
    stale = 0
    for number in range(1, 31):
        d.orch(
            f"def f(c):\n c.signal_entity({key(d, 'v')}, 'add', 1)\n"
            " yield c.call_activity('echo', 1)"
        )
        stale += state(d, "v")[1]["n"] != number
    return {"stale": stale}
