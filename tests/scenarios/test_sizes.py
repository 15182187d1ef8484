"""A registry is bounded as a whole: its texts and keys take at most 64 KiB as stored."""

import json

from devhost.testing import Response, virtual_time
from tests.support.registry_host import RegistryHost

PLAIN = "text/plain; charset=utf-8"
EMOJI = "🎁" * 1000
"""Takes 12 bytes for each character as it is stored: five of them fit, the sixth does not."""


async def add_text(host: RegistryHost, id: str, text: str, key: str) -> Response:
    """Add an item whose text is the body of the request."""
    headers = {"Content-Type": PLAIN, "Idempotency-Key": key}
    return await host.post(f"/api/add/{id}", text.encode(), headers=headers)


@virtual_time
async def test_an_add_that_would_pass_the_bound_is_refused_for_good() -> None:
    """It makes the registry full. Removing an item makes no room, not even for the smallest one."""
    async with RegistryHost() as host:
        id = await host.open()
        for number in range(5):
            assert (await add_text(host, id, EMOJI, str(number))).status == 200
        refused = await add_text(host, id, EMOJI, "5")
        assert refused.status == 409
        assert refused.json()["type"].endswith("registry-full")

        assert (await host.post(f"/api/remove/{id}?itemKey=0")).status == 200
        for text, key in ((EMOJI, "5"), ("a", "6")):
            again = await add_text(host, id, text, key)
            assert again.json()["type"].endswith("registry-full")
        assert (await host.peek(id))["registry"]["items"] == [EMOJI] * 4
        assert (await add_text(host, id, EMOJI, "4")).json()["itemsCount"] == 4
        assert (await host.finish(id)).json()["registry"]["items"] == [EMOJI] * 4


@virtual_time
async def test_what_is_stored_stays_within_the_bound() -> None:
    """Whatever the items are, and however many removed keys are remembered."""
    async with RegistryHost(REGISTRY_MAX_ITEMS=1000, timers=False) as host:
        id = await host.open()
        for number in range(99):
            key = str(number) * 60
            text = ("é" * 500, "plain" * 100, '\\"\t' * 300)[number % 3]
            await add_text(host, id, text, key)
            removed = key if number % 2 else "x" * 100 + key[:20]
            await host.post(f"/api/remove/{id}?itemKey={removed}")

        stored = host.list_state(id)
        state = json.loads(stored)
        bounded = len(json.dumps([state["items"], state["removed"]]))
        assert 60 * 1024 < bounded <= 64 * 1024
        assert len(stored) < 66 * 1024


@virtual_time
async def test_the_number_of_items_is_bounded() -> None:
    """The limit is that of the open. An item that is in is acknowledged again nevertheless."""
    async with RegistryHost(REGISTRY_MAX_ITEMS=2) as host:
        id = await host.open()
        statuses = [(await host.add(id, text, text)).status for text in ("a", "b", "c", "a")]
        assert statuses == [200, 200, 409, 200]

        await host.restart(REGISTRY_MAX_ITEMS=10)
        assert (await host.add(id, "d")).status == 409
        other = await host.open()
        assert [(await host.add(other, text)).status for text in "abc"] == [200] * 3
