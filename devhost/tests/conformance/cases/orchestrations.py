"""Cases of durable.json: orchestrations, with their activities and sub-orchestrations."""

import json
from typing import Any

from tests.conformance.driving import STILL, TIMEOUT, Driver, case, eventually


def orchestrated(name: str, code: str, *members: str, timeout: float = TIMEOUT) -> None:
    """A case that is one orchestration: of its end, runtimeStatus and output were recorded, or
    other members.
    """
    case(name)(lambda d: d.orch(code, *members, timeout=timeout))


def failure(name: str, call: str, kind: bool = False) -> None:
    """A case of a failed activity, as its orchestrator sees the error.

    The recording was cut within the stack trace.
    """
    shown = "[type(e).__name__, str(e)]" if kind else "str(e)"
    code = f"def f(c):\n try:\n  return (yield {call})\n except Exception as e:\n  return {shown}"
    case(name)(lambda d: d.orch(code))


def running(pya: str) -> str:
    """The call of an activity that runs this source."""
    return f"c.call_activity('pya', {f'def f(x):{chr(10)} {pya}'!r})"


orchestrated("act-fail", "def f(c):\n yield c.call_activity('bad', 1)")
SURROGATE = running(r"return 'a\ud800b'")
failure("act-fail-str", "c.call_activity('bad', 1)", kind=True)
failure("act-multiline", running("raise KeyError('a\\nb: é')"))
failure("act-chained", running("raise RuntimeError('outer') from ValueError('inner')"))
failure("act-empty-exc", running("raise ValueError()"))
failure("act-unserialisable", running("return object()"), kind=True)
failure("act-bytes", running("return b'ab'"), kind=True)
orchestrated("act-unknown", "def f(c):\n yield c.call_activity('nosuch', 1)")
orchestrated("act-case", "def f(c):\n return (yield c.call_activity('ECHO', 'x'))")
orchestrated(
    "act-nan", f"def f(c):\n return repr((yield {running('return [1e999 - 1e999, 1e999]')}))"
)
orchestrated(
    "act-types",
    "def f(c):\n"
    " given = [None, 1, 1.5, 2**70, True, '', 's', [1], {'a': None}, '2026-11-24T00:00:00Z',\n"
    "  '\\0\\ufffd', '\"q\"', 'é']\n"
    " return (yield c.task_all([c.call_activity('echo', each) for each in given]))",
)
orchestrated("act-none-input", "def f(c):\n return (yield c.call_activity('echo'))")
orchestrated(
    "act-surrogate", "def f(c):\n return ascii((yield c.call_activity('echo', 'a\\ud800b')))"
)
orchestrated("act-surrogate-out", f"def f(c):\n return ascii((yield {SURROGATE}))")
orchestrated("orch-exc", "def f(c):\n raise KeyError('é\\nb')\n yield")
orchestrated("orch-unserialisable", "def f(c):\n return object()\n yield")
orchestrated("orch-nan", "def f(c):\n return float('nan')\n yield")
orchestrated("orch-surrogate", "def f(c):\n return 'a\\ud800b'\n yield")
orchestrated("orch-nul", "def f(c):\n return 'a\\0b\\uffff\\ufffd'\n yield")
orchestrated("orch-notgen", "def f(c):\n return 5")
orchestrated("orch-yield-nontask", "def f(c):\n yield 5")
orchestrated("orch-yield-none", "def f(c):\n return (yield)", timeout=STILL)
orchestrated(
    "orch-customstatus",
    "def f(c):\n c.set_custom_status({'a': [1]})\n raise ValueError('x')\n yield",
    *("runtimeStatus", "output", "customStatus"),
)


def custom_status(name: str, length: int) -> None:
    """A case of a long custom status: the status, its length, and the output."""

    @case(name)
    def fail(d: Driver) -> Any:
        code = f"def f(c):\n c.set_custom_status('x' * {length})\n return 1\n yield"
        shown = d.until(d.start("py", input={"code": code}))
        output = shown["output"]
        return [shown["runtimeStatus"], len(json.dumps(shown["customStatus"])), output]


custom_status("orch-customstatus-big", 20000)
custom_status("orch-customstatus-17k", 16385)


orchestrated(
    "uuid-time",
    "def f(c):\n"
    " a = c.new_uuid(); g = c.new_guid(); t = c.current_utc_datetime\n"
    " yield c.call_activity('echo', 1)\n"
    " return [len(a), len(str(g)), isinstance(t, datetime.datetime), repr(t.tzinfo),"
    " t <= c.current_utc_datetime,\n"
    "  a != c.new_uuid(), c.is_replaying, c.parent_instance_id, c.version]",
)
orchestrated(
    "ctx-raw",
    "def f(c):\n return [sorted(vars(c.function_context))]\n yield",
)
orchestrated(
    "hist-events",
    "def f(c):\n yield c.call_activity('echo', 1)\n"
    " return [h.event_type.name for h in c.histories]",
)


orchestrated(
    "hist-attrs",
    "def f(c):\n yield c.call_activity('echo', 'x')\n"
    " return [[h.event_type, h.event_id, h.is_played, sorted(vars(h))] for h in c.histories]",
)
orchestrated(
    "timer-past",
    "def f(c):\n yield c.create_timer(c.current_utc_datetime - timedelta(days=1))\n return 1",
)
orchestrated(
    "timer-naive", "def f(c):\n yield c.create_timer(datetime.datetime(2030, 1, 1))\n return 1"
)


def raced(name: str, span: str, *, cancel: bool) -> None:
    """A case of a timer that an activity overtakes."""
    code = (
        f"def f(c):\n t = c.create_timer(c.current_utc_datetime + timedelta({span}))\n"
        " a = c.call_activity('echo', 1)\n w = yield c.task_any([t, a])\n"
        f" {'t.cancel()' if cancel else ''}\n return w == a"
    )
    orchestrated(name, code)


raced("timer-notcancelled", "seconds=0.2", cancel=False)
raced("timer-3d-cancel", "days=3", cancel=True)
raced("timer-6d-cancel", "days=5.9", cancel=True)


@case("timer-long")
def _long_timer(d: Driver) -> Any:
    code = (
        "def f(c):\n t=c.create_timer(c.current_utc_datetime+timedelta(days=10))\n"
        ' a=c.call_activity("echo",1)\n w=yield c.task_any([t,a])\n t.cancel()\n return w==a'
    )
    return d.orch(code, timeout=STILL)


orchestrated(
    "any-fail",
    "def f(c):\n a = c.call_activity('bad', 1)\n"
    " w = yield c.task_any([a, c.call_activity('slow', 0.1)])\n"
    " return [w == a, type(w.result).__name__, str(w.result)[:200]]",
)


def all_failed(name: str, calls: str, result: str) -> None:
    """A case of a task_all that fails."""
    orchestrated(
        name,
        f"def f(c):\n t = c.current_utc_datetime\n try:\n  yield c.task_all([{calls}])\n"
        f" except Exception as e:\n  return [type(e).__name__, str(e)[:300]{result}]",
    )


all_failed(
    "all-fail",
    "c.call_activity('bad', 1), c.call_activity('slow', 0.1)",
    ", int((c.current_utc_datetime - t).total_seconds())",
)
all_failed("all-fail2", "c.call_activity('bad', 1), c.call_activity('bad', 2)", "")
orchestrated("all-empty", "def f(c):\n return (yield c.task_all([]))")
orchestrated("any-empty", "def f(c):\n return (yield c.task_any([]))")
orchestrated(
    "all-order",
    "def f(c):\n slow, quick = {'s': 0.1, 'n': 1}, {'n': 2}\n"
    " r = yield c.task_all([c.call_activity('slow', slow), c.call_activity('echo', quick)])\n"
    " return [each['n'] for each in r]",
)
orchestrated(
    "retry-1",
    "def f(c):\n try:\n  yield c.call_activity_with_retry('bad', df.RetryOptions(1000, 1), 1)\n"
    " except Exception as e:\n  return [str(e)[:300]]",
)
orchestrated(
    "sub",
    'def f(c):\n i = {"code": "def f(c):\\n return [c.instance_id, c.parent_instance_id]"}\n'
    " a = yield c.call_sub_orchestrator('py', i)\n b = yield c.call_sub_orchestrator('py', i)\n"
    " o = yield c.call_sub_orchestrator('py', i, 'own-' + c.new_uuid())\n"
    " return [c.instance_id, a, b, ['own-{id}', o[1]]]",
)
orchestrated(
    "sub-fail",
    "def f(c):\n try:\n  yield c.call_sub_orchestrator('failing')\n"
    " except Exception as e:\n  return [type(e).__name__, str(e)]",
)
orchestrated("sub-unknown", "def f(c):\n yield c.call_sub_orchestrator('nosuch', '1')")


def sub_with_id(name: str, id: str) -> None:
    """A case of a sub-orchestration under an id of its own."""
    case(name)(
        lambda d: d.orch(
            f"def f(c):\n return (yield c.call_sub_orchestrator('noop', {{'b': 1}}, {d.id(id)!r}))"
        )
    )


sub_with_id("sub-badid-slash", "a/b")
sub_with_id("sub-badid-hash", "a#b")
sub_with_id("sub-badid-at", "@x")
sub_with_id("sub-badid", "@x")


@case("sub-existing-running")
def _replaced(d: Driver) -> Any:
    d.start("waiter", d.id("w"))
    d.until(d.id("w"), "Running")
    return d.orch(
        f"def f(c):\n return (yield c.call_sub_orchestrator('noop', {{'a': 1}}, {d.id('w')!r}))"
    )


@case("sub-sameid")
def _used_again(d: Driver) -> Any:
    d.until(d.start("noop", d.id("n"), {"a": 1}))
    return d.orch(
        f"def f(c):\n return (yield c.call_sub_orchestrator('noop', {{'b': 1}}, {d.id('n')!r}))"
    )


@case("terminate-parent")
def _parent(d: Driver) -> Any:
    id = d.start(
        "py",
        d.id("p"),
        {"code": f"def f(c):\n yield c.call_sub_orchestrator('waiter', 1, {d.id('c')!r})"},
    )
    d.until(d.id("c"), "Running")
    d.mgmt("POST", f"instances/{id}/terminate?reason=x")
    d.until(id, "Terminated")
    return [d.status(each).body["runtimeStatus"] for each in (id, d.id("c"))]


@case("can")
def _anew(d: Driver) -> Any:
    code = (
        "def f(c):\n i = c.get_input(); n = i.get('n', 0)\n yield c.call_activity('echo', n)\n"
        " if n < 3:\n  c.continue_as_new({'code': i['code'], 'n': n + 1})\n  return\n return n"
    )
    id = d.start("py", input={"code": code})
    d.until(id)
    return d.status(id, "?showHistory=true&showInput=false").body


def not_deterministic(name: str, then: str, now: str) -> None:
    """A case of an orchestrator that asks for one thing first and for another in its replay."""
    code = (
        "def f(c):\n n = G[c.instance_id] = G.get(c.instance_id, 0) + 1\n"
        f" if n == 1:\n  yield {then}\n else:\n  {now}\n"
        " yield c.wait_for_external_event('never')"
    )
    orchestrated(name, code)


not_deterministic("nondet", "c.call_activity('echo', 1)", "yield c.call_activity('slow', 0)")
not_deterministic(
    "nondet2", "c.call_activity('echo', 1)", "yield c.create_timer(c.current_utc_datetime)"
)
not_deterministic("nondet3", "c.call_activity('echo', 1)", "return 1")


def exited(name: str, statement: str) -> None:
    """A case of an activity that ends its worker; of the exception only the type was recorded."""

    @case(name)
    def exit_worker(d: Driver) -> Any:
        code = (
            f"def f(c):\n try:\n  yield {running(statement)}\n"
            " except Exception as e:\n  return str(e)"
        )
        text, _, _ = d.orch(code)["output"].partition("Exception, ")
        return f"{text}Exception, ..."


exited("act-sysexit", "sys.exit(3)")
exited("act-kbd", "raise KeyboardInterrupt")


@case("hist-kinds")
def _kinds(d: Driver) -> Any:
    code = (
        "def f(c):\n c.set_custom_status('x')\n"
        " yield c.create_timer(c.current_utc_datetime + timedelta(seconds=0.05))\n"
        " yield c.wait_for_external_event('E')\n yield c.call_sub_orchestrator('noop', {'a': 1})\n"
        f" e = df.EntityId('ent', {d.id('kinds')!r})\n"
        " c.signal_entity(e, 'add', 1)\n yield c.call_entity(e, 'add', 1)\n"
        " try:\n  yield c.call_activity('bad', 1)\n except Exception:\n  return 1"
    )
    id = d.start("py", input={"code": code})
    fired = eventually(
        lambda: history(d, id),
        lambda shown: any(each["EventType"] == "TimerFired" for each in shown),
    )
    assert fired
    d.mgmt("POST", f"instances/{id}/raiseEvent/E", '{"a":1}')
    d.until(id)
    shown = ("EventType", "Name", "FireAt", "Result", "Reason", "FunctionName")
    return [
        {
            name: value
            if name in shown or (name == "Input" and value in (None, '{"a":1}'))
            else ".."
            for name, value in each.items()
        }
        for each in history(d, id)
    ]


def history(d: Driver, id: str) -> Any:
    return d.status(id, "?showHistory=true&showHistoryOutput=true").body.get("historyEvents", [])
