"""What becomes of entities, as on the real host."""

import json
from dataclasses import replace

import pytest

from devhost.management.messages import ManagementRequest
from tests.sample_host import ORIGIN


def signal(host, operation: str, input: int | None = None) -> None:
    body = json.dumps(json.dumps(input))
    host.manage(
        ManagementRequest("POST", "entities/Counter/a", ORIGIN, query={"op": operation}, body=body)
    )


@pytest.mark.parametrize(("before", "operation"), [(None, "burst"), (3, "delete")])
def test_an_entity_without_a_state_exists(host, before, operation) -> None:
    """After its first operation has failed, and after it has destructed; the next operation starts
    anew.
    """
    if before:
        signal(host, "add", before)
    signal(host, operation)
    reply = host.manage(ManagementRequest("GET", "entities/Counter/a", ORIGIN))
    assert (reply.status, json.loads(reply.body)) == (200, None)
    signal(host, "add", 2)
    assert host.store.entity("@counter@a") == "2"


def test_an_entity_that_the_app_no_longer_has_stays_as_it_was(host) -> None:
    """And its messages are gone."""
    signal(host, "add", 2)
    host.work_items.functions = replace(host.work_items.functions, entities={})
    with host.store.transaction():
        host.client.signal("@counter@a", "add", json.dumps(json.dumps(3)))
    host.run()
    assert host.store.entity("@counter@a") == "2"
    assert host.store.next_due() is None
