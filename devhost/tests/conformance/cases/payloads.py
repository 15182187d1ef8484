"""Cases of durable.json: events, characters that are hard to send, sizes, and calls over HTTP."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from devhost.settings.files import DEFAULTS
from tests.conformance.driving import STILL, TIMEOUT, Driver, case, eventually

BASE64 = replace(DEFAULTS, message_encoding="Base64")


def raised(d: Driver, id: str, body: str, name: str = "go") -> int:
    """Raise an event; returns the status of the answer."""
    return d.mgmt("POST", f"instances/{id}/raiseEvent/{name}", body).status


def as_timed_out(shown: Any) -> Any:
    """What the recording has of an instance that does not end."""
    status, text = shown["last"]
    return ["TIMEOUT", status, json.loads(text)["runtimeStatus"]]


def waiter(d: Driver, name: str = "w") -> str:
    """An instance that waits for the event `go`."""
    id = d.start("waiter", d.id(name))
    d.until(id, "Running")
    return id


OTHER = "yield c.wait_for_external_event('N')"
"""Stands for a slow activity: the event E is raised before anything waits for it."""


@case("ev-buffered")
def _buffered(d: Driver) -> Any:
    code = (
        f"def f(c):\n {OTHER}\n a = yield c.wait_for_external_event('E')\n"
        " b = yield c.wait_for_external_event('E')\n return [a, b]"
    )
    id = d.start("py", input={"code": code})
    d.until(id, "Running")
    for body, name in (("1", "E"), ("2", "E"), ("0", "N")):
        raised(d, id, body, name)
    return d.end(id)


@case("ev-twowaits")
def _two(d: Driver) -> Any:
    code = (
        "def f(c):\n return (yield c.task_all("
        "[c.wait_for_external_event('E'), c.wait_for_external_event('E')]))"
    )
    id = d.start("py", input={"code": code})
    d.until(id, "Running")
    raised(d, id, "1", "E"), raised(d, id, "2", "E")
    return d.end(id)


@case("ev-pending")
def _pending(d: Driver) -> Any:
    id = d.start("waiter")
    return [raised(d, id, '"v"'), d.end(id)]


def eternal(d: Driver, first: str, then: str, generations: int) -> str:
    """An instance that continues as new until it has run so often; returns its id."""
    code = (
        f"def f(c):\n i = c.get_input(); n = i.get('n', 0); seen = i.get('seen', [])\n"
        f" if n == 0:\n  {first}\n else:\n  {then}\n"
        f" if n < {generations - 1}:\n"
        "  c.continue_as_new(dict(i, n=n + 1, seen=seen))\n  return\n"
        " return seen"
    )
    id = d.start("py", input={"code": code})
    d.until(id, "Running")
    return id


TAKE = "seen.append((yield c.wait_for_external_event('E')))"


@case("ev-can-kept")
def _unawaited(d: Driver) -> Any:
    id = eternal(d, OTHER, "; ".join([TAKE] * 3), 2)
    for number in (1, 2, 3):
        raised(d, id, str(number), "E")
    raised(d, id, "0", "N")
    return as_timed_out(d.until(id, timeout=STILL))


@case("ev-can-1-unawaited")
def _one_unawaited(d: Driver) -> Any:
    then = (
        "t = c.create_timer(c.current_utc_datetime + timedelta(seconds=0.2)); "
        "e = c.wait_for_external_event('E'); "
        "w = yield c.task_any([t, e]); seen = e.result if w == e else 'DROPPED'"
    )
    id = eternal(d, OTHER, then, 2)
    raised(d, id, "1", "E")
    raised(d, id, "0", "N")
    return [d.end(id)["output"]] * 4


def in_order(name: str, numbers: list[int], tries: int, suspended: bool = False) -> None:
    """A case of events that an eternal orchestration takes one by one."""

    @case(name)
    def take(d: Driver) -> Any:
        id = eternal(d, TAKE, TAKE, len(numbers))
        if suspended:
            d.mgmt("POST", f"instances/{id}/suspend?reason=x")
            d.until(id, "Suspended")
        for number in numbers:
            raised(d, id, str(number), "E")
        if suspended:
            d.mgmt("POST", f"instances/{id}/resume?reason=x")
        end = d.end(id)
        return [end["output"]] * tries if tries else end


in_order("ev-can-consumed", [1, 2, 3], 0)
in_order("ev-can-5", [0, 1, 2, 3, 4], 6)
in_order("ev-can-batch", [0, 1, 2], 3, suspended=True)


@case("ev-data")
def _data(d: Driver) -> Any:
    found = []
    for number, body in enumerate(
        (
            '{"a": [1, null]}',
            '"s"',
            "5",
            "null",
            "true",
            "1.0",
            '"2026-11-24T00:00:00Z"',
            r'"\u0000\uffff\ufffd"',
        )
    ):
        id = waiter(d, f"data{number}")
        raised(d, id, body)
        shown = d.until(id, timeout=STILL)
        found.append(
            as_timed_out(shown)
            if "TIMEOUT" in shown
            else {n: shown[n] for n in ("runtimeStatus", "output")}
        )
    return found


@case("ev-surrogate")
def _surrogate(d: Driver) -> Any:
    id = waiter(d)
    return [raised(d, id, r'"a\ud800b"'), d.end(id)]


@case("ev-sdk-surrogate")
def _by_client(d: Driver) -> Any:
    id = waiter(d)
    return [d.sdk(rf"await c.raise_event({id!r}, 'go', 'a\ud800b\uffff\0')"), d.end(id)]


@case("ev-case")
def _letter_case(d: Driver) -> Any:
    id = waiter(d)
    raised(d, id, "1", "GO")
    return as_timed_out(d.until(id, timeout=STILL))


@case("ev-timeout")
def _timeout(d: Driver) -> Any:
    return d.orch(
        "def f(c):\n t = c.create_timer(c.current_utc_datetime + timedelta(seconds=0.1))\n"
        " return (yield c.task_any([c.wait_for_external_event('E'), t])) == t"
    )


@case("ev-suspended")
def _suspended(d: Driver) -> Any:
    id = d.instance("suspended", "s")
    raised(d, id, '"v"')
    d.mgmt("POST", f"instances/{id}/resume?reason=x")
    return d.end(id)


@case("big-event")
def _big_event(d: Driver) -> Any:
    id = waiter(d)
    raised(d, id, json.dumps("x" * 100_000))
    shown = d.until(id)
    return [shown["runtimeStatus"], len(shown["output"])]


def big(d: Driver) -> str:
    """An instance whose input and output are large."""
    id = d.start("hello", d.id("big"), {"a": "x" * 300_000})
    d.until(id)
    return id


def sizes(shown: Any, *members: str) -> list[int]:
    return [len(json.dumps(shown.get(each))) for each in members]


@case("big-io")
def _big_io(d: Driver) -> Any:
    shown = d.status(big(d)).body
    return [shown["runtimeStatus"], *sizes(shown, "input", "output"), str(shown["output"])[:80]]


@case("big-list")
def _big_list(d: Driver) -> Any:
    (shown,) = d.mgmt("GET", f"instances?instanceIdPrefix={big(d)}").body
    return [*sizes(shown, "input", "output"), str(shown["output"])[:80]]


@case("big-history")
def _big_history(d: Driver) -> Any:
    history = d.status(big(d), "?showHistory=true&showHistoryOutput=true").body["historyEvents"]
    return [
        [
            each["EventType"],
            *sizes(each, "Result"),
            str(each.get("Result"))[:80],
            *sizes(each, "Input"),
        ]
        for each in history
    ]


def sent(name: str, text: str) -> None:
    """A case of an event with some character, in ASCII JSON, with both message encodings."""
    for prefix, config in (("", DEFAULTS), ("base64-", BASE64)):

        @case(f"{prefix}enc-event-{name}", config=config)
        def send(d: Driver) -> Any:
            id = waiter(d)
            status = raised(d, id, text)
            shown = d.until(id, timeout=TIMEOUT if status == 202 else STILL)
            return [status, "LOST (still Running)" if "TIMEOUT" in shown else shown["output"]]


for _name, _text in (
    ("nul", r'"a\u0000"'),
    ("ffff", r'"a\uffff"'),
    ("fffe", r'"a\ufffe"'),
    ("fffd", r'"a\ufffd"'),
    ("ctl1", r'"a\u0001"'),
    ("esc", r'"a\u001b"'),
    ("sur", r'"a\ud800"'),
    ("nl", r'"a\n\t\r"'),
    ("del", r'"a\u007f\u0085"'),
):
    sent(_name, _text)


def encoded(name: str) -> Any:
    """Cases of the same name, under both encodings of messages."""

    def register(run: Any) -> Any:
        case(name)(run)
        case(f"base64-{name}", config=BASE64)(run)
        return run

    return register


@encoded("enc-input-ffff")
def _input(d: Driver) -> Any:
    id = d.mgmt(
        "POST", f"orchestrators/noop/{d.id('i')}", json.dumps(r'{"a":"x\uffff\u0000"}')
    ).body["id"]
    shown = d.until(id)
    return [shown["runtimeStatus"], shown["output"]]


@encoded("enc-reason")
def _reason(d: Driver) -> Any:
    id = waiter(d)
    status = d.mgmt(
        "POST", f"instances/{id}/terminate?reason={quote(chr(97) + chr(0xFFFF) + chr(98))}"
    ).status
    shown = d.until(id, timeout=TIMEOUT if status == 202 else STILL)
    return [status, "STILL RUNNING" if "TIMEOUT" in shown else shown["output"]]


@encoded("enc-ent-ffff")
def _entity(d: Driver) -> Any:
    path = f"entities/ent/{d.id('e')}"
    d.mgmt("POST", f"{path}?op=push", r'"\"\uffff\""')
    d.mgmt("POST", f"{path}?op=push", r'"\"ok\""')
    return eventually(lambda: d.mgmt("GET", path).brief(), lambda found: found["status"] == 200)


def called(name: str, request: str, result: str) -> None:
    """A case of call_http: of the response, status, headers and content."""

    @case(name)
    def call(d: Driver) -> Any:
        code = (
            f"def f(c):\n u = {d.origin + '/api/poll/'!r}\n"
            f" try:\n  r = yield c.call_http({request})\n  return {result}\n"
            " except Exception as e:\n  return str(e)[:500]"
        )
        return d.orch(code)


SHOWN = "dict(r, headers=sorted(r['headers']))"
called("http-poll", "'GET', u + 'p5aa', None, {'x-a': 'b'}", "r")
called("http-poll2", "'GET', u + 'p5ab'", "[r['statusCode'], r['content']]")
called("http-post", "'POST', u + 'a?once=1', {'k': 1}, {'x-a': 'b'}", SHOWN)
called("http-500", "'GET', u + 'b?fail=500'", SHOWN)
called("http-refused", "'GET', 'http://127.0.0.1:1/'", "r")
called("http-bad", "'GET', 'nonsense'", "r")
