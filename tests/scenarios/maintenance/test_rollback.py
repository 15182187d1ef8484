"""A version is rolled back: what the newer one has begun is finished by the older one."""

import json
import shutil
from pathlib import Path

import pytest

from devhost.testing import open_store, virtual_time
from tests.support.registry_host import (
    MANAGEMENT,
    ROOT,
    THREE_MINUTES,
    Receiver,
    RegistryHost,
    assert_all_closed_and_sent,
)


@pytest.fixture
def newer(tmp_path) -> Path:
    """The app, with a higher version in its host.json."""
    shutil.copy(ROOT / "function_app.py", tmp_path)
    shutil.copytree(ROOT / "registry", tmp_path / "registry")
    text = (ROOT / "host.json").read_text()
    raised = text.replace('"defaultVersion": "1.0"', '"defaultVersion": "2.0"')
    assert raised != text
    (tmp_path / "host.json").write_text(raised)
    return tmp_path


@pytest.mark.parametrize("seconds", [0, 13, 31, 45, 59])
@virtual_time
async def test_what_a_newer_version_has_begun_goes_on_after_a_rollback(newer, seconds) -> None:
    """Its instances are not run, so deliveries are restarted, and registries closed without them.

    However late in a minute it is rolled back.
    """
    receiver, store = Receiver(), open_store()
    async with RegistryHost(receiver, store=store) as host:
        old = await host.open()
        await host.advance(minutes=1)

    async with RegistryHost(receiver, store=store, app=newer, seed=2, start=host.now()) as host:
        opened, finished, pending = [await host.open() for _ in range(3)]
        await host.add(opened, "Bike")
        receiver.always = 503
        await host.finish(pending)
        await host.advance(minutes=2, seconds=seconds)
        assert set(receiver.ids) == {pending}
        await start_delivery_later(host, finished)
        await host.finish(finished)

    receiver.always = 204
    async with RegistryHost(receiver, store=store, start=host.now()) as host:
        rolled_back_at = host.now()
        await start_delivery_later(host, opened)
        await host.advance(minutes=12)
        first = next(each for each in receiver.deliveries if each.id == finished)
        assert first.at <= rolled_back_at + THREE_MINUTES
        await assert_all_closed_and_sent(
            host, receiver, [old, opened, finished, pending], started=rolled_back_at
        )
        running = {each.id for each in host.instances() if each.status in ("Pending", "Running")}
        assert running == {opened}
        attempts = len(receiver.ids)
        await host.advance(minutes=10)
        assert len(receiver.ids) == attempts

    async with RegistryHost(receiver, store=store, app=newer, seed=2, start=host.now()) as host:
        await host.advance(minutes=5)
        assert len(receiver.ids) == attempts
        assert {each.status for each in host.instances()} == {"Completed"}
    store.close()


async def start_delivery_later(host: RegistryHost, id: str) -> None:
    """Leave a delivery's start in the queue, as a version does that is replaced before its turn."""
    input = {
        "sent_at": host.now().isoformat(),
        "id": id,
        "number": 1,
        "backoff": [5, 3600, 86400],
    }
    path = f"{MANAGEMENT}/orchestrators/DeliveryOrchestration/{id}-delivery?version=3.0"
    response = await host.post(path, json.dumps(input).encode())
    assert response.status == 202
