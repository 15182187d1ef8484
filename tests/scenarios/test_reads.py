"""Reads fail now and then: only an answer that says that there is none means that there is none."""

import asyncio
import json

import pytest

from devhost.testing import FaultRates, virtual_time
from tests.receiver import SECRET
from tests.support.registry_host import ERROR, RegistryHost

UNKNOWN = "0" * 32


def fails_to_read_instances(call: Call) -> Reply | None:
    """The rows of instances cannot be read; and no list is open yet."""
    if call.method == "GET" and call.path.startswith("instances"):
        return ERROR
    return Reply(202) if (call.method, call.query.get("op")) == ("POST", "open") else None


@pytest.mark.parametrize("call", ["peek", "add", "finish", "remove", "process"])
@virtual_time
async def test_nobody_is_told_404_of_a_registry_because_reads_fail(call) -> None:
    """The list is not open, and whether its life has begun cannot be read: that is 503, and then as
    if nothing was.
    """
    async with RegistryHost(
        PROCESSING_WEBHOOK_URL="http://gifts", PROCESSING_WEBHOOK_SECRET=SECRET
    ) as host:
        with host.intercepting(fails_to_read_instances):
            id = await host.open()
            method = "GET" if call == "peek" else "POST"
            answer = await host.request(method, f"/api/{call}/{id}?item=Bike&itemKey=k")
            assert answer.status == 503
            assert answer.json()["detail"].startswith("The task hub does not answer.")
            assert answer.headers["retry-after"] == "1"
        answer = await host.request(method, f"/api/{call}/{id}?item=Bike&itemKey=k")
        assert answer.status == (409 if call == "process" else 200)


@virtual_time
async def test_a_life_that_can_be_read_is_enough_to_be_known() -> None:
    """The open of the list is under way: peek shows it open and empty, and an add sends the open
    again.
    """
    lost = []

    def loses_one_open(call: Call) -> Reply | None:
        if call.query.get("op") == "open" and not lost:
            lost.append(call)
            return Reply(202)
        return None

    with RegistryHost() as host, host.intercepting(loses_one_open):
        id = await host.open()
        shown = await host.peek(id)
        assert (shown["status"], shown["registry"]["items"]) == ("Open", [])
        assert (await host.add(id, "Bike")).json()["itemsCount"] == 1
        assert (host.now() - host._start).total_seconds() < 2


@virtual_time
async def test_an_unknown_registry_is_unknown() -> None:
    """And so is an id that is only nearly one."""
    async with RegistryHost() as host:
        await host.open()
        for id in (UNKNOWN, UNKNOWN[:-1], "F" * 32, "@registrylist@" + UNKNOWN):
            for call in ("peek", "add", "finish"):
                assert (await host.request("GET", f"/api/{call}/{id}?item=Bike")).status == 404
        assert (await host.stats())["registryCount"] == 1


@pytest.mark.parametrize(
    "rates",
    [
        FaultRates.only(read_fails=0.3),
        FaultRates.only(error_before_effect=0.2),
        FaultRates.only(error_after_effect=0.2),
        FaultRates.only(
            read_fails=0.1, error_before_effect=0.1, error_after_effect=0.1, message_repeated=0.5
        ),
    ],
    ids=["reads", "before their effect", "after their effect", "all"],
)
@virtual_time
async def test_calls_that_fail_now_and_then_are_not_noticed(rates) -> None:
    """They are repeated within the request: what callers are told is as on a kind host."""
    async with RegistryHost(rates=rates) as host:

        async def guest(number: int):
            opened = await host.call("POST", "/api/open")
            assert opened.status == 201
            id = opened.json()["id"]
            for gift in range(3):
                added = await host.call(
                    "POST", f"/api/add/{id}?item={gift}", {"Idempotency-Key": str(gift)}
                )
                assert (added.status, added.json()["itemsCount"]) == (200, gift + 1)
            removed = await host.call("POST", f"/api/remove/{id}?itemKey=1")
            assert (removed.status, removed.json()["itemsCount"]) == (200, 2)
            shown = await host.call("GET", f"/api/peek/{id}")
            assert shown.json()["registry"]["items"] == ["0", "2"]
            finished = await host.call("POST", f"/api/finish/{id}")
            assert (finished.status, finished.json()["registry"]["items"]) == (200, ["0", "2"])
            refused = await host.call("POST", f"/api/add/{id}?item=3")
            assert refused.status == 409
            assert (await host.call("GET", f"/api/peek/{UNKNOWN}")).status == 404

        await asyncio.gather(*map(guest, range(20)))
        await host.advance(minutes=2)
        host.faults.calm()
        counts = await host.stats()
        assert (counts["registryCount"], counts["closedCount"], counts["itemsCount"]) == (
            20,
            20,
            40,
        )
        assert sum(host.faults.counts.values()) > 50


@virtual_time
async def test_a_task_hub_that_does_not_answer_at_all_is_said_so() -> None:
    """With a problem that says when to try again, within the time that a request may take."""
    async with RegistryHost() as host:
        id = await host.open()
        await host.advance(minutes=1)
        with host.intercepting(lambda call: ERROR):
            for path in (
                "open",
                f"add/{id}?item=Bike",
                f"peek/{id}",
                f"finish/{id}",
                "stats",
                "health",
            ):
                began = host.now()
                answer = await host.request("GET", f"/api/{path}")
                assert answer.status == 503, path
                assert answer.headers["content-type"] == "application/problem+json"
                assert (host.now() - began).total_seconds() <= 10.001
        assert (await host.add(id, "Bike")).status == 200


@virtual_time
async def test_a_message_to_an_id_that_was_never_opened_leaves_nothing() -> None:
    """No state and no count: nobody creates state by guessing ids."""
    async with RegistryHost() as host:
        assert (await host.add("f" * 32, "Bike")).status == 404
        message = {
            "v": 1,
            "trace": "",
            "sent_at": "2026-12-24T18:00:00.000Z",
            "key": "k",
            "text": "Bike",
        }
        path = f"/runtime/webhooks/durabletask/entities/RegistryList/{'f' * 32}?op=add"
        assert (
            await host.post(path, json.dumps(message).encode(), Content_Type="application/json")
        ).status == 202
        assert (await host.request("GET", f"/api/peek/{'f' * 32}")).status == 404
        assert (await host.stats())["registryCount"] == 0
