from datetime import timedelta

import pytest

from registry.domain.registry import Item
from registry.domain.views import RegistryStatusView
from tests.clock import START
from tests.support.registries import BIKE, END, ID, closed_registry, open_registry


def view(registry, now) -> dict:
    return RegistryStatusView.of(registry, now).model_dump(mode="json")


def test_a_registry_shows_its_texts_in_order() -> None:
    """Keys are not shown, and neither are removed items."""
    registry = open_registry(BIKE, Item("k2", "<b>"), Item("k3", "Bike"))
    registry.remove("k1", START)
    assert view(registry, START) == {
        "status": "Open",
        "registry": {
            "id": ID,
            "items": ["<b>", "Bike"],
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "closedAt": None,
            "closedBy": None,
            "processing": "off",
        },
    }


@pytest.mark.parametrize("now", [START, END])
def test_a_closed_registry_shows_who_closed_it_and_when(now) -> None:
    """Whatever the time is now."""
    shown = view(closed_registry(), now)
    assert shown["status"] == "Closed"
    assert shown["registry"]["closedAt"] == "2026-12-24T18:00:00.000Z"
    assert shown["registry"]["closedBy"] == "user"
    assert shown["registry"]["processing"] == "pending"


@pytest.mark.parametrize(
    ("early", "status"), [(timedelta(milliseconds=1), "Open"), (timedelta(), "Closing")]
)
def test_a_registry_is_not_closed_before_that_is_on_record(early, status) -> None:
    """Once its time is up it is closing."""
    shown = view(open_registry(), END - early)
    assert shown["status"] == status
    assert shown["registry"]["closedAt"] is None
