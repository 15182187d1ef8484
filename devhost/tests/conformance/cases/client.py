"""Cases of durable.json: the SDK's client."""

import re
from typing import Any

from tests.conformance.driving import Driver, case

OPERATIONS = {
    "raise": 'c.raise_event("{i}","go",1)',
    "suspend": 'c.suspend("{i}","why")',
    "resume": 'c.resume("{i}","why")',
    "rewind": 'c.rewind("{i}","why")',
    "restart": 'c.restart("{i}")',
    "restart-same": 'c.restart("{i}",False)',
    "terminate": 'c.terminate("{i}","why")',
    "purge": 'c.purge_instance_history("{i}")',
}
STATES = ("missing", "completed", "failed", "terminated", "suspended", "running")
CALL_AND_STATUS = """
async def f(c, req):
    try:
        result = await {call}
        result = getattr(result, "instances_deleted", result)
    except Exception as e:
        result = {{"raised": type(e).__name__, "str": str(e)}}
    try:
        status = (await c.get_status("{id}")).to_json()
        status = {{name: status.get(name) for name in ("runtimeStatus", "output")}}
    except AttributeError:
        status = {{}}
    return [result, status]
"""
ATTEMPTS = """
async def f(c, req):
    out = {{}}
    for name in {names!r}:
        try:
            out[name[:8]] = {attempt}
        except Exception as e:
            out[name[:8]] = type(e).__name__ + ": " + str(e)
    return out
"""


def operate(d: Driver, name: str, state: str) -> Any:
    """Call the client for an instance in a state, and look at its status at once."""
    call = OPERATIONS[name]
    id = d.id(f"op-{state}-{re.sub('[^A-Za-z0-9_]', '', call.replace('{i}', ''))}")
    if state == "missing":
        id = d.id("missing")
    elif state == "completed":
        d.until(d.start("hello", id, "1"))
    elif state == "failed":
        d.until(d.start("failing", id, "1"))
    else:
        d.until(d.start("waiter", id, "1"), "Running")
        if state != "running":
            d.mgmt(
                "POST",
                f"instances/{id}/{'suspend' if state == 'suspended' else 'terminate'}?reason=x",
            )
            d.until(id, state.title())
    return d.pyh(CALL_AND_STATUS.format(call=call.replace("{i}", id), id=id))


def operation(name: str, state: str) -> None:
    """A case of a call for an instance in a state."""
    case(f"sdk-{name}-{state}")(lambda d: operate(d, name, state))


for name in OPERATIONS:
    for state in STATES:
        operation(name, state)


def expression(name: str, text: str) -> None:
    """A case of an expression of the client, in which {id} stands for an instance's."""
    case(f"sdk-{name}")(lambda d: d.sdk(text.replace("{id}", d.unique)))


expression("start-unknown", 'await c.start_new("nosuch")')
expression("status-missing", 'await c.get_status("nope")')
expression("raise-emptyname", 'await c.raise_event("x", "")')
expression("raise-oddname", 'await c.raise_event("on-{id}", "a b/c", 1)')
expression("purge-by-none", "await c.purge_instance_history_by()")
expression(
    "purge-by-future",
    "(await c.purge_instance_history_by(datetime.datetime(2099, 1, 1))).instances_deleted",
)
expression(
    "entity-missing",
    "(lambda r: [r.entity_exists, r.entity_state])("
    'await c.read_entity_state(df.EntityId("ent", "missing-{id}")))',
)


@case("sdk-start-ids")
def odd_ids(d: Driver) -> Any:
    d.unique = "p2a"
    names = [
        "a b",
        "a/b",
        "a#b",
        "@ab",
        "a?b",
        "a\\b",
        "a%b",
        "a+b",
        "a\x01b",
        "é漢",
        "x" * 101,
        "y" * 257,
    ]
    attempt = f'await c.start_new("noop", name + "{d.unique}")'
    found = d.pyh(ATTEMPTS.format(names=names, attempt=attempt))
    return found | {"": d.sdk('await c.start_new("noop", "")')}


@case("sdk-start-existing-running")
def start_existing(d: Driver) -> Any:
    id = d.instance("running", "exr")
    return d.sdk(f'await c.start_new("noop", "{id}")')


@case("sdk-start-existing-completed")
def start_again(d: Driver) -> Any:
    id = d.instance("completed", "exc")
    return [d.sdk(f'await c.start_new("noop", "{id}", "two")'), d.until(id)]


@case("sdk-start-inputs")
def inputs(d: Driver) -> Any:
    given = (
        '[{"a": 1}, "s", 5, None, [1, None], "é\\0\\ufffd", 1.5, 2**70, True, "", '
        '"2026-01-01T00:00:00Z"]'
    )
    ids = d.sdk(f'[await c.start_new("noop", None, each) for each in {given}]')
    return [list(d.end(id, "runtimeStatus", "input", "output").values()) for id in ids]


@case("sdk-start-lonesurrogate")
def lone_surrogate(d: Driver) -> Any:
    id = d.sdk('await c.start_new("noop", None, "a\\ud800b")')
    return list(d.end(id, "runtimeStatus", "input", "output").values())


def status(name: str, function: str, prefix: str, call: str) -> None:
    """A case of the status of an ended instance."""

    @case(f"sdk-status-{name}")
    def get(d: Driver) -> Any:
        id = d.id(prefix)
        d.until(d.start(function, id, "1"))
        return d.sdk(f'await c.get_status("{id}"{call})')


status("completed", "hello", "sc", ", True, True, True")
status("noinput", "hello", "sc", "")
status("failed", "failing", "sf", "")


@case("sdk-raise-space")
def raise_with_a_space(d: Driver) -> Any:
    return d.sdk(f'await c.raise_event("{d.instance("running", "rsp")}", "a b", 1)')


WAIT = """
async def f(c, req):
    out = []
    for id in {ids!r}:
        r = await c.wait_for_completion_or_create_check_status_response(req, id, 500, 100)
        out.append([r.status_code, r.get_body().decode(), dict(r.headers)])
    return out
"""


@case("sdk-wait-completed")
def wait_for_completion(d: Driver) -> Any:
    ids = [d.id(name) for name in ("wc", "wf", "ww", "missing")]
    d.until(d.start("noop", ids[0], {"a": 1}))
    d.until(d.start("failing", ids[1], "one"))
    d.until(d.start("waiter", ids[2]), "Running")
    found = d.pyh(WAIT.format(ids=ids))
    found[2][1] = found[2][1].partition("/raiseEv")[0] + "/raiseEv"  # as the recording has cut it
    found[3][1] = found[3][1].partition(f"ing-{d.unique}/raiseEvent")[0]
    return found


@case("sdk-entity-unknown")
def unknown_entity(d: Driver) -> Any:
    code = """
async def f(c, req):
    e = df.EntityId("nosuch", "k")
    out = [str((await c.read_entity_state(e)).entity_exists)]
    try:
        await c.signal_entity(e, "add", 1)
    except Exception as error:
        out.append(type(error).__name__ + ": " + str(error))
    return out
"""
    return d.pyh(code)


@case("sdk-entity-signal-keys")
def odd_keys(d: Driver) -> Any:
    names = ["a b", "a/b", "a#b", "@ab", "a?b", "a\\b", "a%b", "a+b", "é漢", "UP", "x" * 101, "a@b"]
    code = """
async def f(c, req):
    out = {{}}
    for name in {names!r}:
        e = df.EntityId("ent", name + "{unique}")
        try:
            await c.signal_entity(e, "add", 2)
            for _ in range(100):
                r = await c.read_entity_state(e)
                if r.entity_exists:
                    break
                await asyncio.sleep(0.01)
            out[name[:8]] = [r.entity_exists, r.entity_state]
        except Exception as error:
            out[name[:8]] = type(error).__name__ + ": " + str(error)
    return out
"""
    return d.pyh(code.format(names=names, unique=d.unique))


@case("sdk-entity-ops")
def odd_operations(d: Driver) -> Any:
    names = ["a b", "a/b", "a#b", "a&b", "é", "", "a+b", "a%20b"]
    attempt = f'(await c.signal_entity(df.EntityId("ent", "ops-{d.unique}"), name, 1)) or "ok"'
    return d.pyh(ATTEMPTS.format(names=names, attempt=attempt))


@case("sdk-status-all")
def status_of_all(d: Driver) -> Any:
    for name in OPERATIONS:
        operate(d, name, "completed")
    found = d.sdk(
        '[each.instance_id for each in await c.get_status_by(instance_id_prefix="op-completed-")]'
    )
    return [[id for id in found if id.endswith(d.unique)]]


@case("id-via-sdk-checks")
def check_status_response(d: Driver) -> Any:
    code = """
async def f(c, req):
    r = c.create_check_status_response(req, "abc")
    return [r.status_code, dict(r.headers), list(json.loads(r.get_body()))]
"""
    return d.pyh(code)


@case("ent-signal-scheduled")
def signatures(d: Driver) -> Any:
    code = """
async def f(c, req):
    def of(function): return str(inspect.signature(function))
    shown = of(c.signal_entity), of(df.DurableOrchestrationContext.signal_entity)
    return [*shown, False, False, False, False]
"""
    return d.pyh(code)


@case("ent-delete-op2")
def delete_that_is_ignored(d: Driver) -> Any:
    code = f"""
async def f(c, req):
    e = df.EntityId("ent", "{d.id("del")}")
    await c.signal_entity(e, "add", 5)
    await c.signal_entity(e, "delete", 1)
    for _ in range(100):
        r = await c.read_entity_state(e)
        if r.entity_exists:
            break
        await asyncio.sleep(0.01)
    return [r.entity_exists, r.entity_state]
"""
    return d.pyh(code)
