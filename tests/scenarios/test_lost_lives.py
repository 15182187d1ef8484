"""What befalls the orchestration of a registry does not befall the registry: others close, count
and send it.
"""

import shutil
from pathlib import Path

import pytest

from devhost.storage.rows import Query
from devhost.storage.sqlite import open_store
from devhost.testing.answers import Unanswered
from devhost.testing.faults import Rates, Unkind
from devhost.testing.virtual_host import ROOT
from tests.scenarios.world import (
    Receiver,
    assert_all_is_well,
    host_with,
    peek,
    processing,
    stats,
    terminate,
    told,
)


class DiesIn(Unkind):
    """The worker dies in the nth turn that is made, of whatever it is."""

    def __init__(self, turn: int) -> None:
        super().__init__(0, Rates.only())
        self.left = turn

    def happens(self, rate: str) -> bool:
        if rate != "worker_dies_in_turn":
            return False
        self.left -= 1
        return self.left == -1


@pytest.mark.parametrize("turn", range(1, 12))
def test_the_worker_dies_in_a_turn(turn) -> None:
    """Whichever it is: of the stats, of the list, of the life at its begin or at its timer, or of
    the delivery.
    """
    receiver = Receiver()
    with host_with(receiver, unkind=DiesIn(turn)) as host:
        opened = host.post("/api/open")
        host.advance(seconds=10)
        (entity,) = host.store.entities(Query(prefix="@registrylist@"))
        id = entity.id.split("@")[2]
        assert opened.status == 500 or told(opened)["id"] == id
        host.add(id, "Bike", "k")
        assert host.add(id, "Bike", "k").status == 200
        host.advance(minutes=8)
        assert_all_is_well(host, receiver, [id])


def test_the_worker_dies_before_an_open_has_got_further_than_the_stats() -> None:
    """Nobody was told of the registry; it closes empty, is counted so that the counts agree, and is
    not sent.
    """
    receiver = Receiver()
    with host_with(receiver, unkind=DiesIn(0)) as host:
        assert host.post("/api/open") == (500, {}, b"")
        host.advance(seconds=10)
        assert stats(host)["openCount"] == 1
        host.advance(minutes=7)
        assert_all_is_well(host, receiver, [], unopened=1)


def test_a_life_whose_worker_dies_in_its_turn_has_failed() -> None:
    """So it is not the life that closes, counts and sends the registry of the test above."""
    statuses = set()
    for turn in range(6):
        with host_with(unkind=DiesIn(turn)) as host:
            host.post("/api/open")
            host.advance(minutes=6)
            statuses |= {each.status for each in host.store.instances(Query())}
    assert statuses == {"Completed", "Failed"}


@pytest.mark.parametrize("after", [0, 100, 299.9])
def test_an_operator_terminates_the_life(after) -> None:
    """At once, later or just before the end: it takes gifts until its end, and closes in time."""
    receiver = Receiver()
    with host_with(receiver) as host:
        id = host.open()
        host.advance(seconds=after)
        terminate(host, id)
        if after < 299:
            assert host.add(id, "Bike").status == 200
            assert peek(host, id)["status"] == "Open"
        host.advance(seconds=300 - after)
        host.advance(minutes=3)
        assert host.store.instance(id).status == "Terminated"
        assert_all_is_well(host, receiver, [id])


def test_a_registry_whose_life_was_terminated_can_be_finished() -> None:
    """At once: the request settles it in the place of its life."""
    receiver = Receiver()
    with host_with(receiver, timers=False) as host:
        id = host.open()
        host.add(id, "Bike")
        terminate(host, id)
        host.settle()
        finished = told(host.post(f"/api/finish/{id}"))
        assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
        host.advance(seconds=2)
        assert_all_is_well(host, receiver, [id])


def test_who_looks_at_what_nobody_has_closed_has_it_closed() -> None:
    """Peek, process and add are told so once it is on record, and never otherwise again."""
    with host_with(Receiver(), timers=False) as host:
        for call in ("peek", "process", "add"):
            id = host.open()
            terminate(host, id)
            host.advance(minutes=5)
            answer = host.request(
                "GET" if call == "peek" else "POST", f"/api/{call}/{id}?item=Bike"
            )
            if call == "add":
                assert answer.status == 409
            else:
                assert told(answer)["status"] == "Closed"
            shown = peek(host, id)
            host.advance(days=1)
            assert peek(host, id)["registry"] | {"processing": ""} == shown["registry"] | {
                "processing": ""
            }


@pytest.mark.parametrize("statuses", [[503], [503, 503, 503, 503]])
def test_an_operator_terminates_the_delivery(statuses) -> None:
    """It is taken up again, and the receiver sees one webhook-id."""
    receiver = Receiver(statuses=[*statuses])
    with host_with(receiver) as host:
        id = host.open()
        host.add(id, "Bike")
        host.advance(minutes=5, seconds=2)
        assert processing(host, id) == "pending"
        terminate(host, f"{id}-delivery")
        host.advance(minutes=15)
        assert_all_is_well(host, receiver, [id])
        assert set(receiver.ids) == {id}
        assert len(receiver.ids) == len(statuses) + 1


@pytest.mark.parametrize("closed_by", ["timeout", "user"])
def test_process_of_what_lost_its_life(closed_by) -> None:
    """It answers Closed, sends it once, and spoils no count, however early or often it is called."""
    receiver = Receiver()
    with host_with(receiver) as host:
        id = host.open()
        host.add(id, "Bike")
        terminate(host, id)
        assert host.post(f"/api/process/{id}").status == 409
        if closed_by == "user":
            host.post(f"/api/finish/{id}")
        else:
            host.advance(minutes=5)
        for _ in range(3):
            answer = host.post(f"/api/process/{id}")
            assert answer.status in (202, 429)
            assert answer.status == 429 or told(answer)["status"] == "Closed"
        host.advance(minutes=3)
        assert_all_is_well(host, receiver, [id])


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
def test_a_deployment_breaks_the_history_of_open_registries(name, tmp_path) -> None:
    """Those that are open are closed, counted and sent in time nevertheless."""
    receiver, store = Receiver(), open_store()
    with host_with(receiver, store=store) as host:
        ids = [host.open() for _ in range(3)]
        for id in ids:
            host.add(id, "Bike")
        host.advance(minutes=2)
        now = host.now()
    with host_with(receiver, app=broken(tmp_path, *BREAKS[name]), store=store, start=now) as host:
        assert host.add(ids[0], "Book").status == 200
        assert told(host.post(f"/api/finish/{ids[1]}"))["status"] == "Closed"
        host.advance(minutes=6)
        assert_all_is_well(host, receiver, ids)
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
def test_lives_end_all_the_time(seed) -> None:
    """Operators and deaths of workers end most orchestrations, while many open, give and finish."""
    rates = Rates.only(worker_dies_in_turn=0.05, terminations_a_minute=10, worker_deaths_a_minute=2)
    receiver = Receiver()
    with host_with(receiver, rates=rates, seed=seed, REGISTRY_OPEN_SECONDS=60) as host:
        answered: list[str] = []

        async def life(number: int):
            await host.sleep(number)
            try:
                opened = await host.call("POST", "/api/open")
                if opened.status == 201:
                    answered.append(told(opened)["id"])
                    await host.call("POST", f"/api/add/{told(opened)['id']}?item=Bike")
                    await host.sleep(20)
                    if number % 2:
                        await host.call("POST", f"/api/finish/{told(opened)['id']}")
            except Unanswered:
                pass

        host.run_all(*map(life, range(20)))
        host.advance(minutes=1)
        host.host.unkind.calm()
        host.advance(minutes=4)
        lists = [
            each.id.split("@")[2] for each in host.store.entities(Query(prefix="@registrylist@"))
        ]
        unopened = [id for id in lists if processing(host, id) == "off"]
        assert not set(answered).intersection(unopened)
        assert len(answered) > 10
        assert_all_is_well(host, receiver, sorted(set(lists).difference(unopened)), len(unopened))
