"""A host that dies, and what it had in hand; an operator; faults that stop."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest
import requests

from devhost.storage.rows import Query
from devhost.testing import (
    START,
    FaultRates,
    Faults,
    NoResponse,
    virtual_time,
)
from devhost.testing.faulty.host import build_faulty_host
from tests.server import serving
from tests.testing.sample import MANAGEMENT


@virtual_time
async def test_a_host_that_dies_answers_nothing_for_some_seconds(sample) -> None:
    """Who waits for an answer gets none, nor does who asks meanwhile."""
    async with sample.on(host_deaths_a_minute=1) as sample:
        with pytest.raises(NoResponse):
            await sample.host.get("/api/sleep/3600")
        died = sample.host.now()
        with pytest.raises(NoResponse):
            await sample.host.get("/api/clock")
        sample.faults.stop()
        await sample.host.advance(seconds=20)
        assert (await sample.host.get("/api/clock")).status == 200
        assert sorted(sample.ended) == ["background cancelled", "request cancelled"]
    assert died > START


@virtual_time
async def test_what_a_dead_host_had_in_hand_waits_for_its_time_out(sample) -> None:
    """For the visibility time-out; then it goes on, and nothing is lost."""
    async with sample.on(
        host_deaths_a_minute=1, message_in_hand=1, message_late=0.5, commit_late=1
    ):

        async def client() -> list[str]:
            sent = []
            with suppress(NoResponse):
                while True:
                    gift = f"gift {len(sent)}"
                    body = json.dumps(gift).encode()
                    await sample.host.call("POST", f"{MANAGEMENT}/entities/Bag/a?op=put", body=body)
                    sent.append(gift)
                    await sample.host.sleep(0.1)
            return sent

        sent = await client()
        sample.faults.stop()
        await sample.host.advance(seconds=50)
        early = sample.bag()
        await sample.host.advance(seconds=20)
        assert 1 < len(sent) - len(early) < len(sent) / 2
        assert sorted(sample.bag()) == sorted(sent)


@virtual_time
async def test_an_activity_of_a_host_that_dies_waits_for_its_time_out(sample) -> None:
    """It is run again after the visibility time-out."""
    async with sample.on(host_deaths_a_minute=0.5):
        await sample.start("wraps", 300)
        while not sample.faults.counts["host_deaths_a_minute"]:
            await sample.host.advance(seconds=0.1)
        died = sample.host.now()
        sample.faults.stop()
        await sample.host.advance(minutes=10)
        assert sample.output() == 2
        assert timedelta(seconds=59) < sample.ran[1] - died <= timedelta(seconds=60)


@virtual_time
async def test_an_operator_terminates_orchestrations(sample) -> None:
    """Any of those that run."""
    async with sample.on(terminations_a_minute=10):
        for number in range(5):
            await sample.start("waits", id=f"i{number}")
        await sample.host.advance(minutes=5)
        assert {instance.status for instance in sample.host.store.instances(Query())} == {
            "Terminated"
        }
        assert sample.output("i0") == "An operator was here."


@virtual_time
async def test_faults_stop(sample) -> None:
    """Nothing more goes wrong, and what is late stays late."""
    async with sample.on(message_late=1, worker_deaths_a_minute=10, read_fails=1):
        await sample.put("a")
        sample.faults.stop()
        await sample.put("b")
        await sample.host.run_until_idle()
        assert sample.bag() == ["b"]
        await sample.host.advance(minutes=10)
        assert sample.bag() == ["b", "a"]
        assert (await sample.manage("GET", "entities/Bag/a")).status == 200
    assert sample.faults.counts == {"message_late": 1}


@pytest.mark.parametrize(
    ("rate", "answered"), [("worker_deaths_a_minute", True), ("host_deaths_a_minute", False)]
)
def test_over_real_sockets(sample, rate, answered) -> None:
    """A death ends connections without an answer, or with the host's 500."""
    with serving(
        sample.app, build=build_faulty_host(Faults(1, FaultRates.only(**{rate: 300})))
    ) as origin:
        if answered:
            answer = requests.get(f"{origin}/api/sleep/60")
            assert (answer.status_code, answer.content) == (500, b"")
        else:
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{origin}/api/sleep/60")
