"""The three promises while the host is killed again and again, for a minute."""

import asyncio
import random
import socket
from pathlib import Path

import pytest

from tests.e2e.process import Devhost
from tests.support.promises.checker import Limits, Plan, Receiver, Report, attack, check
from tests.support.promises.history import History
from tests.support.sockets import Sockets, receiving, sockets

SECONDS = 45
"""How long registries are opened; then those that are open are seen through, all under SIGKILL: a
minute.
"""
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
LIMITS = Limits(webhook=True, take_within=15)
"""The host is down for up to three seconds, and a busy machine takes its time to start it."""
PLAN = Plan(registries=8, seconds=SECONDS, linger=2, limits=LIMITS)


@pytest.mark.verify
@pytest.mark.timeout(400)
def test_the_promises_hold_under_sigkill(tmp_path) -> None:
    """Whatever the host did when it was killed: answers were true, and every registry ends."""
    report = asyncio.run(_run(tmp_path))
    print(report.summary, *report.table(), sep="\n")
    assert set(report.not_checkable) == {"full for good"}
    assert report.is_good, "\n".join(report.complaints())


async def _run(folder: Path) -> Report:
    history, port = History(), _free_port()
    with Devhost(
        folder / "data",
        REGISTRY_OPEN_SECONDS=10,
        PROCESSING_WEBHOOK_URL=f"http://127.0.0.1:{port}/gifts",
        PROCESSING_WEBHOOK_SECRET=SECRET,
    ) as host:
        async with (
            sockets(host.url) as world,
            receiving(Receiver(history, world.now, PLAN.seed), port),
        ):
            killer = asyncio.create_task(_kill_again_and_again(host, world, history))
            await attack(world, PLAN, history, calm=killer.cancel)
    return check(history, PLAN.limits)


async def _kill_again_and_again(host: Devhost, world: Sockets, history: History) -> None:
    while True:
        await asyncio.sleep(random.uniform(1, 5))
        await asyncio.shield(_kill(host, world, history))


async def _kill(host: Devhost, world: Sockets, history: History) -> None:
    host.kill()
    await asyncio.sleep(random.choice([0, 0, random.uniform(0, 3)]))
    await asyncio.to_thread(host.start)
    history.starts.append(world.now())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
