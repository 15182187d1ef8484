"""Cases of durable.json: the management API over HTTP."""

from collections.abc import Callable
from typing import Any

from tests.devhost.conformance.driving import JSON, Driver, case


def simple(name: str, *request: Any) -> None:
    """A case that is one request, of which status, headers and body were recorded."""
    case(name)(lambda d: d.mgmt(*request).shown())


def started(name: str, id: str, function: str, *request: Any, outcome: str = "") -> None:
    """A case that starts an instance; and, as another case, the status at its end."""

    @case(name)
    def start(d: Driver) -> Any:
        return d.mgmt("POST", f"orchestrators/{function}/{d.id(id)}", *request).shown()

    if outcome:

        @case(outcome)
        def ended(d: Driver) -> Any:
            d.mgmt("POST", f"orchestrators/{function}/{d.id(id)}", *request)
            return d.until(d.id(id))


simple("key-none", "GET", "instances/x")
simple("key-wrong", "GET", "instances/x?code=wrong")
simple("key-header", "GET", "instances/x", None, {"x-functions-key": "k"})
started("start-ok", "s1", "noop", '{"a":1}')
simple("start-noid", "POST", "orchestrators/noop")
simple("start-unknown", "POST", "orchestrators/nosuch")
simple("start-activity", "POST", "orchestrators/echo")
simple("start-badjson", "POST", "orchestrators/noop", "{bad")
started("start-badjson2", "nan", "noop", "NaN", outcome="start-badjson2-out")
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
