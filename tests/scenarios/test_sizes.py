"""A registry is bounded as a whole: 64 KiB of texts and keys as stored, and what was refused never
comes in.
"""

import json

from tests.scenarios.world import host_with, peek, told

PLAIN = "text/plain; charset=utf-8"
EMOJI = "🎁" * 1000
"""Takes 12 bytes for each character as it is stored: five of them fit, the sixth does not."""


def give(host, id: str, text: str, key: str):
    return host.post(f"/api/add/{id}", text.encode(), Content_Type=PLAIN, Idempotency_Key=key)


def test_an_add_that_would_pass_the_bound_is_refused_for_good() -> None:
    """It makes the registry full: taking gifts back makes no room, not even for the smallest one."""
    with host_with() as host:
        id = host.open()
        for number in range(5):
            assert give(host, id, EMOJI, str(number)).status == 200
        refused = give(host, id, EMOJI, "5")
        assert refused.status == 409
        assert told(refused)["type"].endswith("registry-full")
        assert host.post(f"/api/remove/{id}?itemKey=0").status == 200
        for text, key in ((EMOJI, "5"), ("a", "6")):
            assert told(give(host, id, text, key))["type"].endswith("registry-full")
        assert peek(host, id)["registry"]["items"] == [EMOJI] * 4
        assert told(give(host, id, EMOJI, "4"))["itemsCount"] == 4
        finished = told(host.post(f"/api/finish/{id}"))
        assert finished["registry"]["items"] == [EMOJI] * 4


def test_what_is_stored_stays_within_the_bound() -> None:
    """Whatever the gifts are, and however many keys are remembered."""
    with host_with(REGISTRY_MAX_ITEMS=1000, timers=False) as host:
        id = host.open()
        for number in range(99):
            key = str(number) * 60
            give(host, id, ("é" * 500, "plain" * 100, '\\"\t' * 300)[number % 3], key)
            host.post(f"/api/remove/{id}?itemKey={key if number % 2 else 'x' * 100 + key[:20]}")
        state = json.loads(host.store.entity(f"@registrylist@{id}"))
        assert 60 * 1024 < len(json.dumps([state["items"], state["removed"]])) <= 64 * 1024
        assert len(host.store.entity(f"@registrylist@{id}")) < 66 * 1024


def test_the_number_of_items_is_bounded() -> None:
    """The limit is that of the open; a gift that is in is known nevertheless."""
    with host_with(REGISTRY_MAX_ITEMS=2) as host:
        id = host.open()
        assert [host.add(id, text, text).status for text in ("a", "b", "c", "a")] == [
            200,
            200,
            409,
            200,
        ]
        host.choose(REGISTRY_MAX_ITEMS=10)
        assert host.add(id, "d").status == 409
        other = host.open()
        assert [host.add(other, text).status for text in "abc"] == [200] * 3
