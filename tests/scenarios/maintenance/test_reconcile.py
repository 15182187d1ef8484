"""What is lost, damaged or was wrong once for some registries stops no other."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from devhost.testing import ManagementRequest, ManagementResponse, open_store, virtual_time
from tests.support.registry_host import (
    ERROR,
    MANAGEMENT,
    RECONCILE,
    THREE_MINUTES,
    Receiver,
    RegistryHost,
    assert_all_closed_and_sent,
)


def shard_of(id: str) -> str:
    """The key of the shard that counts a registry."""
    return str(int(id[:8], 16) % 16)


def damage(host: RegistryHost, name: str, key: str, change: Callable[[Any], Any]) -> None:
    """Change the stored state of an entity, as no version of the app does."""
    state = host.entity(name, key)
    assert state is not None
    with host.store.transaction():
        host.store.save_entity(
            f"@{name.lower()}@{key}", json.dumps(change(json.loads(state))), host.now().isoformat()
        )


async def purge(host: RegistryHost, instance: str) -> None:
    """Purge an instance or an entity, as an operator does."""
    response = await host.request("DELETE", f"{MANAGEMENT}/instances/{instance}")
    assert response.status == 200, response


def first_attempts(receiver: Receiver) -> dict[str, datetime]:
    """When each registry was sent for the first time."""
    first: dict[str, datetime] = {}
    for each in receiver.deliveries:
        first.setdefault(each.id, each.at)
    return first


def lose_starts_of_deliveries(request: ManagementRequest) -> ManagementResponse | None:
    """Accept the start of a delivery, and forget it."""
    if "DeliveryOrchestration" in request.path:
        return ManagementResponse(202, json.dumps({"id": "lost"}))
    return None


@pytest.mark.verify
@virtual_time
async def test_three_hundred_lost_deliveries_are_attempted_within_three_minutes() -> None:
    """Not some in each run."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        with host.intercepting(lose_starts_of_deliveries):
            ids = [await host.open() for _ in range(300)]
            for id in ids:
                await host.finish(id)
            closed_at = host.now()
            await host.advance(seconds=2)
        assert receiver.ids == []

        await host.advance(minutes=3)
        assert set(receiver.ids) == set(ids)
        assert max(first_attempts(receiver).values()) <= closed_at + THREE_MINUTES
        await assert_all_closed_and_sent(host, receiver, ids)


@virtual_time
async def test_damage_to_some_registries_stops_no_other(caplog) -> None:
    """Each is one line a run, with its reason."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        ids = [await host.open() for _ in range(40)]
        for id in ids:
            await host.terminate(id)

        by_shard = {shard_of(id): id for id in ids}
        junk, null, unread, bad_list, bad_instance = list(by_shard)[:5]
        damage(host, "RegistryStats", junk, lambda state: {"standings": "Bike"})
        damage(host, "RegistryStats", null, with_junk_entries)
        damage(host, "RegistryList", by_shard[bad_list], lambda state: {"v": 99})
        await purge(host, f"@registrylist@{by_shard[bad_instance]}")

        def fail(request: ManagementRequest) -> ManagementResponse | None:
            broken = (f"entities/RegistryStats/{unread}", f"instances/{by_shard[bad_instance]}")
            return ERROR if request.path.strip("/") in broken else None

        with host.intercepting(fail):
            await host.advance(minutes=5, seconds=20)
            caplog.clear()
            await host.advance(minutes=1)

        short = {shard: id[:8] for shard, id in by_shard.items()}
        unseen = {id for id in ids if shard_of(id) == null}
        assert Counter(each.partition(" is invalid")[0] for each in caplog.messages) == Counter(
            [
                f"RegistryStats {junk}: its stored state",
                f"RegistryStats {unread}: not reconciled yet: HubUnavailable",
                f"registry {short[bad_list]}: its stored state",
                f"registry {short[bad_instance]}: not reconciled yet: HubUnavailable",
                *(f"registry {id[:8]}: its snapshot in the stats" for id in unseen),
            ]
        )
        damaged = {by_shard[bad_list], by_shard[bad_instance]}
        hidden = {id for id in ids if shard_of(id) in (junk, null, unread)}
        assert set(receiver.ids) == set(ids) - damaged - hidden
        assert len(receiver.ids) > 20

        await host.advance(minutes=2)  # Reads succeed again.
        assert {id for id in ids if shard_of(id) == unread} <= set(receiver.ids)


def with_junk_entries(state: Any) -> Any:
    """The state of a shard of whose entries only the ids are left."""
    return state | {"active": dict.fromkeys(state["active"])}


@virtual_time
async def test_a_clock_is_a_day_ahead_for_a_minute() -> None:
    """What is due by it is not waited for; what callers were told by it stays."""
    receiver, store = Receiver(always=503), open_store()
    async with RegistryHost(receiver, PROCESSING_RETRY_HOURS=48, store=store) as host:
        opened, finished = await host.open(), await host.open()
        await host.finish(finished)
        await host.advance(minutes=2)

    ahead = host.now() + timedelta(days=1)
    async with RegistryHost(
        receiver, PROCESSING_RETRY_HOURS=48, store=store, seed=2, start=ahead
    ) as host:
        told = await host.open()
        finished_ahead = await host.open()
        await host.finish(finished_ahead)
        await host.advance(minutes=1)

    receiver.always = 204
    back = host.now() - timedelta(days=1)
    async with RegistryHost(
        receiver, PROCESSING_RETRY_HOURS=48, store=store, seed=3, start=back
    ) as host:
        young = await host.open()
        await host.advance(minutes=3)
        for id in (opened, finished, finished_ahead):
            assert await host.processing(id) == "delivered"
        assert (await host.peek(told))["status"] == "Open"
        assert (await host.add(told, "Bike")).status == 200

        await host.advance(days=1, minutes=5)
        ids = [opened, finished, finished_ahead, told, young]
        await assert_all_closed_and_sent(host, receiver, ids, started=ahead)
    store.close()


@pytest.mark.parametrize("orchestration", ["Running", "Terminated", "purged"])
@pytest.mark.parametrize("is_set_back", [True, False])
@virtual_time
async def test_a_list_that_lost_what_it_knew_leaves_the_counts_of_open_registries(
    orchestration, is_set_back
) -> None:
    """Its storage was restored, or an operator purged it. What it says now is counted."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        lost, other = await host.open(), await host.open()
        early = json.loads(host.list_state(lost) or "")
        for number in range(5):
            await host.add(lost, f"Bike {number}")
            await host.advance(seconds=2)
        await host.add(other, "Book")
        assert (await host.stats())["itemsCount"] == 6

        if is_set_back:
            damage(host, "RegistryList", lost, lambda state: early)
        else:
            await purge(host, f"@registrylist@{lost}")
        if orchestration != "Running":
            await host.terminate(lost)
        if orchestration == "purged":
            await purge(host, lost)

        await host.advance(minutes=8)
        counts = await host.stats()
        is_gone = orchestration == "purged" and not is_set_back
        assert (counts["openCount"], counts["closedCount"]) == (0, 2)
        assert counts["itemsCount"] == (6 if is_gone else 1)  # What was purged stays counted.
        assert counts["processing"] == {
            "off": int(not is_set_back),
            "pending": 0,
            "delivered": 1 + int(is_set_back),
            "failed": 0,
        }
        assert other in receiver.ids
        with host.counting() as costs:
            await host.run_timer(RECONCILE)
        assert costs == {"read RegistryStats": 16}
