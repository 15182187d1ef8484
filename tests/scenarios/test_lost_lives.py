"""What befalls the orchestration of a registry does not befall the registry: others close, count
and send it.
"""

import asyncio
import shutil
from pathlib import Path

import pytest

from devhost.testing import FaultRates, Faults, NoResponse, Store, virtual_time
from tests.support.registry_host import ROOT, Receiver, RegistryHost, assert_all_closed_and_sent


class DiesIn(Faults):
    """The worker dies in the nth turn that is made, of whatever it is."""

    def __init__(self, turn: int) -> None:
        super().__init__(0, FaultRates.only())
        self.left = turn

    def happens(self, rate: str) -> bool:
        if rate != "worker_dies_in_turn":
            return False
        self.left -= 1
        return self.left == -1


@pytest.mark.parametrize("turn", range(1, 12))
@virtual_time
async def test_the_worker_dies_in_a_turn(turn) -> None:
    """Whichever it is: of the stats, of the list, of the life at its begin or at its timer, or of
    the delivery.
    """
    receiver = Receiver()
    async with RegistryHost(receiver, faults=DiesIn(turn)) as host:
        opened = await host.post("/api/open")
        await host.advance(seconds=10)
        (entity,) = host.entities("RegistryList")
        id = entity.id.split("@")[2]
        assert opened.status == 500 or opened.json()["id"] == id
        await host.add(id, "Bike", "k")
        assert (await host.add(id, "Bike", "k")).status == 200
        await host.advance(minutes=8)
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_the_worker_dies_before_an_open_has_got_further_than_the_stats() -> None:
    """Nobody was told of the registry; it closes empty, is counted so that the counts agree, and is
    not sent.
    """
    receiver = Receiver()
    async with RegistryHost(receiver, faults=DiesIn(0)) as host:
        assert await host.post("/api/open") == (500, {}, b"")
        await host.advance(seconds=10)
        assert (await host.stats())["openCount"] == 1
        await host.advance(minutes=7)
        await assert_all_closed_and_sent(host, receiver, [], unopened=1)


@virtual_time
async def test_a_life_whose_worker_dies_in_its_turn_has_failed() -> None:
    """So it is not the life that closes, counts and sends the registry of the test above."""
    statuses = set()
    for turn in range(6):
        async with RegistryHost(faults=DiesIn(turn)) as host:
            await host.post("/api/open")
            await host.advance(minutes=6)
            statuses |= {each.status for each in host.instances()}
    assert statuses == {"Completed", "Failed"}


@pytest.mark.parametrize("after", [0, 100, 299.9])
@virtual_time
async def test_an_operator_terminates_the_life(after) -> None:
    """At once, later or just before the end: it takes gifts until its end, and closes in time."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        id = await host.open()
        await host.advance(seconds=after)
        await host.terminate(id)
        if after < 299:
            assert (await host.add(id, "Bike")).status == 200
            assert (await host.peek(id))["status"] == "Open"
        await host.advance(seconds=300 - after)
        await host.advance(minutes=3)
        assert host.instance(id).status == "Terminated"
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_a_registry_whose_life_was_terminated_can_be_finished() -> None:
    """At once: the request settles it in the place of its life."""
    receiver = Receiver()
    async with RegistryHost(receiver, timers=False) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.terminate(id)
        await host.run_until_idle()
        finished = (await host.finish(id)).json()
        assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
        await host.advance(seconds=2)
        await assert_all_closed_and_sent(host, receiver, [id])


@virtual_time
async def test_who_looks_at_what_nobody_has_closed_has_it_closed() -> None:
    """Peek, process and add are told so once it is on record, and never otherwise again."""
    async with RegistryHost(Receiver(), timers=False) as host:
        for call in ("peek", "process", "add"):
            id = await host.open()
            await host.terminate(id)
            await host.advance(minutes=5)
            answer = await host.request(
                "GET" if call == "peek" else "POST", f"/api/{call}/{id}?item=Bike"
            )
            if call == "add":
                assert answer.status == 409
            else:
                assert answer.json()["status"] == "Closed"
            shown = await host.peek(id)
            await host.advance(days=1)
            assert (await host.peek(id))["registry"] | {"processing": ""} == shown["registry"] | {
                "processing": ""
            }


@pytest.mark.parametrize("statuses", [[503], [503, 503, 503, 503]])
@virtual_time
async def test_an_operator_terminates_the_delivery(statuses) -> None:
    """It is taken up again, and the receiver sees one webhook-id."""
    receiver = Receiver(statuses=[*statuses])
    async with RegistryHost(receiver) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.advance(minutes=5, seconds=2)
        assert await host.processing(id) == "pending"
        await host.terminate(f"{id}-delivery")
        await host.advance(minutes=15)
        await assert_all_closed_and_sent(host, receiver, [id])
        assert set(receiver.ids) == {id}
        assert len(receiver.ids) == len(statuses) + 1


@pytest.mark.parametrize("closed_by", ["timeout", "user"])
@virtual_time
async def test_process_of_what_lost_its_life(closed_by) -> None:
    """It answers Closed, sends it once, and spoils no count, however early or often it is called."""
    receiver = Receiver()
    async with RegistryHost(receiver) as host:
        id = await host.open()
        await host.add(id, "Bike")
        await host.terminate(id)
        assert (await host.post(f"/api/process/{id}")).status == 409
        if closed_by == "user":
            await host.finish(id)
        else:
            await host.advance(minutes=5)
        for _ in range(3):
            answer = await host.post(f"/api/process/{id}")
            assert answer.status in (202, 429)
            assert answer.status == 429 or answer.json()["status"] == "Closed"
        await host.advance(minutes=3)
        await assert_all_closed_and_sent(host, receiver, [id])


BREAKS = {
    "one more activity before the timer": (
        "    by: ClosedBy =",
        "    yield context.call_activity(SETTLE, life)\n    by: ClosedBy =",
    ),
    "an orchestrator that raises": (
        "    by: ClosedBy =",
        '    raise ValueError("a mistake")\n    by: ClosedBy =',
    ),
    "an orchestration of another name": ('"RegistryOrchestration"', '"AnotherOrchestration"'),
}


@pytest.mark.parametrize("name", BREAKS)
@virtual_time
async def test_a_deployment_breaks_the_history_of_open_registries(name, tmp_path) -> None:
    """Those that are open are closed, counted and sent in time nevertheless."""
    receiver, store = Receiver(), Store(None)
    async with RegistryHost(receiver, store=store) as host:
        ids = [await host.open() for _ in range(3)]
        for id in ids:
            await host.add(id, "Bike")
        await host.advance(minutes=2)
        now = host.now()
    async with RegistryHost(
        receiver, app=broken(tmp_path, *BREAKS[name]), store=store, start=now
    ) as host:
        assert (await host.add(ids[0], "Book")).status == 200
        assert (await host.post(f"/api/finish/{ids[1]}")).json()["status"] == "Closed"
        await host.advance(minutes=6)
        await assert_all_closed_and_sent(host, receiver, ids)
    store.close()


def broken(folder: Path, old: str, new: str) -> Path:
    """The app in a folder of its own, with one text of its life in place of another."""
    for each in ("function_app.py", "host.json"):
        shutil.copy(ROOT / each, folder)
    shutil.copytree(
        ROOT / "registry", folder / "registry", ignore=shutil.ignore_patterns("__pycache__")
    )
    file = (
        folder
        / "registry"
        / "durable"
        / ("names.py" if "RegistryOrchestration" in old else "lifecycle.py")
    )
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize("seed", range(3))
@virtual_time
async def test_lives_end_all_the_time(seed) -> None:
    """Operators and deaths of workers end most orchestrations, while many open, give and finish."""
    rates = FaultRates.only(
        worker_dies_in_turn=0.05, terminations_a_minute=10, worker_deaths_a_minute=2
    )
    receiver = Receiver()
    async with RegistryHost(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=60) as host:
        answered: list[str] = []

        async def life(number: int):
            await host.sleep(number)
            try:
                opened = await host.call("POST", "/api/open")
                if opened.status == 201:
                    answered.append(opened.json()["id"])
                    await host.call("POST", f"/api/add/{opened.json()['id']}?item=Bike")
                    await host.sleep(20)
                    if number % 2:
                        await host.call("POST", f"/api/finish/{opened.json()['id']}")
            except NoResponse:
                pass

        await asyncio.gather(*map(life, range(20)))
        await host.advance(minutes=1)
        host.faults.calm()
        await host.advance(minutes=4)
        lists = [each.id.split("@")[2] for each in host.entities("RegistryList")]
        unopened = [id for id in lists if await host.processing(id) == "off"]
        assert not set(answered).intersection(unopened)
        assert len(answered) > 10
        await assert_all_closed_and_sent(
            host, receiver, sorted(set(lists).difference(unopened)), len(unopened)
        )
