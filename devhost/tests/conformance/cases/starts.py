"""Cases of durable.json: starting instances over HTTP."""

from typing import Any
from urllib.parse import quote

from tests.conformance.driving import Driver, case, eventually


def simple(name: str, *request: Any) -> None:
    """A case that is one request, of which status, headers and body were recorded."""
    case(name)(lambda d: d.mgmt(*request).shown())


def started(
    name: str, id: str, function: str, *request: Any, outcome: str = "", without_id: bool = False
) -> None:
    """A case that starts an instance; and, as another case, the status at its end."""

    @case(name)
    def start(d: Driver) -> Any:
        return d.mgmt("POST", f"orchestrators/{function}/{d.id(id)}", *request).shown()

    if outcome:

        @case(outcome)
        def ended(d: Driver) -> Any:
            d.mgmt("POST", f"orchestrators/{function}/{d.id(id)}", *request)
            shown = d.until(d.id(id))
            return (
                {name: shown[name] for name in shown if name != "instanceId"}
                if without_id
                else shown
            )


simple("key-none", "GET", "instances/x")
simple("key-wrong", "GET", "instances/x?code=wrong")
simple("key-header", "GET", "instances/x", None, {"x-functions-key": "k"})
started("start-ok", "s1", "noop", '{"a":1}')
simple("start-noid", "POST", "orchestrators/noop")
simple("start-unknown", "POST", "orchestrators/nosuch")
simple("start-activity", "POST", "orchestrators/echo")
simple("start-badjson", "POST", "orchestrators/noop", "{bad")
started("start-badjson2", "nan", "noop", "NaN", outcome="start-badjson2-out", without_id=True)
started("start-singlequote", "sq", "noop", "{'a':1}", outcome="start-singlequote-out")
simple("start-trailing", "POST", "orchestrators/noop", "1 2")
started("start-comment", "co", "noop", "1/*x*/")
started("start-empty", "em", "noop", None, {}, outcome="start-empty-out")
started("start-emptystr", "es", "noop", "")
simple("start-textplain", "POST", "orchestrators/noop", "hello", {"Content-Type": "text/plain"})
started("start-textplain-num", "tp5", "noop", "5", {"Content-Type": "text/plain"})
started("start-nocontenttype", "nc", "noop", "5", {})
started("start-case", "ca", "NOOP", "5", outcome="start-case-out")
simple("start-get", "GET", "orchestrators/noop")
simple("start-put", "PUT", "orchestrators/noop")
simple("start-extra", "POST", "orchestrators/noop/a/b")
simple("start-slash", "POST", "orchestrators/noop/")
case("start-urlcase")(lambda d: d.mgmt("POST", "Orchestrators/noop").brief())


def odd_id(name: str, id: str) -> None:
    """A case that starts an instance under an odd id, and looks after it."""

    @case(f"id-{name}")
    def start_and_get(d: Driver) -> Any:
        path = quote(d.id(id), safe="")
        answer = d.mgmt("POST", f"orchestrators/noop/{path}", '{"a":1}')
        if answer.status != 202:
            return {"start": [answer.status, answer.text]}
        seen = eventually(
            lambda: d.mgmt("GET", f"instances/{path}"), lambda seen: seen.status == 200
        )
        return {
            "start": [202, answer.headers["location"].partition("?")[0]],
            "get": [seen.status, seen.body["instanceId"]],
        }


for name, id in {
    "space": "a b",
    "slash": "a/b",
    "hash": "a#b",
    "at-first": "@ab",
    "at-mid": "a@b",
    "unicode": "é漢😀",
    "question": "a?b",
    "backslash": "a\\b",
    "percent": "a%b",
    "plus": "a+b",
    "colon": "a:b",
    "upper": "ABC",
    "quote": "a'b",
    "dot": "a.b",
    "ctl": "a\x01b",
    "nl": "a\nb",
    "amp": "a&b=c",
    "star": "a*b",
    "lt": "a<b",
    "del": "a\x7fb",
    "c1": "a\x85b",
}.items():
    odd_id(name, id)
for length, character in {100: "x", 101: "y", 256: "z", 1000: "w"}.items():
    odd_id(f"len{length}", character * (length - 5))
