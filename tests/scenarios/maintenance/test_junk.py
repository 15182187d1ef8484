"""Junk through the management API: an operator's mistake, or another version.

Each leaves its registry and the neighbours right, ends with one line in the log, and loops nowhere.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from devhost.testing import virtual_time
from tests.support.registry_host import (
    MANAGEMENT,
    RECONCILE,
    Receiver,
    RegistryHost,
    assert_all_closed_and_sent,
)

NEW = "abcdef01" * 4
"""An id that no registry has."""
OTHER = "f" * 32
SHARD = str(int(NEW[:8], 16) % 16)
TERMS = {
    "id": NEW,
    "opened_at": "2026-12-24T18:00:00Z",
    "closes_at": "2026-12-24T18:05:00Z",
    "max_items": 5,
}
SENT: dict[str, Any] = {"sent_at": "2026-12-24T18:00:00Z"}
DELIVERY = SENT | {"id": NEW, "number": 1, "backoff": [5, 600, 3600]}
SNAPSHOT = {"revision": 1, "items": 1, "phase": "open", "due": "2026-12-24T18:05:00Z"}


def opening(**changes: Any) -> str:
    return json.dumps(SENT | {"birth": TERMS | changes})


def delivery(**changes: Any) -> str:
    return json.dumps(DELIVERY | changes)


def snapshot(id: str = NEW, **changes: Any) -> str:
    return json.dumps(SENT | {"id": id, "standing": SNAPSHOT | changes})


JUNK = ["null", "5", "{}", "[]", '"Bike"', ""]
STARTS = [
    *[("RegistryOrchestration", NEW, junk) for junk in JUNK],
    ("RegistryOrchestration", NEW, opening(closes_at="2026-12-24T18:05:00")),
    ("RegistryOrchestration", NEW, opening(closes_at="9999-12-24T18:05:00Z")),
    ("RegistryOrchestration", NEW, opening(opened_at="9999-12-24T18:00:00Z")),
    ("RegistryOrchestration", NEW, opening(closes_at="10000-12-24T18:05:00Z")),
    ("RegistryOrchestration", OTHER, opening()),
    ("RegistryOrchestration", "x", opening(id="x")),
    *[("DeliveryOrchestration", f"{NEW}-delivery", junk) for junk in JUNK],
    ("DeliveryOrchestration", NEW, delivery()),
    ("DeliveryOrchestration", f"{OTHER}-delivery", delivery()),
    ("DeliveryOrchestration", f"{NEW}-delivery", delivery(backoff=[0, 0, 10**9])),
    ("DeliveryOrchestration", f"{NEW}-delivery", delivery(failures=-(10**9))),
    ("DeliveryOrchestration", f"{NEW}-delivery", delivery(began="2026-12-24T18:00:00")),
]
SIGNALS = [
    *[("RegistryList", NEW, op, junk) for op in ("open", "add", "delivered") for junk in JUNK],
    ("RegistryList", NEW, "burn", "{}"),
    ("RegistryList", NEW, "delete", "null"),
    ("RegistryList", OTHER, "open", opening()),
    ("RegistryList", NEW, "open", opening(closes_at="9999-12-24T18:05:00Z")),
    ("RegistryList", NEW, "open", opening(closes_at="2026-12-24T18:05:00")),
    *[("RegistryStats", SHARD, "observe", junk) for junk in JUNK],
    ("RegistryStats", SHARD, "reset", "{}"),
    ("RegistryStats", SHARD, "observe", snapshot(due="2026-12-24T18:05:00")),
    ("RegistryStats", SHARD, "observe", snapshot("x")),
    ("RegistryStats", SHARD, "observe", snapshot("0" * 32)),
    ("RegistryStats", "17", "observe", snapshot()),
    ("RegistryStats", "x", "observe", snapshot()),
]


async def manage(host: RegistryHost, method: str, path: str, body: str = "") -> int:
    """The status of an answer of the management API."""
    headers = {"Content-Type": "application/json"}
    response = await host.request(method, f"{MANAGEMENT}/{path}", body.encode(), headers=headers)
    return response.status


class Neighbours(NamedTuple):
    """Registries that must not notice."""

    ids: list[str]

    @classmethod
    async def open(cls, host: RegistryHost) -> "Neighbours":
        ids = [await host.open() for _ in range(20)]  # In most shards.
        for id in ids:
            assert (await host.add(id, "Bike")).status == 200
        await host.finish(ids[0])
        return cls(ids)


@virtual_time
async def test_orchestrations_that_are_started_with_junk_fail(caplog) -> None:
    """At once, each with one line that says why."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        neighbours = await Neighbours.open(host)
        for name, id, body in STARTS:
            caplog.clear()
            assert await manage(host, "POST", f"orchestrators/{name}/{id}", body) == 202
            (line,) = caplog.messages
            assert line.startswith(f"{name} {id[:8]} failed: "), (name, body, line)
            reason = line.splitlines()[-1]
            assert any(each in reason for each in ("InvalidInput: ", "InvalidTerms: ")), (
                name,
                body,
                line,
            )
            assert host.instance(id).status == "Failed", (name, body)
            assert (await host.get(f"/api/peek/{NEW}")).status == 404

        caplog.clear()
        await host.advance(minutes=8)
        assert caplog.messages == []
        await assert_all_closed_and_sent(host, receiver, neighbours.ids)
        assert {each.status for each in host.instances()} == {"Completed", "Failed"}


@virtual_time
async def test_signals_that_are_junk_are_dropped(caplog) -> None:
    """Each with one line that says why. They make no list, and count nothing."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        neighbours = await Neighbours.open(host)
        for entity, key, operation, body in SIGNALS:
            for used in {key, neighbours.ids[1]} if entity == "RegistryList" else {key}:
                caplog.clear()
                path = f"entities/{entity}/{used}?op={operation}"
                # As the SDK sends it: JSON in a text.
                sent = body if body in JUNK else json.dumps(body)
                assert await manage(host, "POST", path, sent) == 202
                (line,) = caplog.messages
                expected = f"{entity} {used[:8]}: '{operation}' is dropped: it is invalid: "
                assert line.lower().startswith(expected.lower()), line

        assert (await host.peek(neighbours.ids[1]))["status"] == "Open"
        caplog.clear()
        await host.advance(minutes=8)
        assert caplog.messages == []
        for id in (NEW, OTHER):
            assert (await host.get(f"/api/peek/{id}")).status == 404
        await assert_all_closed_and_sent(host, receiver, neighbours.ids)


Mistake = Callable[[RegistryHost, str], Awaitable[object]]


def instance(operation: str, body: str = "", suffix: str = "") -> Mistake:
    """An operation on a registry's orchestration, or on its delivery."""
    return lambda host, id: manage(host, "POST", f"instances/{id}{suffix}/{operation}", body)


MISTAKES: dict[str, Mistake] = {
    "unknown event": instance("raiseEvent/burn", "{}"),
    "event of another type": instance("raiseEvent/operation", "5"),
    "terminate": instance("terminate?reason=junk"),
    "suspend": instance("suspend?reason=junk"),
    "rewind": instance("rewind?reason=junk"),
    "restart": instance("restart?restartWithNewInstanceId=false"),
    "restart with a new id": instance("restart?restartWithNewInstanceId=true"),
    "purge while it runs": lambda host, id: manage(host, "DELETE", f"instances/{id}"),
    "purge the list": lambda host, id: manage(host, "DELETE", f"instances/@registrylist@{id}"),
    "delete the list": lambda host, id: manage(host, "DELETE", f"entities/RegistryList/{id}"),
    "start again": lambda host, id: manage(
        host, "POST", f"orchestrators/RegistryOrchestration/{id}", "5"
    ),
    "deliver before the close": lambda host, id: manage(
        host,
        "POST",
        f"orchestrators/DeliveryOrchestration/{id}-delivery",
        delivery(id=id),
    ),
    "finish with 5": instance("raiseEvent/finish", "5"),
    "finish with {}": instance("raiseEvent/finish", "{}"),
    "finish with null": instance("raiseEvent/finish", "null"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@virtual_time
async def test_a_mistake_with_an_open_registry_leaves_it_and_its_neighbours_right(
    mistake, caplog
) -> None:
    """It closes in time, is counted and sent; without its list it is closed, empty and not sent."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        neighbours = await Neighbours.open(host)
        id = await host.open()
        await host.add(id, "Bike")
        caplog.clear()
        await MISTAKES[mistake](host, id)
        await host.advance(minutes=8)

        assert len(caplog.messages) <= 1, caplog.messages
        assert "Traceback" not in "".join(caplog.messages) or mistake == "restart with a new id"
        is_lost = mistake == "purge the list"
        shown = await host.peek(id)
        assert shown["status"] == "Closed"
        assert shown["registry"]["items"] == ([] if is_lost else ["Bike"])
        ids = neighbours.ids if is_lost else [*neighbours.ids, id]
        await assert_all_closed_and_sent(host, receiver, ids, unopened=int(is_lost))

        running = {each.id for each in host.instances() if each.status == "Running"}
        assert not running
        caplog.clear()
        with host.counting() as costs:
            await host.run_timer(RECONCILE)
        assert costs == {"read RegistryStats": 16}
        assert caplog.messages == []
