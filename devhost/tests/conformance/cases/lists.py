"""Cases of durable.json: lists of instances, and purges by filter."""

import base64
from typing import Any

from tests.conformance.driving import Driver, case, eventually

UNIQUE = "p6a"
"""In the recorded tokens, which are encoded, it could not be masked."""


def listed(d: Driver) -> None:
    """Instances to list: q-p6a-0 to 6 completed, -f failed, -t terminated, -w running."""
    d.unique = UNIQUE
    if "listed" not in d.hub:
        d.hub["listed"] = True
        for n in range(7):
            d.until(d.start("noop", f"q-{UNIQUE}-{n}", {"n": n}))
        d.until(d.start("failing", f"q-{UNIQUE}-f", "1"))
        for name in "tw":
            d.until(d.start("waiter", f"q-{UNIQUE}-{name}", "1"), "Running")
        d.mgmt("POST", f"instances/q-{UNIQUE}-t/terminate?reason=x")
        d.until(f"q-{UNIQUE}-t")


@case("list-prep")
def prepare(d: Driver) -> Any:
    listed(d)
    return "ok"


def page(name: str, query: str = "") -> None:
    """A case of the ids on a page."""

    @case(f"list-{name}")
    def get(d: Driver) -> Any:
        listed(d)
        answer = d.mgmt("GET", f"instances?instanceIdPrefix=q-{UNIQUE}{query}")
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name == "x-ms-continuation-token"
        }
        if answer.status != 200:
            return [answer.status, headers, answer.brief()]
        return [
            200,
            headers,
            [each["instanceId"].replace(f"-{UNIQUE}", "") for each in answer.body],
        ]


page("prefix")
page("top", "&top=3")
page("top0", "&top=0")
page("topneg", "&top=-1")
page("topx", "&top=x")
page("top5000", "&top=5000")
page("status", "&runtimeStatus=Failed")
page("status2", "&runtimeStatus=Failed,Running")
page("status-case", "&runtimeStatus=failed")
page("status-bad", "&runtimeStatus=Nope")
page("status-mixed", "&runtimeStatus=Nope,Failed")
page("status-repeat", "&runtimeStatus=Failed&runtimeStatus=Running")
page("status-top", "&runtimeStatus=Failed&top=2")
page("future", "&createdTimeFrom=2099-01-01")
page("past", "&createdTimeTo=2001-01-01")
page("badtime", "&createdTimeFrom=x")


def rows(name: str, path: str, headers: dict[str, str] | None = None) -> None:
    """A case of a whole list."""

    @case(f"list-{name}")
    def get(d: Driver) -> Any:
        listed(d)
        return d.mgmt("GET", path, None, headers or {}).brief()


rows("slash-prefix", f"instances?instanceIdPrefix=q-{UNIQUE}-f")
rows("trail", f"instances/?instanceIdPrefix=q-{UNIQUE}-f")
rows("showinput", f"instances?instanceIdPrefix=q-{UNIQUE}-0&showInput=false")
rows("badtoken", f"instances?instanceIdPrefix=q-{UNIQUE}", {"x-ms-continuation-token": "garbage"})


@case("list-case")
def prefix_in_another_case(d: Driver) -> Any:
    listed(d)
    answer = d.mgmt("GET", f"instances?instanceIdPrefix=Q-{UNIQUE}")
    return [answer.status, {}, answer.body]


@case("list-history")
def show_history(d: Driver) -> Any:
    listed(d)
    answer = d.mgmt("GET", f"instances?instanceIdPrefix=q-{UNIQUE}-0&showHistory=true")
    return [answer.status, list(answer.body[0])]


@case("list-pages")
def pages(d: Driver) -> Any:
    listed(d)
    found, headers = [], {}
    while True:
        answer = d.mgmt("GET", f"instances?instanceIdPrefix=q-{UNIQUE}&top=3", None, headers)
        token = answer.headers.get("x-ms-continuation-token")
        found.append([answer.status, len(answer.body), token is not None])
        if token is None:
            return found
        headers = {"x-ms-continuation-token": token}


@case("list-token")
def token(d: Driver) -> Any:
    listed(d)
    shown = d.mgmt("GET", f"instances?instanceIdPrefix=q-{UNIQUE}&top=3").headers[
        "x-ms-continuation-token"
    ]
    return [shown, base64.b64decode(shown).decode()]


def signalled(d: Driver, key: str, operation: str = "add", body: str = '"5"') -> None:
    """Signal an entity, and wait until it exists."""
    d.mgmt("POST", f"entities/ent/{key}?op={operation}", body)
    eventually(lambda: d.mgmt("GET", f"entities/ent/{key}").status, lambda status: status == 200)


@case("list-entities-in-instances", alone=True)
def entities_among_instances(d: Driver) -> Any:
    for n in range(72):
        signalled(d, f"k{n}")
    answer = d.mgmt("GET", "instances?instanceIdPrefix=@ent")
    return [
        len(answer.body),
        answer.status,
        all(each["instanceId"].startswith("@ent@") for each in answer.body),
    ]


@case("list-default-page", alone=True)
def default_page(d: Driver) -> Any:
    for n in range(3):
        d.until(d.start("noop", f"n{n}"))
    answer = d.mgmt("GET", "instances")
    return [answer.status, "x-ms-continuation-token" in answer.headers, len(answer.body) > 0]


@case("list-max", alone=True)
def more_than_a_thousand(d: Driver) -> Any:
    for n in range(3):
        d.until(d.start("noop", f"n{n}"))
    answer = d.mgmt("GET", "instances?top=1001")
    return [len(answer.body), answer.status]


case("purge-filter-nofrom")(lambda d: d.mgmt("DELETE", "instances").brief())
case("purge-filter-none")(
    lambda d: d.mgmt("DELETE", "instances?createdTimeFrom=2099-01-01").brief()
)
case("purge-filter-bad")(lambda d: d.mgmt("DELETE", "instances?createdTimeFrom=x").brief())


def purge(name: str, query: str) -> None:
    """A case of what is there after a purge by filter."""

    @case(f"purge-filter2-{name}", alone=True)
    def purged(d: Driver) -> Any:
        ids = {
            "c": d.instance("completed", "c"),
            "f": d.instance("failed", "f"),
            "w": d.instance("running", "w"),
        }
        signalled(d, "k")
        answer = d.mgmt("DELETE", f"instances?createdTimeFrom=2000-01-01{query}")
        shown = (
            "deleted>0" if answer.status == 200 and answer.body["instancesDeleted"] else answer.body
        )
        entity = d.mgmt("GET", "entities/ent/k").status
        return [
            answer.status,
            shown,
            {name: d.status(id).status for name, id in ids.items()},
            "entity",
            entity,
        ]


purge("failed", "&runtimeStatus=Failed")
purge("completed", "&runtimeStatus=Completed")
purge("lower", "&runtimeStatus=failed")
purge("none", "")
purge("running", "&runtimeStatus=Running")
