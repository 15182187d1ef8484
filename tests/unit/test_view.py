from dataclasses import replace
from datetime import timedelta

import pytest

from registry.model import Birth, Item, Registry
from registry.view import shown
from tests.clock import START

END = START + timedelta(minutes=5)
BIRTH = Birth("0123456789abcdef" * 2, START, END, 500)


def test_a_registry_as_people_see_it() -> None:
    """Items are their texts, in order; keys stay with those who added them, and removed items are not shown."""
    registry = Registry.born(BIRTH)
    for key, text in (("k1", "Bike"), ("k2", "<b>"), ("k3", "Bike")):
        registry.add(Item(key, text), START)
    registry.remove("k1", START)
    assert shown(registry, START) == {
        "status": "Open",
        "registry": {
            "id": BIRTH.id,
            "items": ["<b>", "Bike"],
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "closedAt": None,
            "closedBy": None,
            "processing": "off",
        },
    }


def test_a_closed_registry() -> None:
    """It shows who closed it, and when, whatever the time is now."""
    registry = Registry.born(replace(BIRTH, is_sent=True))
    registry.close("user", START)
    for now in (START, END):
        told = shown(registry, now)
        assert told["status"] == "Closed"
        assert (told["registry"]["closedAt"], told["registry"]["closedBy"]) == ("2026-12-24T18:00:00.000Z", "user")
        assert told["registry"]["processing"] == "pending"


@pytest.mark.parametrize(("early", "status"), [(timedelta(milliseconds=1), "Open"), (timedelta(), "Closing")])
def test_a_registry_whose_time_is_up(early, status) -> None:
    """It is not Closed before its close is on record, and no longer Open."""
    told = shown(Registry.born(BIRTH), END - early)
    assert (told["status"], told["registry"]["closedAt"]) == (status, None)
