"""Cases of durable.json: entities over HTTP."""

from typing import Any
from urllib.parse import quote

from tests.conformance.driving import JSON, Answer, Driver, case, eventually

TEXT = {"Content-Type": "text/plain"}


def entity(d: Driver, key: str, name: str = "ent") -> Answer:
    """The answer of the state of an entity, once there is one."""
    return eventually(
        lambda: d.mgmt("GET", f"entities/{name}/{quote(key, safe='')}"),
        lambda answer: answer.status == 200,
        1.0,
    )


def signal(
    d: Driver, key: str, operation: str, body: str | None = None, headers: dict[str, str] = JSON
) -> Answer:
    return d.mgmt("POST", f"entities/ent/{quote(key, safe='')}?op={operation}", body, headers)


case("ent-get-missing")(lambda d: d.mgmt("GET", "entities/ent/none").shown())
case("ent-get-unknown")(lambda d: d.mgmt("GET", "entities/nosuch/k").shown())
case("ent-signal-unknown")(lambda d: d.mgmt("POST", "entities/nosuch/k?op=add", '"5"').shown())
case("ent-signal-noop")(lambda d: d.mgmt("POST", f"entities/ent/{d.id('k2')}").shown())
case("ent-signal-badjson")(lambda d: signal(d, d.id("k3"), "add", "{bad").shown())
case("ent-put")(lambda d: d.mgmt("PUT", "entities/ent/k").shown())
case("ent-list-unknown")(lambda d: d.mgmt("GET", "entities/nosuch").brief())


@case("ent-signal")
def signal_and_read(d: Driver) -> Any:
    return [signal(d, d.id("k"), "add", '"5"').shown(), entity(d, d.id("k")).shown()]


def given(name: str, key: str, operation: str, body: str | None, headers: dict[str, str]) -> None:
    """A case of a signal with a body, and of the state that it leaves."""

    @case(f"ent-signal-{name}")
    def signal_and_read(d: Driver) -> Any:
        return [
            signal(d, d.id(key), operation, body, headers).shown(),
            entity(d, d.id(key)).brief(),
        ]


given("text", "k4", "push", "abc", TEXT)
given("noct", "k5", "push", "7", {})
given("empty", "k6", "add", None, JSON)


@case("ent-delete")
def delete(d: Driver) -> Any:
    signal(d, d.id("kd"), "add", '"5"')
    entity(d, d.id("kd"))
    return [
        d.mgmt("DELETE", f"entities/ent/{d.id('kd')}").shown(),
        None,
        entity(d, d.id("kd")).status,
    ]


@case("ent-case")
def name_in_another_case(d: Driver) -> Any:
    posted = d.mgmt("POST", f"entities/ENT/{d.id('case')}?op=add", '"5"')
    return [posted.status, entity(d, d.id("case"), "ENT").status, entity(d, d.id("case")).brief()]


@case("ent-keycase")
def key_in_another_case(d: Driver) -> Any:
    signal(d, d.id("Key"), "add", '"5"')
    entity(d, d.id("Key"))
    return d.mgmt("GET", f"entities/ent/{d.id('key')}").status


def odd_key(name: str, key: str, others: tuple[str, ...] = ()) -> None:
    """A case of an odd key; `others` were signalled before."""

    @case(f"ent-key-{name}")
    def signal_and_read(d: Driver) -> Any:
        for other in others:
            signal(d, d.id(other), "add", '"1"')
        answer = signal(d, d.id(key), "add", '"1"')
        return [answer.status, answer.body, entity(d, d.id(key)).brief()]


odd_key("space", "a b")
odd_key("slash", "a/b")
odd_key("hash", "a#b")
odd_key("q", "a?b")
odd_key("bs", "a\\b")
odd_key("at", "a@b")
odd_key("uni", "é")
odd_key("pct", "a%b")
odd_key("plus", "a+b", others=("a b",))
odd_key("long", "x" * 10)


@case("ent-status-as-instance")
def status_as_an_instance(d: Driver) -> Any:
    signal(d, d.id("k6"), "add")
    entity(d, d.id("k6"))
    return d.status(f"@ent@{d.id('k6')}").brief()


@case("ent-purge")
def purge(d: Driver) -> Any:
    signal(d, d.id("kp"), "add", '"5"')
    entity(d, d.id("kp"))
    purged = d.mgmt("DELETE", f"instances/@ent@{d.id('kp')}").brief()
    return [purged, d.mgmt("GET", f"entities/ent/{d.id('kp')}").status]


@case("ent-terminate")
def terminate(d: Driver) -> Any:
    signal(d, d.id("k5"), "push", "7", {})
    entity(d, d.id("k5"))
    return [
        d.mgmt("POST", f"instances/@ent@{d.id('k5')}/terminate").brief(),
        None,
        entity(d, d.id("k5")).brief(),
    ]


def listed(name: str, query: str) -> None:
    """A case of the list of the entities that this case has."""

    @case(name)
    def get(d: Driver) -> Any:
        for key in ("case", "k"):
            signal(d, d.id(key), "add", '"5"')
            entity(d, d.id(key))
        answer = d.mgmt("GET", f"entities/ent{query}")
        shown = [each for each in answer.body if d.unique in each["entityId"]["key"]]
        headers = [{"Content-Type": answer.headers["content-type"]}] if query else []
        return [answer.status, *headers, shown]


listed("ent-list", "?fetchState=true")
listed("ent-list-nostate", "")


@case("ent-list-all")
def all_entities(d: Driver) -> Any:
    signal(d, d.id("kl"), "add", '"5"')
    entity(d, d.id("kl"))
    answer = d.mgmt("GET", "entities/")
    return [answer.status, len(answer.body) > 0]


def destruct(d: Driver, key: str) -> None:
    """Add 5 to an entity, then destruct it, in an orchestration that waits for both."""
    code = f'''def f(c):
    e = df.EntityId("ent", "{key}")
    yield c.call_entity(e, "add", 5)
    yield c.call_entity(e, "del", 1)
'''
    d.orch(code)


@case("ent-destruct")
def destruct_and_add(d: Driver) -> Any:
    destruct(d, d.id("d1"))
    e = f"df.EntityId('ent', '{d.id('d1')}')"
    gone = d.sdk(f"(lambda r: [r.entity_exists, r.entity_state])(await c.read_entity_state({e}))")
    signal(d, d.id("d1"), "add", '"2"')
    eventually(
        lambda: d.mgmt("GET", f"entities/ent/{d.id('d1')}").body, lambda state: bool(state), 2.0
    )
    return [
        gone,
        *d.sdk(f"(lambda r: [r.entity_exists, r.entity_state])(await c.read_entity_state({e}))"),
    ]


@case("ent-destruct-list")
def destructed_in_lists(d: Driver) -> Any:
    destruct(d, d.id("d4"))
    listed = [each["entityId"]["key"] for each in d.mgmt("GET", "entities/ent").body]
    id = f"@ent@{d.id('d4')}"
    shown = d.status(id).status
    return [
        [key for key in listed if d.unique in key],
        shown,
        d.mgmt("DELETE", f"instances/{id}").brief(),
    ]


@case("ent-destruct-http")
def destructed_over_http(d: Driver) -> Any:
    destruct(d, d.id("d9"))
    first, second = (d.mgmt("GET", f"entities/ent/{d.id('d9')}").brief() for _ in range(2))
    found = d.mgmt("GET", "entities/ent?fetchState=true").body
    return [first, None, second, [each for each in found if d.unique in each["entityId"]["key"]]]


@case("ent-destruct-orch")
def destructed_in_an_orchestration(d: Driver) -> Any:
    code = f'''def f(c):
    e = df.EntityId("ent", "{d.id("d5")}")
    a = yield c.call_entity(e, "add", 5)
    yield c.call_entity(e, "del", 1)
    return [a, (yield c.call_entity(e, "get", 1))]
'''
    return d.orch(code)
