"""What becomes of entities, as on the real host."""

import json

import pytest

from devhost.server.management import Call
from tests.devhost.sample_host import ORIGIN


def signal(host, operation: str, input: int | None = None) -> None:
    body = json.dumps(json.dumps(input))
    host.manage(Call("POST", "entities/Counter/a", ORIGIN, query={"op": operation}, body=body))


@pytest.mark.parametrize(("before", "operation"), [(None, "burst"), (3, "delete")])
def test_an_entity_without_a_state_exists(host, before, operation) -> None:
    """After its first operation has failed, and after it has destructed; the next operation starts anew."""
    if before:
        signal(host, "add", before)
    signal(host, operation)
    reply = host.manage(Call("GET", "entities/Counter/a", ORIGIN))
    assert (reply.status, json.loads(reply.body)) == (200, None)
    signal(host, "add", 2)
    assert host.store.entity("@counter@a") == "2"
