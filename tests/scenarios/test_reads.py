"""Reads fail now and then. Only a 404 means that there is no such registry."""

import asyncio
import json

import pytest

from devhost.testing import START, FaultRates, ManagementRequest, ManagementResponse, virtual_time
from tests.support.registry_host import ERROR, MANAGEMENT, WEBHOOK, RegistryHost

UNKNOWN = "0" * 32


def is_list_opening(request: ManagementRequest) -> bool:
    """Whether a request sends a list the message that opens it."""
    return (request.method, request.query.get("op")) == ("POST", "open")


def fails_to_read_instances(request: ManagementRequest) -> ManagementResponse | None:
    """Instances cannot be read, and messages that open a list are lost."""
    if request.method == "GET" and request.path.startswith("instances"):
        return ERROR
    return ManagementResponse(202) if is_list_opening(request) else None


@pytest.mark.parametrize("call", ["peek", "add", "finish", "remove", "process"])
@virtual_time
async def test_a_registry_is_not_404_because_reads_fail(call) -> None:
    """Its list is not open, and whether its orchestration runs cannot be read: that is 503. Later
    it is as if nothing had happened.
    """
    method = "GET" if call == "peek" else "POST"
    async with RegistryHost(settings=WEBHOOK) as host:
        with host.intercepting(fails_to_read_instances):
            id = await host.open()
            path = f"/api/{call}/{id}?item=Bike&itemKey=k"
            response = await host.request(method, path)
            assert response.status == 503
            assert response.json()["detail"].startswith("The task hub does not answer.")
            assert response.headers["retry-after"] == "1"

        response = await host.request(method, path)
        assert response.status == (409 if call == "process" else 200)


@virtual_time
async def test_a_registry_whose_list_is_not_open_yet_is_known_by_its_orchestration() -> None:
    """Peek shows it open and empty, and an add opens the list again."""
    lost = []

    def lose_one_opening(request: ManagementRequest) -> ManagementResponse | None:
        if is_list_opening(request) and not lost:
            lost.append(request)
            return ManagementResponse(202)
        return None

    async with RegistryHost() as host:
        with host.intercepting(lose_one_opening):
            id = await host.open()
            shown = await host.peek(id)
            assert (shown["status"], shown["registry"]["items"]) == ("Open", [])
            assert (await host.add(id, "Bike")).json()["itemsCount"] == 1
            assert (host.now() - START).total_seconds() < 2


@virtual_time
async def test_an_unknown_registry_is_404() -> None:
    """And so is an id that is not quite one."""
    async with RegistryHost() as host:
        await host.open()
        for id in (UNKNOWN, UNKNOWN[:-1], "F" * 32, "@registrylist@" + UNKNOWN):
            for call in ("peek", "add", "finish"):
                assert (await host.get(f"/api/{call}/{id}?item=Bike")).status == 404
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
async def test_requests_that_fail_now_and_then_are_not_noticed(rates) -> None:
    """They are repeated within the request of the caller, who sees the same as without faults."""
    async with RegistryHost(rates=rates) as host:

        async def use(number: int) -> None:
            opened = await host.call("POST", "/api/open")
            assert opened.status == 201
            id = opened.json()["id"]
            for item in range(3):
                path, headers = f"/api/add/{id}?item={item}", {"Idempotency-Key": str(item)}
                added = await host.call("POST", path, headers)
                assert (added.status, added.json()["itemsCount"]) == (200, item + 1)

            removed = await host.call("POST", f"/api/remove/{id}?itemKey=1")
            assert (removed.status, removed.json()["itemsCount"]) == (200, 2)
            shown = await host.call("GET", f"/api/peek/{id}")
            assert shown.json()["registry"]["items"] == ["0", "2"]
            finished = await host.call("POST", f"/api/finish/{id}")
            assert (finished.status, finished.json()["registry"]["items"]) == (200, ["0", "2"])
            assert (await host.call("POST", f"/api/add/{id}?item=3")).status == 409
            assert (await host.call("GET", f"/api/peek/{UNKNOWN}")).status == 404

        await asyncio.gather(*map(use, range(20)))
        await host.advance(minutes=2)
        host.stop_faults()
        counts = await host.stats()
        assert (counts["registryCount"], counts["closedCount"]) == (20, 20)
        assert counts["itemsCount"] == 40
        assert sum(host.faults.counts.values()) > 50


@virtual_time
async def test_a_task_hub_that_does_not_answer_is_a_problem_within_ten_seconds() -> None:
    """503 with the time to try again, as long as it lasts."""
    async with RegistryHost() as host:
        id = await host.open()
        await host.advance(minutes=1)
        with host.intercepting(lambda request: ERROR):
            for call in (
                "open",
                f"add/{id}?item=Bike",
                f"peek/{id}",
                f"finish/{id}",
                "stats",
                "health",
            ):
                began = host.now()
                response = await host.get(f"/api/{call}")
                assert response.status == 503, call
                assert response.headers["content-type"] == "application/problem+json"
                assert (host.now() - began).total_seconds() <= 10.001
        assert (await host.add(id, "Bike")).status == 200


@virtual_time
async def test_a_message_to_an_id_that_was_never_opened_leaves_nothing() -> None:
    """No state and no count: nobody creates state by guessing ids."""
    id = "f" * 32
    message = {"v": 1, "trace": "", "sent_at": "2026-12-24T18:00:00.000Z", "key": "k", "text": "x"}
    async with RegistryHost() as host:
        assert (await host.add(id, "Bike")).status == 404
        sent = await host.post(
            f"{MANAGEMENT}/entities/RegistryList/{id}?op=add",
            json.dumps(message).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert sent.status == 202
        assert (await host.get(f"/api/peek/{id}")).status == 404
        assert (await host.stats())["registryCount"] == 0
