"""Cases of durable.json: instances by id, over HTTP."""

import json
import re
from typing import Any

from tests.conformance.driving import Driver, case

STATES = ("missing", "running", "suspended", "completed", "failed", "terminated")
OPERATIONS = {
    "terminate": "terminate?reason=why",
    "suspend": "suspend?reason=why",
    "resume": "resume?reason=why",
    "rewind": "rewind?reason=why",
    "restart": "restart",
    "restart-same": "restart?restartWithNewInstanceId=false",
    "raiseEvent": "raiseEvent/go",
}
COMES_TO = {
    ("terminate", "running"): "Terminated",
    ("terminate", "suspended"): "Terminated",
    ("suspend", "running"): "Suspended",
    ("resume", "suspended"): "Running",
    ("raiseEvent", "running"): "Completed",
    ("rewind", "failed"): "Failed",
    ("restart-same", "completed"): "Completed",
    ("restart-same", "failed"): "Failed",
    ("restart-same", "terminated"): "Running",
}


def operation(name: str, state: str) -> None:
    """A case of an operation on an instance in a state, and of its status afterwards."""

    @case(f"{name}-{state}")
    def operate(d: Driver) -> Any:
        path = OPERATIONS[name]
        id = d.instance(
            state,
            f"m-{state}-{re.sub('[^A-Za-z0-9]', '', path.replace('raiseEvent/', 'raiseEvent'))}",
        )
        body = '"v"' if name == "raiseEvent" else None
        answer = d.mgmt("POST", f"instances/{id}/{path}", body)
        if status := COMES_TO.get((name, state)):
            d.until(id, status)
        after = d.status(id)
        members = ("runtimeStatus", "output", "customStatus")
        shown = {each: after.body[each] for each in members} if after.body else ""
        return [answer.status, answer.body, answer.shown_headers(), "THEN", after.status, shown]


for name in OPERATIONS:
    for state in STATES:
        operation(name, state)


def purge(state: str) -> None:
    """A case of purging an instance in a state."""

    @case(f"purge-{state}")
    def purged(d: Driver) -> Any:
        id = d.instance(state, f"m-{state}-purge")
        return [d.mgmt("DELETE", f"instances/{id}").brief(), d.status(id).status]


def get(state: str) -> None:
    """A case of the status of an instance in a state."""
    case(f"get-{state}")(lambda d: d.status(d.instance(state, f"m-{state}-get")).shown())


for state in STATES:
    purge(state)
    get(state)


def get_history(state: str) -> None:
    """A case of the history of an instance in a state."""
    case(f"get-history-{state}")(
        lambda d: d.status(d.instance(state, f"m-{state}-h"), "?showHistory=true").brief()
    )


for state in ("failed", "terminated", "running", "suspended"):
    get_history(state)


@case("get-failed-500")
def get_failed(d: Driver) -> Any:
    return d.status(
        d.instance("failed", "m-failed-g5"), "?returnInternalServerErrorOnFailure=true"
    ).shown()


@case("get-terminated-500")
def get_terminated(d: Driver) -> Any:
    return d.status(
        d.instance("terminated", "m-t"), "?returnInternalServerErrorOnFailure=true"
    ).status


@case("get-showinput-false")
def get_without_input(d: Driver) -> Any:
    return d.status(d.instance("completed", "m-completed-si"), "?showInput=false").brief()


@case("get-history")
def history(d: Driver) -> Any:
    return history_of_hello(d, "?showHistory=true")


@case("get-history-out")
def history_with_output(d: Driver) -> Any:
    return history_of_hello(d, "?showHistory=true&showHistoryOutput=true")


def history_of_hello(d: Driver, query: str) -> Any:
    d.until(d.start("hello", d.id("hh"), '"x"'))
    return d.status(d.id("hh"), query).brief()


@case("id-casesens")
def id_in_another_case(d: Driver) -> Any:
    d.until(d.start("noop", d.id("ABC")))
    return d.status(d.id("abc")).status


def reuse(state: str) -> None:
    """A case of starting an instance under the id of one in a state."""

    @case(f"reuse-{state}")
    def start_again(d: Driver) -> Any:
        id = d.id(f"reuse-{state}")
        if state in ("completed", "failed"):
            d.until(d.start({"completed": "noop", "failed": "failing"}[state], id, {"a": 1}))
        else:
            d.start("waiter", id, None if state == "running" else 1)
            d.until(id, "Running")
            if state != "running":
                d.mgmt(
                    "POST",
                    f"instances/{id}/{'suspend' if state == 'suspended' else 'terminate'}?reason=x",
                )
                d.until(id, state.title())
        answer = d.mgmt("POST", f"orchestrators/noop/{id}", "2")
        if answer.status != 202:
            return [answer.status, answer.text, d.status(id).text]
        return [202, "..", d.until(id)]


for state in ("running", "completed", "failed", "terminated", "suspended"):
    reuse(state)


@case("reuse-pending")
def start_twice(d: Driver) -> Any:
    d.mgmt("POST", f"orchestrators/waiter/{d.id('rp')}")
    answer = d.mgmt("POST", f"orchestrators/waiter/{d.id('rp')}")
    return [answer.status, answer.text]


@case("terminate-noreason")
def terminate_without_reason(d: Driver) -> Any:
    id = d.instance("running", "m-running-tn")
    return [d.mgmt("POST", f"instances/{id}/terminate").brief(), d.until(id)["output"]]


@case("suspend-noreason")
def suspend_without_reason(d: Driver) -> Any:
    id = d.instance("running", "m-running-sn")
    return [d.mgmt("POST", f"instances/{id}/suspend").status, d.until(id, "Suspended")["output"]]


@case("suspend-resume-complete")
def suspend_resume_and_end(d: Driver) -> Any:
    id = d.instance("suspended", "m-suspended-src")
    d.mgmt("POST", f"instances/{id}/resume?reason=y")
    d.until(id, "Running")
    d.mgmt("POST", f"instances/{id}/raiseEvent/go", '"v"')
    return d.until(id)["output"]


def raise_event(name: str, event: str, *request: Any, still: str = "") -> None:
    """A case of an event for a waiting instance, which may leave it waiting."""

    @case(name)
    def send(d: Driver) -> Any:
        id = d.instance("running", f"m-running-{still or name}")
        answer = d.mgmt("POST", f"instances/{id}/raiseEvent/{event}", *request).brief()
        return [answer, d.still(id)] if still else answer


raise_event("raise-badjson", "go", "{bad")
raise_event("raise-empty", "go", None)
raise_event("raise-nobody-noct", "go", None, {}, still="rn")
raise_event("raise-text", "go", "1", {"Content-Type": "text/plain"})
raise_event("raise-noct", "go", "1", {})
raise_event("raise-charset", "go", "1", {"Content-Type": "application/json; charset=utf-8"})
raise_event("raise-case", "GO", "1", still="rcase")


@case("raise-get")
def get_an_event(d: Driver) -> Any:
    return d.mgmt("GET", f"instances/{d.instance('running', 'm-running-rg')}/raiseEvent/go").brief()


@case("op-unknown")
def unknown_operation(d: Driver) -> Any:
    return d.mgmt("POST", f"instances/{d.instance('running', 'm-running-u')}/nosuch").brief()


@case("post-instance")
def post_to_an_instance(d: Driver) -> Any:
    return d.mgmt("POST", f"instances/{d.instance('running', 'm-running-p')}").brief()


case("root")(lambda d: d.request("GET", "/runtime/webhooks/durabletask").brief())


@case("restart-input")
def restart_keeps_the_input(d: Driver) -> Any:
    id = d.instance("completed", "m-completed-ri")
    again = d.mgmt("POST", f"instances/{id}/restart").body["id"]
    return d.end(again, "name", "input", "output", "runtimeStatus")


@case("rewind-works")
def rewind(d: Driver) -> Any:
    id = d.id("rw")
    with d.file() as file:
        d.start("flaky", id, f'"{file}"')
        before = d.until(id)["runtimeStatus"]
        file.touch()
        answer = d.mgmt("POST", f"instances/{id}/rewind?reason=why").brief()
        after = d.until(id, "Completed")
    events = d.status(id, "?showHistory=true").body["historyEvents"]
    kinds = [[event["EventType"], event.get("Reason")] for event in events]
    return [before, answer, after["runtimeStatus"], after["output"], kinds]


@case("instance-start-version")
def start_a_version(d: Driver) -> Any:
    code = "def f(c):\n return [c.version]"
    answer = d.mgmt("POST", "orchestrators/py?version=1.2", json.dumps({"code": code}))
    return (
        [answer.status]
        if answer.status != 202
        else [None]
        if "TIMEOUT" in d.still(answer.body["id"])
        else ["ran"]
    )


@case("instance-start-version2")
def start_another_version(d: Driver) -> Any:
    answer = d.mgmt("POST", f"orchestrators/noop/{d.id('v')}?version=1.2", '{"a":1}')
    assert answer.status == 202
    d.still(d.id("v"))
    shown = d.status(d.id("v")).body
    return {"runtimeStatus": shown["runtimeStatus"], "output": shown["output"]}


@case("orch-unknown-status")
def unknown_orchestrator(d: Driver) -> Any:
    id = d.sdk("await c.start_new('nosuch')")
    return list(d.end(id).values())


def start_and_wait(name: str, function: str, body: str, query: str, form: str) -> None:
    """A case that starts an instance and waits for its end in the same request."""

    @case(f"startwait-{name}")
    def start(d: Driver) -> Any:
        answer = d.mgmt("POST", f"orchestrators/{function}?{query}", body)
        return {"shown": answer.shown(), "brief": answer.brief(), "status": answer.status}[form]


A = '{"a":1}'
start_and_wait("done", "noop", A, "timeout=5&pollingInterval=1", "shown")
start_and_wait("string", "hello", r'"\"x\""', "timeout=5&pollingInterval=1", "shown")
start_and_wait("failed", "failing", '"1"', "timeout=5&pollingInterval=1", "shown")
start_and_wait("timeout", "waiter", '"1"', "timeout=1&pollingInterval=1", "status")
start_and_wait("only-timeout", "noop", A, "timeout=5", "status")
start_and_wait("interval-bigger", "noop", A, "timeout=1&pollingInterval=5", "brief")
start_and_wait("bad", "noop", A, "timeout=x&pollingInterval=y", "status")
start_and_wait("negative", "noop", A, "timeout=-1&pollingInterval=-1", "brief")
start_and_wait("null", "noop", "", "timeout=5&pollingInterval=1", "shown")
